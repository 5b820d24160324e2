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
    await metadata.openStreams(24, [stream.id])
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
}
