/** The part of the contract of `Metadata` about what nodes report and what is told of failovers, see `metadata-contract.ts`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Setting } from './contract-setting.ts'
import type { Failover } from './failovers.ts'
import type { NodeLoad } from './metadata.ts'

const load = (requests: number, partitions = 2): NodeLoad => ({
  eventLoopDelayMs: 1.5,
  appendDelayMs: 20,
  partitions: Array.from({ length: partitions }, (_, i) => ({
    streamId: 7 + i * 3,
    bytesIn: 123_456 * i,
    bytesOut: 2 ** 31 + i,
    requests
  }))
})

const failover = (nodeEpoch: number, changes: Partial<Failover> = {}): Failover => ({
  nodeId: 53,
  nodeEpoch,
  controllerEpoch: 4,
  found: 'running',
  sinceMs: 1_700_000_000_000 + nodeEpoch,
  noticedMs: 1,
  fencedMs: 2,
  openedMs: 3,
  replayedMs: 4,
  committedMs: 5,
  handedOverMs: 6,
  attempts: 1,
  outcome: 'done',
  problem: undefined,
  partitions: 3,
  records: 4,
  bytes: 5,
  ...changes
})

export function testBalancing(setting: Setting): void {
  const loadsOf = async (id: number) => (await setting.metadata.nodeLoads()).filter(({ nodeId }) => nodeId === id)

  test('the newest report of a node is what others read, with its age', async () => {
    const { metadata } = setting
    const node = { id: 51, epoch: await metadata.registerNode(51) }
    assert.deepEqual(await loadsOf(51), [])
    assert.equal(await metadata.reportLoad(node, load(1)), true)
    const other = { id: 52, epoch: await metadata.registerNode(52) }
    await metadata.reportLoad(other, load(0, 0))
    assert.equal(await metadata.reportLoad(node, load(3.5)), true)
    const [own, ...more] = await loadsOf(51)
    assert.ok(own !== undefined && more.length === 0)
    const { ageMs, ...rest } = own
    assert.deepEqual(rest, { nodeId: 51, nodeEpoch: node.epoch, ...load(3.5) })
    assert.ok(ageMs >= 0 && ageMs < 10_000, `${ageMs}`)
    assert.deepEqual((await loadsOf(52))[0]?.partitions, [])
  })

  test('an earlier life of a node reports nothing, and what it reported tells whose it is', async () => {
    const { metadata } = setting
    const earlier = { id: 54, epoch: await metadata.registerNode(54) }
    await metadata.reportLoad(earlier, load(1))
    const later = { id: 54, epoch: await metadata.registerNode(54) }
    assert.equal(await metadata.reportLoad(earlier, load(2)), false)
    const [found] = await loadsOf(54)
    assert.deepEqual([found?.nodeEpoch, found?.partitions[0]?.requests], [earlier.epoch, 1])
    assert.equal(await metadata.reportLoad(later, load(3)), true)
    assert.equal((await loadsOf(54))[0]?.nodeEpoch, later.epoch)
  })

  test('a report is no change that images would have to take in', async () => {
    const { metadata } = setting
    const node = { id: 55, epoch: await metadata.registerNode(55) }
    const before = await metadata.nodeLife(55)
    await metadata.reportLoad(node, load(1))
    assert.deepEqual(await metadata.nodeLife(55), before)
  })

  test('a report of ten thousand partitions is small', async () => {
    const { metadata } = setting
    const node = { id: 56, epoch: await metadata.registerNode(56) }
    await metadata.reportLoad(node, load(12.5, 10_000))
    assert.deepEqual((await loadsOf(56))[0]?.partitions, load(12.5, 10_000).partitions)
  })

  test('failovers are kept, each once, the newest hundred', async () => {
    const { metadata } = setting
    await metadata.recordFailover(failover(1, { outcome: 'given up', problem: 'no disk', openedMs: undefined }))
    await metadata.recordFailover(failover(1))
    const [only, ...others] = await metadata.failovers()
    assert.deepEqual([{ ...only, problem: undefined }, others], [failover(1), []])
    for (let epoch = 2; epoch <= 120; epoch++) await metadata.recordFailover(failover(epoch))
    const epochs = (await metadata.failovers()).map(({ nodeEpoch }) => nodeEpoch)
    assert.deepEqual([epochs.length, epochs[0], epochs.at(-1)], [100, 21, 120])
  })

  test('who is the controller can be asked without becoming it', async () => {
    const { metadata } = setting
    const node = { id: 57, epoch: await metadata.registerNode(57) }
    const held = await metadata.holdController(node, 60_000)
    const seen = await metadata.controllerLease()
    assert.deepEqual({ ...seen, remainingMs: 0 }, { ...held, held: false, remainingMs: 0 })
    assert.ok(seen.remainingMs > 50_000 && seen.remainingMs <= 60_000)
    await metadata.holdController(node, 0)
    assert.ok((await metadata.controllerLease()).remainingMs <= 0)
  })
}
