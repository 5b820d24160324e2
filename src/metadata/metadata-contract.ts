/**
 * What every implementation of `Metadata` must do, as tests over a factory; SQLite runs it in `sql-metadata.test.ts`.
 * It registers `node:test` cases and belongs to no production code path.
 */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { testBalancing } from './balancing-contract.ts'
import { testCluster } from './cluster-contract.ts'
import { testCompactions } from './compaction-contract.ts'
import { type MetadataFixture, NODE, objectId, objectOf, offsets, refused, Setting } from './contract-setting.ts'
import type { Metadata } from './metadata.ts'
import { testObjects } from './object-contract.ts'
import { testQuotasAndFeatures } from './quota-contract.ts'
import { testResourceConfigs } from './resource-contract.ts'

export function describeMetadata(name: string, createFixture: () => Promise<MetadataFixture>): void {
  describe(`metadata on ${name}`, () => {
    const setting = new Setting(createFixture)
    before(() => setting.start())
    after(() => setting.stop())
    beforeEach(() => setting.nextTopic())
    testTopics(setting)
    testTopicDeletion(setting)
    testPartitionsAndConfigs(setting)
    testStreams(setting)
    testTrims(setting)
    testCommits(setting)
    testRepeatedCommits(setting)
    testRefusedCommits(setting)
    testObjects(setting)
    testCompactions(setting)
    testWalMarks(setting)
    testIdentities(setting)
    testCluster(setting)
    testBalancing(setting)
    testQuotasAndFeatures(setting)
    testResourceConfigs(setting)
    testRestart(setting)
  })
}

function testTopics(setting: Setting): void {
  test('a created topic is in the image, with dense partitions of distinct new streams', async () => {
    const wanted = setting.newTopic({ partitions: 50, configs: { 'retention.ms': '5' }, internal: true, leaders: [7] })
    const topic = await setting.metadata.createTopic(wanted)
    assert.match(topic.id, /^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/)
    assert.equal(topic.internal, true)
    assert.deepEqual({ ...topic.configs }, { 'retention.ms': '5' })
    assert.deepEqual(
      topic.partitions.map((partition) => partition.index),
      Array.from({ length: 50 }, (_, index) => index)
    )
    assert.equal(new Set(topic.partitions.map((partition) => partition.streamId)).size, 50)
    for (const { streamId, leader, leaderEpoch, topicId } of topic.partitions) {
      assert.deepEqual({ leader, leaderEpoch, topicId }, { leader: 7, leaderEpoch: 0, topicId: topic.id })
      assert.deepEqual(setting.stream(streamId), {
        id: streamId,
        epoch: 0,
        tenure: 0,
        startOffset: 0,
        endOffset: 0,
        cleanedOffset: 0
      })
    }
    assert.equal(setting.metadata.image.topic(wanted.name), topic)
    assert.equal(setting.metadata.image.topicById(topic.id), topic)
    assert.ok([...setting.metadata.image.topics()].includes(topic))
  })

  test('a second topic of the same name is a conflict and leaves nothing behind', async () => {
    const streams = [...setting.metadata.image.streams()].length
    await refused('conflict', setting.metadata.createTopic(setting.newTopic({ name: setting.topic.name })))
    await setting.reopen()
    assert.equal([...setting.metadata.image.streams()].length, streams)
    assert.deepEqual(setting.metadata.image.topic(setting.topic.name), setting.topic)
  })

  test('a topic without partitions is invalid', async () => {
    await refused('invalid', setting.metadata.createTopic(setting.newTopic({ partitions: 0 })))
  })
}

function testTopicDeletion(setting: Setting): void {
  test('a deleted topic leaves the image with its streams, and its name is free', async () => {
    const { id, name, partitions } = setting.topic
    await setting.commit([await setting.openStream()], 10)
    await setting.metadata.deleteTopic(id)
    assert.equal(setting.metadata.image.topic(name), undefined)
    assert.equal(setting.metadata.image.topicById(id), undefined)
    for (const { streamId } of partitions) {
      assert.equal(setting.metadata.image.stream(streamId), undefined)
      assert.deepEqual(offsets(setting, streamId), [])
    }
    const again = await setting.metadata.createTopic(setting.newTopic({ name }))
    assert.notEqual(again.id, id)
    assert.equal(setting.metadata.image.topic(name), again)
  })

  test('what does not exist is missing', async () => {
    const { metadata } = setting
    await refused('missing', metadata.deleteTopic('AAAAAAAAAAAAAAAAAAAAAA'))
    await refused('missing', metadata.createPartitions('AAAAAAAAAAAAAAAAAAAAAA', 3, [NODE]))
    await refused('missing', metadata.setTopicConfigs('AAAAAAAAAAAAAAAAAAAAAA', {}))
    await refused('missing', metadata.openStreams(NODE, [999_999]))
    await refused('missing', metadata.trimStream(999_999, 1, 1))
  })
}

function testPartitionsAndConfigs(setting: Setting): void {
  test('a topic grows; the old partitions stay as they are', async () => {
    const old = setting.topic
    const grown = await setting.metadata.createPartitions(old.id, 5, [9])
    assert.deepEqual(grown.partitions.slice(0, 2), old.partitions)
    assert.deepEqual(
      grown.partitions.map(({ index, leader }) => `${index}@${leader}`),
      ['0@1', '1@1', '2@9', '3@9', '4@9']
    )
    assert.equal(new Set(grown.partitions.map((partition) => partition.streamId)).size, 5)
    assert.equal(old.partitions.length, 2)
    await refused('invalid', setting.metadata.createPartitions(old.id, 5, [NODE]))
  })

  test('settings are set, replaced and removed; the old value stays as it was', async () => {
    const { metadata, topic } = setting
    const first = await metadata.setTopicConfigs(topic.id, { a: '1', b: '2' })
    const second = await metadata.setTopicConfigs(topic.id, { a: '3', b: undefined, c: undefined, __proto__x: '' })
    assert.deepEqual({ ...first.configs }, { a: '1', b: '2' })
    assert.deepEqual({ ...second.configs }, { a: '3', __proto__x: '' })
    assert.equal(metadata.image.topic(topic.name), second)
    assert.deepEqual({ ...topic.configs }, {})
  })
}

function testStreams(setting: Setting): void {
  test('opening streams raises their epochs', async () => {
    const { metadata, topic } = setting
    const ids = topic.partitions.map((partition) => partition.streamId)
    const snapshots = await metadata.openStreams(NODE, [...ids, ...ids])
    assert.equal(snapshots.size, 0)
    for (const id of ids) assert.equal(setting.stream(id).epoch, 1)
    const partitions = metadata.image.topicById(topic.id)?.partitions ?? []
    assert.deepEqual(
      partitions.map(({ leader, leaderEpoch }) => `${leader}@${leaderEpoch}`),
      ['1@1', '1@1']
    )
    assert.equal(topic.partitions[0]?.leaderEpoch, 0)
  })

  test('opening one unknown stream among others opens none', async () => {
    const stream = await setting.openStream()
    await refused('missing', setting.metadata.openStreams(NODE, [stream.id, 999_999]))
    await setting.reopen()
    assert.deepEqual(setting.stream(stream.id), stream)
  })

  test('a node opens no stream that another leads', async () => {
    const stream = await setting.openStream()
    await refused('fenced', setting.metadata.openStreams(2, [stream.id]))
    assert.deepEqual(setting.stream(stream.id), stream)
  })

  test('opening no stream is allowed', async () => {
    assert.equal((await setting.metadata.openStreams(NODE, [])).size, 0)
  })

  test('opening returns the latest snapshot, byte for byte', async () => {
    const stream = await setting.openStream()
    await setting.metadata.commitUpload(await setting.upload([stream], 10, Buffer.from('first')))
    const bytes = Buffer.from([0, 255, 1, 0])
    await setting.metadata.commitUpload(await setting.upload([setting.stream(stream.id)], 5, bytes))
    await setting.commit([setting.stream(stream.id)], 5)
    const snapshots = await setting.metadata.openStreams(NODE, [stream.id])
    assert.deepEqual(snapshots.get(stream.id), { offset: 15, bytes })
  })
}

function testTrims(setting: Setting): void {
  test('trimming drops the ranges that lie below the start entirely', async () => {
    const { metadata } = setting
    const stream = await setting.openStream()
    for (let i = 0; i < 3; i++) await setting.commit([setting.stream(stream.id)], 10)
    const held = metadata.image.ranges(stream.id)
    await metadata.trimStream(stream.id, stream.epoch, 19)
    assert.deepEqual(offsets(setting, stream.id), ['10-20', '20-30'])
    assert.equal(setting.stream(stream.id).startOffset, 19)
    await metadata.trimStream(stream.id, stream.epoch, 5)
    assert.equal(setting.stream(stream.id).startOffset, 19)
    await metadata.trimStream(stream.id, stream.epoch, 20)
    assert.deepEqual(offsets(setting, stream.id), ['20-30'])
    assert.equal(held.length, 3)
    await refused('invalid', metadata.trimStream(stream.id, stream.epoch, -1))
  })

  test('a trim of an older epoch is fenced', async () => {
    const stream = await setting.openStream()
    await setting.metadata.openStreams(NODE, [stream.id])
    await refused('fenced', setting.metadata.trimStream(stream.id, stream.epoch, 1))
    assert.equal(setting.stream(stream.id).startOffset, 0)
  })

  test('a stream may be trimmed past its committed end; what is committed below then matters no more', async () => {
    const stream = await setting.openStream()
    await setting.commit([stream], 10)
    await setting.metadata.trimStream(stream.id, stream.epoch, 25)
    const below = await setting.commit([setting.stream(stream.id)], 10)
    assert.deepEqual(offsets(setting, stream.id), [])
    assert.equal(setting.metadata.image.object(objectId(below)), undefined)
    await setting.commit([setting.stream(stream.id)], 10)
    assert.deepEqual(offsets(setting, stream.id), ['20-30'])
    assert.deepEqual(setting.stream(stream.id), { ...stream, startOffset: 25, endOffset: 30 })
  })
}

function testCommits(setting: Setting): void {
  test('a commit moves the ends and shows ranges and object', async () => {
    const { metadata } = setting
    const [one, two] = [await setting.openStream(0), await setting.openStream(1)]
    const { id, key, profile, bytes, since } = await metadata.prepareObject('eu')
    assert.deepEqual([profile, bytes, since], ['eu', 0, setting.clock.time])
    setting.clock.time += 7
    assert.equal(metadata.image.object(id), undefined)
    const object = objectOf(id, [
      { streamId: one.id, startOffset: 0, count: 3 },
      { streamId: two.id, startOffset: 0, count: 4 }
    ])
    await metadata.commitUpload({
      nodeId: NODE,
      objects: [object],
      streams: [
        { streamId: one.id, epoch: one.epoch, startOffset: 0, endOffset: 3, snapshot: undefined },
        { streamId: two.id, epoch: two.epoch, startOffset: 0, endOffset: 4, snapshot: undefined }
      ]
    })
    assert.deepEqual(metadata.image.object(id), { id, key, profile: 'eu', bytes: 1212, since: setting.clock.time })
    assert.deepEqual([setting.stream(one.id).endOffset, setting.stream(two.id).endOffset], [3, 4])
    assert.deepEqual(metadata.image.ranges(two.id), [{ objectId: id, ...object.ranges[1] }])
    assert.deepEqual(metadata.image.rangesOf(id), [...metadata.image.ranges(one.id), ...metadata.image.ranges(two.id)])
  })

  test('several objects of one upload may share a stream', async () => {
    const { metadata } = setting
    const stream = await setting.openStream()
    const [a, b] = [await metadata.prepareObject('main'), await metadata.prepareObject('main')]
    await metadata.commitUpload({
      nodeId: NODE,
      objects: [
        objectOf(a.id, [{ streamId: stream.id, startOffset: 7, count: 3 }]),
        objectOf(b.id, [{ streamId: stream.id, startOffset: 0, count: 7 }])
      ],
      streams: [{ streamId: stream.id, epoch: stream.epoch, startOffset: 0, endOffset: 10, snapshot: undefined }]
    })
    const ranges = metadata.image.ranges(stream.id)
    assert.deepEqual(
      ranges.map((range) => range.objectId),
      [b.id, a.id]
    )
  })
}

function testRepeatedCommits(setting: Setting): void {
  test('the same commit again is a success and changes nothing, even after a trim, an opening and a deletion', async () => {
    const { metadata } = setting
    const stream = await setting.openStream()
    const upload = await setting.commit([stream], 10)
    await metadata.commitUpload(upload)
    assert.deepEqual(offsets(setting, stream.id), ['0-10'])
    await setting.commit([setting.stream(stream.id)], 5)
    await metadata.commitUpload(upload)
    await metadata.trimStream(stream.id, stream.epoch, 10)
    await metadata.commitUpload(upload)
    await metadata.openStreams(NODE, [stream.id])
    await metadata.commitUpload(upload)
    assert.deepEqual(setting.stream(stream.id), { ...stream, epoch: 2, startOffset: 10, endOffset: 15 })
    await metadata.deleteTopic(setting.topic.id)
    await metadata.commitUpload(upload)
    assert.equal(metadata.image.object(objectId(upload)), undefined)
  })

  test('a commit leaves out streams that were deleted meanwhile', async () => {
    const { metadata } = setting
    const gone = await setting.openStream()
    await setting.nextTopic()
    const stays = await setting.openStream()
    const mixed = await setting.upload([gone, stays], 10, Buffer.from('s'))
    const onlyGone = await setting.upload([gone], 10)
    const owner = [...metadata.image.topics()].find((t) => t.partitions.some((p) => p.streamId === gone.id))
    await metadata.deleteTopic(owner?.id ?? '')
    await metadata.commitUpload(mixed)
    await metadata.commitUpload(onlyGone)
    assert.deepEqual(offsets(setting, stays.id), ['0-10'])
    assert.deepEqual(offsets(setting, gone.id), [])
    assert.ok(metadata.image.object(objectId(mixed)))
    assert.equal(metadata.image.object(objectId(onlyGone)), undefined)
  })

  test('a commit of snapshots alone needs no object', async () => {
    const stream = await setting.openStream()
    const bytes = Buffer.from('state')
    const { streams } = await setting.upload([stream], 0, bytes)
    await setting.metadata.commitUpload({ nodeId: NODE, objects: [], streams })
    const snapshots = await setting.metadata.openStreams(NODE, [stream.id])
    assert.deepEqual(snapshots.get(stream.id), { offset: 0, bytes })
  })
}

function testRefusedCommits(setting: Setting): void {
  test('a commit of an older epoch is fenced and changes nothing', async () => {
    const { metadata } = setting
    const stream = await setting.openStream()
    const other = await setting.openStream(1)
    const upload = await setting.upload([other, stream], 10)
    await metadata.openStreams(NODE, [stream.id])
    await refused('fenced', metadata.commitUpload(upload))
    await setting.reopen()
    assert.deepEqual(setting.stream(other.id), other)
    assert.deepEqual(offsets(setting, other.id), [])
    assert.equal(setting.metadata.image.object(objectId(upload)), undefined)
  })

  test('a commit that does not begin at the end is a conflict', async () => {
    const stream = await setting.openStream()
    const [first, second] = [await setting.upload([stream], 10), await setting.upload([stream], 10)]
    await setting.metadata.commitUpload(first)
    await refused('conflict', setting.metadata.commitUpload(second))
    assert.deepEqual(offsets(setting, stream.id), ['0-10'])
  })

  test('an object that was committed cannot be committed with other content', async () => {
    const stream = await setting.openStream()
    const first = await setting.commit([stream], 10)
    const next = await setting.upload([setting.stream(stream.id)], 10)
    const objects = next.objects.map((object) => ({ ...object, objectId: objectId(first) }))
    await refused('conflict', setting.metadata.commitUpload({ ...next, objects }))
  })

  test('an object that was never prepared is missing', async () => {
    const upload = await setting.upload([await setting.openStream()], 10)
    const objects = upload.objects.map((object) => ({ ...object, objectId: 999_999 }))
    await refused('missing', setting.metadata.commitUpload({ ...upload, objects }))
  })

  test('ranges that leave a gap, overlap, or belong to no stream of the upload are invalid', async () => {
    const stream = await setting.openStream()
    const { id } = await setting.metadata.prepareObject('main')
    const streams = [{ streamId: stream.id, epoch: 1, startOffset: 0, endOffset: 10, snapshot: undefined }]
    const part = (startOffset: number, count: number, streamId = stream.id) => ({ streamId, startOffset, count })
    const cases = [
      [],
      [part(0, 9)],
      [part(1, 9)],
      [part(0, 11)],
      [part(0, 6), part(5, 5)],
      [part(0, 10), part(10, 0)],
      [part(0, 10), part(0, 10, stream.id + 1)]
    ]
    for (const parts of cases) {
      const objects = [objectOf(id, parts)]
      await refused('invalid', setting.metadata.commitUpload({ nodeId: NODE, objects, streams }))
    }
    assert.deepEqual(offsets(setting, stream.id), [])
  })
}

function testWalMarks(setting: Setting): void {
  test('the mark of a node is that of its last commit which gave one, and survives its starts', async () => {
    const { metadata } = setting
    const [one, two] = [await metadata.registerNode(51), await metadata.registerNode(52)]
    assert.deepEqual([one, two], [1, 1])
    assert.equal(await metadata.walMark(51), undefined)
    assert.equal(await metadata.walMark(999), undefined)
    const stream = await setting.openStream()
    const first = { ...(await setting.upload([stream], 10)), nodeId: 51, walMark: { mark: 'a', nodeEpoch: one } }
    await metadata.commitUpload(first)
    await metadata.commitUpload({
      ...(await setting.upload([setting.stream(stream.id)], 10)),
      nodeId: 51,
      walMark: { mark: 'b', nodeEpoch: one }
    })
    await metadata.commitUpload(first)
    await metadata.commitUpload({ ...(await setting.upload([setting.stream(stream.id)], 10)), nodeId: 51 })
    await setting.reopen()
    assert.equal(await setting.metadata.registerNode(51), 2)
    assert.equal(await setting.metadata.walMark(51), 'b')
    assert.equal(await setting.metadata.walMark(52), undefined)
  })

  test('the mark is saved also when the streams were deleted, and only with the commit', async () => {
    const { metadata } = setting
    const nodeEpoch = await metadata.registerNode(53)
    const stream = await setting.openStream()
    const upload = { ...(await setting.upload([stream], 10)), nodeId: 53 }
    const late = { ...(await setting.upload([stream], 20)), nodeId: 53, walMark: { mark: 'late', nodeEpoch } }
    await metadata.commitUpload({ ...upload, walMark: { mark: 'first', nodeEpoch } })
    await refused('conflict', metadata.commitUpload(late))
    assert.equal(await metadata.walMark(53), 'first')
    await metadata.deleteTopic(setting.topic.id)
    await metadata.commitUpload(late)
    assert.equal(await metadata.walMark(53), 'late')
  })

  test('a mark from an earlier life of its node is fenced, and its upload with it', async () => {
    const { metadata } = setting
    const nodeEpoch = await metadata.registerNode(54)
    const stream = await setting.openStream()
    const upload = { ...(await setting.upload([stream], 10)), nodeId: 54 }
    await metadata.registerNode(54)
    await refused('fenced', metadata.commitUpload({ ...upload, walMark: { mark: 'x', nodeEpoch } }))
    assert.deepEqual(offsets(setting, stream.id), [])
    assert.equal(await metadata.walMark(54), undefined)
  })

  test('a node that has started again takes no streams for its earlier life', async () => {
    const { metadata } = setting
    const nodeEpoch = await metadata.registerNode(55)
    const topic = await metadata.createTopic(setting.newTopic({ leaders: [55] }))
    const { id, epoch } = setting.stream(topic.partitions[0]?.streamId ?? -1)
    await metadata.registerNode(55)
    await refused('fenced', metadata.openStreams(55, [id], nodeEpoch))
    assert.equal(metadata.image.stream(id)?.epoch, epoch)
    await metadata.openStreams(55, [id], nodeEpoch + 1)
    assert.equal(metadata.image.stream(id)?.epoch, epoch + 1)
  })

  test('a mark of a node that never started is invalid', async () => {
    const upload = await setting.upload([await setting.openStream()], 10)
    await refused(
      'invalid',
      setting.metadata.commitUpload({ ...upload, nodeId: 12_345, walMark: { mark: 'x', nodeEpoch: 1 } })
    )
    assert.deepEqual(offsets(setting, upload.streams[0]?.streamId ?? 0), [])
  })
}

function testIdentities(setting: Setting): void {
  test('each start of a node gets the next epoch', async () => {
    assert.equal(await setting.metadata.registerNode(41), 1)
    assert.equal(await setting.metadata.registerNode(41), 2)
    await setting.reopen()
    assert.equal(await setting.metadata.registerNode(41), 3)
    assert.equal(await setting.metadata.registerNode(42), 1)
  })

  test('producer ids are never handed out twice, whoever asks and whenever', async () => {
    const first = await setting.metadata.allocateProducerIds(1000)
    const blocks = await Promise.all([1, 2, 3].map(() => setting.metadata.allocateProducerIds(10)))
    assert.deepEqual(
      blocks.toSorted((a, b) => a - b),
      [first + 1000, first + 1010, first + 1020]
    )
    await setting.reopen()
    assert.equal(await setting.metadata.allocateProducerIds(1), first + 1030)
    await refused('invalid', setting.metadata.allocateProducerIds(0))
  })
}

function testRestart(setting: Setting): void {
  test('the cluster id and everything in the image survive a restart', async () => {
    const before = setting.metadata
    await setting.commit([await setting.openStream()], 10)
    await before.setTopicConfigs(setting.topic.id, { 'cleanup.policy': 'compact' })
    await setting.reopen()
    assert.equal(setting.metadata.clusterId, before.clusterId)
    assert.match(before.clusterId, /^[A-Za-z0-9_-]{22}$/)
    const sorted = (metadata: Metadata) => [...metadata.image.topics()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
    assert.deepEqual(sorted(setting.metadata), sorted(before))
    for (const stream of before.image.streams()) {
      assert.deepEqual(setting.stream(stream.id), stream)
      assert.deepEqual(setting.metadata.image.ranges(stream.id), before.image.ranges(stream.id))
    }
  })

  test('calls after close are refused', async () => {
    const { metadata } = setting
    await setting.reopen()
    await refused('closed', metadata.registerNode(1))
    await metadata.close()
  })
}
