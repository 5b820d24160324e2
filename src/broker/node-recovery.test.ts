import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { batch, FETCH, fetched, fetchRequest } from './broker-fixture.ts'
import { ClusterFixture } from './cluster-fixture.ts'

const PARTITIONS = 9

async function started(): Promise<ClusterFixture> {
  const cluster = await ClusterFixture.start(3)
  await cluster.at(1).createTopic('t', PARTITIONS)
  await cluster.settle()
  return cluster
}

/** Base offsets of all batches of a partition, wherever it is led. */
async function stored(cluster: ClusterFixture, index: number): Promise<number[]> {
  const leader = await cluster.leader('t', index)
  const batches: number[] = []
  for (let fetchOffset = 0; ; ) {
    const answer = fetched(await leader.call(FETCH, 12, fetchRequest('t', [{ partition: index, fetchOffset }])), index)
    assert.equal(answer?.errorCode, 0)
    if (answer.batches.length === 0) return batches
    batches.push(...answer.batches)
    fetchOffset = (batches.at(-1) ?? 0) + 1
  }
}

describe('the recovery of a dead node', () => {
  it('brings everything that was acknowledged to nodes that live, spread over them, with producers', async () => {
    const cluster = await started()
    const dead = cluster.at(2)
    const led = dead.topics.partitions('t').map(({ index }) => index)
    const producer = { producerId: 9, producerEpoch: 0 }
    for (const index of led) await dead.produce('t', batch(1, { ...producer, baseSequence: 0 }), index)
    await dead.upload()
    // The last of them holds nothing that objects do not.
    for (const index of led.slice(1)) await dead.produce('t', batch(1, { ...producer, baseSequence: 1 }), index)
    await cluster.kill(2)
    const { partitions, records } = await cluster.recover(2, 3)
    await cluster.settle()
    assert.equal(partitions, led.length)
    assert.ok(records >= led.length - 1)
    const leaders = new Set<number>()
    for (const index of led) {
      const leader = await cluster.leader('t', index)
      leaders.add(leader.nodeId)
      const last = index === led[0] ? 0 : 1
      assert.deepEqual(await stored(cluster, index), last === 0 ? [0] : [0, 1])
      const repeated = await leader.produce('t', batch(1, { ...producer, baseSequence: last }), index)
      assert.deepEqual([repeated.errorCode, repeated.baseOffset], [0, last])
      assert.equal(
        (await leader.produce('t', batch(1, { ...producer, baseSequence: last + 1 }), index)).baseOffset,
        last + 1
      )
    }
    assert.deepEqual([...leaders].toSorted(), [1, 3])
    await cluster.close()
  })

  it('may die in the middle: the next one does the rest', async () => {
    const cluster = await started()
    const dead = cluster.at(2)
    const led = dead.topics.partitions('t').map(({ index }) => index)
    for (const index of led) await dead.produce('t', batch(), index)
    await cluster.kill(2)
    cluster.shared.store.faults.errorsBefore = 0.5
    await cluster.recover(2, 3).catch(() => undefined)
    cluster.shared.store.faults.errorsBefore = 0
    await cluster.recover(2, 1)
    await cluster.settle()
    for (const index of led) assert.deepEqual(await stored(cluster, index), [0])
    await cluster.close()
  })

  it('leaves nothing of what the dead node wrote to its log afterwards', async () => {
    const cluster = await started()
    const paused = cluster.at(2)
    const [index = -1] = paused.topics.partitions('t').map((partition) => partition.index)
    await paused.produce('t', batch(), index)
    await cluster.pause(2)
    await cluster.recover(2, 3)
    await cluster.settle()
    // It wakes, writes one more to its log, which nobody may hear of, and dies.
    await paused.produce('t', batch(), index)
    const back = await cluster.add(2, { disk: await paused.kill() })
    await cluster.settle()
    assert.deepEqual(back.topics.partitions('t'), [])
    await cluster.move('t', index, 2)
    assert.deepEqual(await stored(cluster, index), [0])
    assert.equal((await back.produce('t', batch(), index)).baseOffset, 1)
    await cluster.kill(2)
    await cluster.recover(2, 3)
    await cluster.settle()
    assert.deepEqual(await stored(cluster, index), [0, 1])
    await cluster.close()
  })
})
