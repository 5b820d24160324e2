/** The part of the contract of `Metadata` about nodes and moving partitions between them, see `metadata-contract.ts`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NODE, refused, type Setting } from './contract-setting.ts'
import type { NodePlace } from './metadata.ts'

const place = (port: number): NodePlace => ({ host: 'broker', port, rack: 'a', wal: 'object:' })

export function testCluster(setting: Setting): void {
  /** A node that takes partitions; returns its epoch. */
  const start = async (nodeId: number): Promise<number> => {
    const epoch = await setting.metadata.registerNode(nodeId)
    await setting.metadata.announceNode(nodeId, epoch, 'running', place(9000 + nodeId))
    return epoch
  }
  const partition = () => setting.metadata.image.topicById(setting.topic.id)?.partitions[0]

  test('a node that announced itself is in the image, and changes its state there', async () => {
    const { metadata } = setting
    const epoch = await start(21)
    assert.deepEqual(metadata.image.nodes().get(21), { id: 21, epoch, state: 'running', ...place(9021) })
    const before = metadata.image.nodes()
    await setting.nextTopic()
    assert.equal(metadata.image.nodes(), before, 'the same map until a node changes')
    await metadata.announceNode(21, epoch, 'stopped', place(9021))
    assert.equal(metadata.image.nodes().get(21)?.state, 'stopped')
    await setting.reopen()
    assert.equal(setting.metadata.image.nodes().get(21)?.state, 'stopped')
  })

  test('an earlier life of a node announces nothing', async () => {
    const epoch = await start(22)
    await start(22)
    await refused('fenced', setting.metadata.announceNode(22, epoch, 'stopped', place(1)))
    await refused('invalid', setting.metadata.announceNode(2222, 1, 'running', place(1)))
  })

  test('new partitions go to the nodes in turn', async () => {
    const topic = await setting.metadata.createTopic(setting.newTopic({ partitions: 5, leaders: [3, 1, 2] }))
    assert.deepEqual(topic.partitions.map(({ leader }) => leader), [3, 1, 2, 3, 1]) // biome-ignore format: one line
    const grown = await setting.metadata.createPartitions(topic.id, 7, [9, 8])
    assert.deepEqual(grown.partitions.slice(5).map(({ leader }) => leader), [9, 8]) // biome-ignore format: one line
    await refused('invalid', setting.metadata.createTopic(setting.newTopic({ leaders: [] })))
  })

  test('a target is kept until it is taken back; where a partition is already it needs none', async () => {
    const { metadata } = setting
    await setting.nextTopic()
    await start(NODE)
    await start(23)
    const topicId = setting.topic.id
    assert.equal(partition()?.target, null)
    await metadata.setTargets([{ topicId, index: 0, node: 23 }])
    assert.equal(partition()?.target, 23)
    await metadata.setTargets([{ topicId, index: 0, node: NODE }])
    assert.equal(partition()?.target, null)
    await metadata.setTargets([{ topicId, index: 0, node: 23 }])
    await metadata.setTargets([{ topicId, index: 0, node: null }])
    assert.equal(partition()?.target, null)
    await refused('missing', metadata.setTargets([{ topicId, index: 99, node: 23 }]))
    await refused('invalid', metadata.setTargets([{ topicId, index: 0, node: 2323 }]))
  })

  test('whoever hands a stream over can commit nothing to it any more, and the receiver goes on where it ended', async () => {
    const { metadata } = setting
    await setting.nextTopic()
    const nodeEpoch = await start(NODE)
    await start(24)
    const stream = await setting.openStream()
    await setting.commit([stream], 3)
    const before = partition()
    const late = await setting.upload([setting.stream(stream.id)], 1)
    await metadata.setTargets([{ topicId: setting.topic.id, index: 0, node: 24 }])
    const own = { streamId: stream.id, epoch: stream.epoch, endOffset: 3, to: 24 }
    await metadata.handOver({ nodeId: NODE, nodeEpoch, streams: [own] })
    assert.deepEqual(partition(), { ...before, leader: 24, leaderEpoch: (before?.leaderEpoch ?? 0) + 1, target: null })
    await refused('fenced', metadata.commitUpload(late))
    await refused('fenced', metadata.handOver({ nodeId: NODE, nodeEpoch, streams: [own] }))
    assert.equal(setting.stream(stream.id).tenure, stream.epoch + 1)
    await refused('fenced', metadata.openStreams(NODE, [stream.id]))
    await metadata.openStreams(24, [stream.id])
    assert.equal(setting.stream(stream.id).tenure, stream.epoch + 1)
    assert.equal(setting.stream(stream.id).endOffset, 3)
    await setting.commit([setting.stream(stream.id)], 2)
  })

  test('a stream is not handed over while objects do not hold all of it, nor to a node that is not running', async () => {
    const { metadata } = setting
    await setting.nextTopic()
    const nodeEpoch = await start(NODE)
    const receiver = await start(25)
    const { id: streamId, epoch } = await setting.openStream()
    const own = { streamId, epoch, endOffset: 0, to: 25 }
    await refused('conflict', metadata.handOver({ nodeId: NODE, nodeEpoch, streams: [{ ...own, endOffset: 1 }] }))
    await refused('fenced', metadata.handOver({ nodeId: NODE, nodeEpoch: nodeEpoch - 1, streams: [own] }))
    await metadata.announceNode(25, receiver, 'draining', place(9025))
    await refused('invalid', metadata.handOver({ nodeId: NODE, nodeEpoch, streams: [own] }))
    assert.equal(partition()?.leader, NODE)
    await metadata.deleteTopic(setting.topic.id)
    await metadata.announceNode(25, receiver, 'running', place(9025))
    await metadata.handOver({ nodeId: NODE, nodeEpoch, streams: [own] })
  })

  testLeases(setting, start)
  testController(setting, start)
}

type StartNode = (nodeId: number) => Promise<number>

function testLeases(setting: Setting, start: StartNode): void {
  const leaseOf = async (nodeId: number) => (await setting.metadata.leases()).find(({ id }) => id === nodeId)

  test('a lease lasts as long as asked for by the clock of the database, and can be given back', async () => {
    const { metadata } = setting
    const epoch = await start(31)
    assert.ok(((await leaseOf(31))?.remainingMs ?? 0) < 0, 'a new node has none')
    assert.equal(await metadata.renewNodeLease({ id: 31, epoch }, 60_000), true)
    const lease = await leaseOf(31)
    assert.deepEqual({ ...lease, remainingMs: 0 }, { id: 31, epoch, state: 'running', remainingMs: 0 })
    assert.ok(lease !== undefined && lease.remainingMs > 50_000 && lease.remainingMs <= 60_000, `${lease?.remainingMs}`)
    assert.equal(await metadata.renewNodeLease({ id: 31, epoch }, 0), true)
    assert.ok(((await leaseOf(31))?.remainingMs ?? 1) <= 0)
    await refused('invalid', metadata.renewNodeLease({ id: 31, epoch }, -1))
  })

  test('renewing a lease is no change that images would have to take in', async () => {
    const { metadata } = setting
    const epoch = await start(32)
    const before = await metadata.nodeLife(32)
    const nodes = metadata.image.nodes()
    await metadata.renewNodeLease({ id: 32, epoch }, 1000)
    await metadata.poll()
    assert.deepEqual(await metadata.nodeLife(32), before)
    assert.equal(metadata.image.nodes(), nodes)
  })

  test('an earlier life of a node renews nothing', async () => {
    const { metadata } = setting
    const epoch = await start(33)
    const later = await start(33)
    assert.equal(await metadata.renewNodeLease({ id: 33, epoch }, 60_000), false)
    assert.ok(((await leaseOf(33))?.remainingMs ?? 1) <= 0)
    assert.equal(await metadata.renewNodeLease({ id: 33, epoch: later }, 60_000), true)
    assert.equal(await metadata.renewNodeLease({ id: 3333, epoch: 1 }, 60_000), false)
  })

  test('a node is fenced only when its lease has run out, and its life is over then', async () => {
    const { metadata } = setting
    const node = { id: 34, epoch: await start(34) }
    const controller = { id: 35, epoch: await start(35) }
    const { epoch } = await metadata.holdController(controller, 60_000)
    await metadata.renewNodeLease(node, 60_000)
    assert.equal(await metadata.fenceNode(node, epoch), false)
    assert.equal(await metadata.renewNodeLease(node, 0), true)
    await refused('fenced', metadata.fenceNode(node, epoch - 1))
    assert.equal(await metadata.fenceNode({ ...node, epoch: node.epoch - 1 }, epoch), false)
    assert.equal(metadata.image.nodes().get(34)?.state, 'running')
    assert.equal(await metadata.fenceNode(node, epoch), true)
    assert.deepEqual(metadata.image.nodes().get(34), { ...place(9034), id: 34, epoch: node.epoch + 1, state: 'fenced' })
    assert.equal(await metadata.fenceNode(node, epoch), false, 'once is enough')
    assert.equal(await metadata.renewNodeLease(node, 60_000), false)
    await refused('fenced', metadata.announceNode(34, node.epoch, 'running', place(9034)))
    const left = { id: 34, epoch: node.epoch + 1 }
    assert.equal(await metadata.fenceNode(left, epoch), true, 'a recovery that was left half done ends with its epoch')
    const next = { id: 34, epoch: await metadata.registerNode(34) }
    assert.equal(next.epoch, node.epoch + 3)
    assert.equal(await metadata.renewNodeLease(next, 60_000), true, 'also before it announces itself')
    assert.equal(await metadata.fenceNode(next, epoch), false)
    await metadata.holdController(controller, 0)
  })
}

function testController(setting: Setting, start: StartNode): void {
  test('one node at a time is the controller; each reign has an epoch of its own', async () => {
    const { metadata } = setting
    const first = { id: 41, epoch: await start(41) }
    const second = { id: 42, epoch: await start(42) }
    const reign = await metadata.holdController(first, 60_000)
    assert.ok(reign.held && reign.nodeId === 41 && reign.remainingMs > 50_000 && reign.remainingMs <= 60_000)
    const refusal = await metadata.holdController(second, 60_000)
    assert.deepEqual({ ...refusal, remainingMs: 0 }, { held: false, nodeId: 41, epoch: reign.epoch, remainingMs: 0 })
    assert.ok(refusal.remainingMs > 50_000)
    assert.equal((await metadata.holdController(first, 60_000)).epoch, reign.epoch, 'renewed')
    await metadata.holdController(first, 0)
    const next = await metadata.holdController(second, 60_000)
    assert.ok(next.held && next.nodeId === 42)
    assert.equal(next.epoch, reign.epoch + 1)
    await metadata.holdController(second, 0)
    assert.equal((await metadata.holdController(second, 60_000)).epoch, reign.epoch + 2, 'it had run out')
    await metadata.holdController(second, 0)
  })

  test('a new life of the controller is a new controller, and the earlier one is none', async () => {
    const { metadata } = setting
    const earlier = { id: 43, epoch: await start(43) }
    const { epoch } = await metadata.holdController(earlier, 60_000)
    const later = { id: 43, epoch: await start(43) }
    assert.equal((await metadata.holdController(earlier, 60_000)).held, false)
    const lease = await metadata.holdController(later, 60_000)
    assert.ok(lease.held)
    assert.equal(lease.epoch, epoch + 1)
    assert.equal((await metadata.holdController(earlier, 60_000)).held, false)
    await metadata.holdController(later, 0)
  })
}
