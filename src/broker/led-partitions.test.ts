import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ErrorCode } from '../wire/error-codes.ts'
import { batch, FETCH, fetched, fetchRequest, PRODUCE, produceRequest } from './broker-fixture.ts'
import { ClusterFixture } from './cluster-fixture.ts'

async function started(brokers = 2): Promise<ClusterFixture> {
  const cluster = await ClusterFixture.start(brokers)
  await cluster.at(1).createTopic('t', brokers)
  await cluster.settle()
  return cluster
}

describe('partitions that move', () => {
  it('spread over the brokers when their topic is made, and are open where they are led', async () => {
    const cluster = await started(3)
    const leaders = cluster
      .at(2)
      .topics.get('t')
      ?.partitions.map(({ leader }) => leader)
    assert.deepEqual(leaders?.toSorted(), [1, 2, 3])
    for (const [index, leader] of (leaders ?? []).entries()) {
      for (const id of [1, 2, 3]) assert.equal(cluster.at(id).topics.partition('t', index) !== undefined, id === leader)
    }
    await cluster.close()
  })

  it('take all they hold along, with their producers, and go on where they ended', async () => {
    const cluster = await started()
    const from = await cluster.leader('t')
    const to = cluster.at(3 - from.nodeId)
    const producer = { producerId: 7, producerEpoch: 0 }
    await from.produce('t', batch(3, { ...producer, baseSequence: 0 }))
    await from.produce('t', batch(2, { ...producer, baseSequence: 3 }))
    const epoch = from.partition('t').leaderEpoch
    await cluster.move('t', 0, to.nodeId)
    assert.equal(from.topics.partition('t', 0), undefined)
    assert.ok(to.partition('t').leaderEpoch > epoch)
    const repeated = await to.produce('t', batch(2, { ...producer, baseSequence: 3 }))
    assert.deepEqual([repeated.errorCode, repeated.baseOffset], [ErrorCode.NONE, 3])
    assert.equal((await to.produce('t', batch(1, { ...producer, baseSequence: 5 }))).baseOffset, 5)
    const batches = async (fetchOffset: number) =>
      fetched(await to.call(FETCH, 12, fetchRequest('t', [{ partition: 0, fetchOffset }])))?.batches
    assert.deepEqual([await batches(0), await batches(5)], [[0, 3], [5]])
    await cluster.move('t', 0, from.nodeId)
    assert.equal((await from.produce('t', batch(1, { ...producer, baseSequence: 6 }))).baseOffset, 6)
    await cluster.close()
  })

  it('are told of by who led them: the answer names the new leader and where it is', async () => {
    const cluster = await started()
    const from = await cluster.leader('t')
    const to = 3 - from.nodeId
    await cluster.move('t', 0, to)
    const produced = await from.call(PRODUCE, 12, produceRequest('t', batch()))
    const [partition] = produced.responses[0]?.partitionResponses ?? []
    assert.equal(partition?.errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    assert.equal(partition.currentLeader?.leaderId, to)
    assert.deepEqual(produced.nodeEndpoints, [{ nodeId: to, host: 'localhost', port: 9091 + to, rack: null }])
    const topicId = from.topics.get('t')?.id ?? ''
    const request = fetchRequest('', [{ partition: 0 }])
    const topics = request.topics.map((topic) => ({ ...topic, topicId }))
    const answer = await from.call(FETCH, 16, { ...request, topics })
    assert.equal(fetched(answer)?.currentLeader?.leaderId, to)
    assert.deepEqual(answer.nodeEndpoints?.map(({ nodeId }) => nodeId), [to]) // biome-ignore format: one line
    await cluster.close()
  })

  it('make a producer wait while they move, and then ask the new leader, once', async () => {
    const cluster = await started()
    const from = await cluster.leader('t')
    const to = cluster.at(3 - from.nodeId)
    await from.produce('t', batch())
    // The store takes its time, so that the move does.
    cluster.shared.store.faults.latencyMs = { min: 50, max: 50 }
    const topicId = from.topics.get('t')?.id ?? ''
    await from.run(from.metadata.setTargets([{ topicId, index: 0, node: to.nodeId }]))
    await cluster.settle()
    const during = from.send(PRODUCE, 12, produceRequest('t', batch()))
    for (let i = 0; i < 20; i++) {
      await from.clock.advance(20)
      await cluster.settle()
    }
    const [answered] = (await during).responses[0]?.partitionResponses ?? []
    assert.equal(answered?.errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    assert.equal(answered.currentLeader?.leaderId, to.nodeId)
    const { errorCode } = await to.produce('t', batch())
    assert.equal(errorCode, ErrorCode.NONE)
    await cluster.close()
  })

  it('are found by a broker that has not heard of them, when a client comes to it', async () => {
    const cluster = await started()
    const from = await cluster.leader('t')
    const to = cluster.at(3 - from.nodeId)
    cluster.deaf.add(to.nodeId)
    const topicId = from.topics.get('t')?.id ?? ''
    await from.run(from.metadata.setTargets([{ topicId, index: 0, node: to.nodeId }]))
    await cluster.settle()
    assert.equal(to.topics.partition('t', 0), undefined)
    assert.equal((await to.produce('t', batch())).errorCode, ErrorCode.NONE)
    await cluster.close()
  })

  it('stay where they are while the node that they are to go to is not there', async () => {
    const cluster = await started()
    const from = await cluster.leader('t')
    const to = cluster.at(3 - from.nodeId)
    const topicId = from.topics.get('t')?.id ?? ''
    const place = { host: 'localhost', port: 1, rack: null, wal: 'file:' }
    cluster.deaf.add(from.nodeId)
    await from.run(to.metadata.setTargets([{ topicId, index: 0, node: to.nodeId }]))
    await from.run(to.metadata.announceNode(to.nodeId, to.nodeEpoch, 'stopped', place))
    cluster.deaf.delete(from.nodeId)
    await from.run(from.metadata.poll())
    await cluster.settle()
    assert.equal((await from.produce('t', batch())).errorCode, ErrorCode.NONE)
    await from.run(to.metadata.announceNode(to.nodeId, to.nodeEpoch, 'running', place))
    await cluster.settle()
    assert.equal((await to.produce('t', batch())).baseOffset, 1)
    await cluster.close()
  })

  it('that are deleted at another broker are closed here', async () => {
    const cluster = await started()
    const from = await cluster.leader('t')
    const other = cluster.at(3 - from.nodeId)
    const partition = from.partition('t')
    const topic = other.topics.get('t')
    assert.ok(topic !== undefined)
    await other.run(other.topics.delete(topic))
    await cluster.settle()
    await assert.rejects(partition.stream.append({ baseOffset: 0, lastOffset: 0, maxTimestamp: 0, payload: batch() }))
    assert.equal((await from.produce('t', batch())).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    await cluster.close()
  })
})
