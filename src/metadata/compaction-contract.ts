/** The part of `metadata-contract.ts` about compaction and what the image makes of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { objectId, offsets, refused, type Setting } from './contract-setting.ts'
import type { Compaction, ObjectRange, Stream, UploadedObject } from './metadata.ts'

export function testCompactions(setting: Setting): void {
  testMergesAndSplits(setting)
  testRepeatedCompactions(setting)
  testRefusedCompactions(setting)
  testCompactionsOfTrimmed(setting)
  testCleanedOffsets(setting)
  testTimestamps(setting)
}

/** A range that holds what the given ones of one stream hold. */
function merged(ranges: readonly ObjectRange[]): Omit<ObjectRange, 'objectId'> {
  const [first, last] = [ranges[0], ranges.at(-1)]
  assert.ok(first !== undefined && last !== undefined)
  const bytes = ranges.reduce((sum, range) => sum + range.bytes, 0)
  const maxTimestamp = Math.max(...ranges.map((range) => range.maxTimestamp))
  return { streamId: first.streamId, startOffset: first.startOffset, endOffset: last.endOffset, bytes, maxTimestamp }
}

/** Merges each group of ranges to one range in an object of its own. */
async function plan(setting: Setting, ...groups: readonly (readonly ObjectRange[])[]): Promise<Compaction> {
  const objects: UploadedObject[] = []
  for (const group of groups) {
    const { id } = await setting.metadata.prepareObject('main')
    const range = merged(group)
    objects.push({ objectId: id, bytes: range.bytes, ranges: [range] })
  }
  return { objects, removed: groups.flat() }
}

/** A stream of `count` ranges of 10 offsets, each in an object of its own. */
async function filled(setting: Setting, count: number, index = 0): Promise<Stream> {
  const { id } = await setting.openStream(index)
  for (let i = 0; i < count; i++) await setting.commit([setting.stream(id)], 10)
  return setting.stream(id)
}

const idsOf = (compaction: Compaction): number[] => compaction.objects.map((object) => object.objectId)

function testMergesAndSplits(setting: Setting): void {
  test('ranges of a stream merge into one; the old objects are destroyed, a held array stays', async () => {
    const { metadata, clock } = setting
    await setting.expire(Number.MAX_SAFE_INTEGER)
    const stream = await filled(setting, 4)
    const held = metadata.image.ranges(stream.id)
    const compaction = await plan(setting, held.slice(1, 3))
    clock.time += 5
    await metadata.commitCompaction(compaction)
    const [id = 0] = idsOf(compaction)
    assert.deepEqual(offsets(setting, stream.id), ['0-10', '10-30', '30-40'])
    assert.deepEqual(metadata.image.rangesOf(id), [{ objectId: id, ...merged(held.slice(1, 3)) }])
    assert.equal(metadata.image.object(id)?.since, clock.time)
    assert.equal(held.length, 4)
    const old = held.slice(1, 3).map((range) => range.objectId)
    for (const each of old) assert.equal(metadata.image.object(each), undefined)
    for (const each of old) assert.deepEqual(metadata.image.rangesOf(each), [])
    assert.deepEqual(await setting.expire(Number.MAX_SAFE_INTEGER), old)
    await setting.commit([setting.stream(stream.id)], 10)
    assert.deepEqual(offsets(setting, stream.id), ['0-10', '10-30', '30-40', '40-50'])
  })

  test('an object that streams share is split; it lives on until nothing is left in it', async () => {
    const { metadata } = setting
    const [one, two] = [await setting.openStream(0), await setting.openStream(1)]
    const shared = objectId(await setting.commit([one, two], 10))
    const [first, second] = metadata.image.rangesOf(shared)
    assert.ok(first !== undefined && second !== undefined)
    const held = metadata.image.rangesOf(shared)
    const [a, b] = [await plan(setting, [first]), await plan(setting, [second])]
    await metadata.commitCompaction(a)
    assert.deepEqual(metadata.image.rangesOf(shared), [second])
    assert.ok(metadata.image.object(shared))
    await metadata.commitCompaction(b)
    assert.equal(metadata.image.object(shared), undefined)
    assert.deepEqual(metadata.image.rangesOf(shared), [])
    assert.equal(held.length, 2)
    for (const { id } of [one, two]) assert.deepEqual(offsets(setting, id), ['0-10'])
  })

  test('one compaction may take 150 streams and several objects, and cut ranges elsewhere than they were', async () => {
    const { metadata } = setting
    const topic = await metadata.createTopic(setting.newTopic({ partitions: 150 }))
    const ids = topic.partitions.map((partition) => partition.streamId)
    await metadata.openStreams(1, ids)
    const streams = () => ids.map((id) => setting.stream(id))
    await setting.commit(streams(), 10)
    await setting.commit(streams(), 10)
    const [low, high] = [await metadata.prepareObject('main'), await metadata.prepareObject('main')]
    const part = (streamId: number, startOffset: number, endOffset: number) => {
      return { streamId, startOffset, endOffset, bytes: 1, maxTimestamp: -1 }
    }
    await metadata.commitCompaction({
      objects: [
        { objectId: high.id, bytes: 1, ranges: ids.map((id) => part(id, 3, 20)) },
        { objectId: low.id, bytes: 1, ranges: ids.map((id) => part(id, 0, 3)) }
      ],
      removed: ids.flatMap((id) => metadata.image.ranges(id).toReversed())
    })
    for (const id of ids) assert.deepEqual(offsets(setting, id), ['0-3', '3-20'])
    assert.equal(metadata.image.rangesOf(high.id).length, 150)
  })
}

function testRepeatedCompactions(setting: Setting): void {
  test('the same compaction again is a success and changes nothing, even after another, a trim and a deletion', async () => {
    const { metadata } = setting
    const stream = await filled(setting, 3)
    const compaction = await plan(setting, metadata.image.ranges(stream.id).slice(0, 2))
    await metadata.commitCompaction(compaction)
    await metadata.commitCompaction(compaction)
    assert.deepEqual(offsets(setting, stream.id), ['0-20', '20-30'])
    await metadata.commitCompaction(await plan(setting, metadata.image.ranges(stream.id)))
    await metadata.commitCompaction(compaction)
    assert.deepEqual(offsets(setting, stream.id), ['0-30'])
    await metadata.trimStream(stream.id, stream.epoch, 30)
    await metadata.commitCompaction(compaction)
    await metadata.deleteTopic(setting.topic.id)
    await metadata.commitCompaction(compaction)
    assert.equal(metadata.image.object(objectId(compaction)), undefined)
  })

  test('an object of an upload cannot be committed by a compaction, nor with other content', async () => {
    const { metadata } = setting
    const stream = await filled(setting, 2)
    const ranges = metadata.image.ranges(stream.id)
    const done = await plan(setting, ranges.slice(0, 1))
    await metadata.commitCompaction(done)
    const wanted = await plan(setting, metadata.image.ranges(stream.id).slice(0, 1))
    for (const id of [ranges[1]?.objectId ?? 0, objectId(done)]) {
      const objects = wanted.objects.map((object) => ({ ...object, objectId: id }))
      await refused('conflict', metadata.commitCompaction({ ...wanted, objects }))
    }
  })
}

function testRefusedCompactions(setting: Setting): void {
  test('of two compactions that replace the same range the second is a conflict and changes nothing', async () => {
    const { metadata } = setting
    const [one, two] = [await filled(setting, 3), await filled(setting, 2, 1)]
    const [ranges, others] = [metadata.image.ranges(one.id), metadata.image.ranges(two.id)]
    const first = await plan(setting, ranges.slice(1))
    const second = await plan(setting, others, ranges.slice(0, 2))
    await metadata.commitCompaction(first)
    await refused('conflict', metadata.commitCompaction(second))
    await setting.reopen()
    assert.deepEqual(offsets(setting, one.id), ['0-10', '10-30'])
    assert.deepEqual(setting.metadata.image.ranges(two.id), others)
    for (const id of idsOf(second)) assert.equal(setting.metadata.image.object(id), undefined)
    // Its objects are as they were: a plan made anew may use them.
    await setting.metadata.commitCompaction({ objects: second.objects.slice(0, 1), removed: others })
    assert.deepEqual(offsets(setting, two.id), ['0-20'])
  })

  test('a range that is there with another object or other offsets is a conflict', async () => {
    const { metadata } = setting
    const stream = await filled(setting, 2)
    const ranges = metadata.image.ranges(stream.id)
    const { objects } = await plan(setting, ranges)
    const [first, second] = ranges
    assert.ok(first !== undefined && second !== undefined)
    const wrong = [
      [{ ...first, objectId: second.objectId }, second],
      [
        { ...first, endOffset: 9 },
        { ...second, startOffset: 9 }
      ],
      [{ ...first, endOffset: 20, objectId: first.objectId }]
    ]
    for (const removed of wrong) await refused('conflict', metadata.commitCompaction({ objects, removed }))
    assert.deepEqual(metadata.image.ranges(stream.id), ranges)
  })

  test('new ranges that cover less, more, or nothing of what is removed are invalid, and so is a gap', async () => {
    const { metadata } = setting
    const stream = await filled(setting, 3)
    const ranges = metadata.image.ranges(stream.id)
    const { objects } = await plan(setting, ranges)
    const [object] = objects
    assert.ok(object)
    const holding = (...parts: readonly (readonly [number, number])[]) =>
      parts.map(([startOffset, endOffset]) => ({ ...merged(ranges), startOffset, endOffset }))
    const cases: Compaction[] = [
      { objects, removed: ranges.slice(1) },
      { objects, removed: [] },
      { objects, removed: ranges.filter((_, index) => index !== 1) },
      { objects, removed: [...ranges, ...ranges.slice(0, 1)] },
      { objects: [], removed: ranges },
      { objects: [object, object], removed: ranges },
      { objects: [{ ...object, ranges: holding([0, 10], [20, 30]) }], removed: ranges },
      { objects: [{ ...object, ranges: holding([0, 20], [10, 30]) }], removed: ranges },
      { objects: [{ ...object, ranges: holding([0, 30], [30, 30]) }], removed: ranges }
    ]
    for (const each of cases) await refused('invalid', metadata.commitCompaction(each))
    assert.deepEqual(metadata.image.ranges(stream.id), ranges)
  })

  test('a new object that was given up, or never prepared, is missing', async () => {
    const { metadata } = setting
    const stream = await filled(setting, 2)
    const compaction = await plan(setting, metadata.image.ranges(stream.id))
    await metadata.expiredObjects(Number.MAX_SAFE_INTEGER, 1000)
    await refused('missing', metadata.commitCompaction(compaction))
    const objects = compaction.objects.map((object) => ({ ...object, objectId: 999_999 }))
    await refused('missing', metadata.commitCompaction({ ...compaction, objects }))
  })
}

function testCompactionsOfTrimmed(setting: Setting): void {
  test('what was trimmed meanwhile drops out on both sides; a new range that reaches beyond the start stays', async () => {
    const { metadata } = setting
    await setting.expire(Number.MAX_SAFE_INTEGER)
    const stream = await filled(setting, 6)
    const ranges = metadata.image.ranges(stream.id)
    const compaction = await plan(setting, ranges.slice(0, 2), ranges.slice(2, 5))
    await metadata.trimStream(stream.id, stream.epoch, 35)
    await metadata.commitCompaction(compaction)
    assert.deepEqual(offsets(setting, stream.id), ['20-50', '50-60'])
    const [trimmed = 0, kept = 0] = idsOf(compaction)
    assert.equal(metadata.image.object(trimmed), undefined)
    assert.equal(metadata.image.rangesOf(kept).length, 1)
    await setting.reopen()
    assert.deepEqual(offsets(setting, stream.id), ['20-50', '50-60'])
    const due = await setting.expire(Number.MAX_SAFE_INTEGER)
    assert.deepEqual(new Set(due), new Set([trimmed, ...ranges.slice(0, 5).map((range) => range.objectId)]))
    await setting.metadata.trimStream(stream.id, stream.epoch, 50)
    assert.equal(setting.metadata.image.object(kept), undefined)
  })

  test('a compaction of nothing but trimmed ranges and deleted streams succeeds, and its objects go', async () => {
    const { metadata } = setting
    const doomed = await filled(setting, 1)
    const gone = metadata.image.ranges(doomed.id)
    const { id } = setting.topic
    await setting.nextTopic()
    const stream = await filled(setting, 2)
    await setting.expire(Number.MAX_SAFE_INTEGER)
    const compaction = await plan(setting, gone, metadata.image.ranges(stream.id))
    await metadata.trimStream(stream.id, stream.epoch, 20)
    await metadata.deleteTopic(id)
    await metadata.commitCompaction(compaction)
    await metadata.commitCompaction(compaction)
    assert.deepEqual(offsets(setting, stream.id), [])
    for (const each of idsOf(compaction)) assert.equal(metadata.image.object(each), undefined)
    const due = await setting.expire(Number.MAX_SAFE_INTEGER)
    for (const each of idsOf(compaction)) assert.ok(due.includes(each))
  })

  test('an object that holds a deleted and a living stream is committed for the living one', async () => {
    const { metadata } = setting
    const doomed = await setting.openStream()
    const { id } = setting.topic
    await setting.nextTopic()
    const stream = await setting.openStream()
    const shared = objectId(await setting.commit([doomed, stream], 10))
    const removed = metadata.image.rangesOf(shared)
    const fresh = await metadata.prepareObject('main')
    await metadata.deleteTopic(id)
    await metadata.commitCompaction({ objects: [{ objectId: fresh.id, bytes: 1, ranges: removed }], removed })
    assert.deepEqual(
      metadata.image.rangesOf(fresh.id).map((range) => range.streamId),
      [stream.id]
    )
    assert.equal(metadata.image.object(shared), undefined)
  })
}

function testCleanedOffsets(setting: Setting): void {
  test('the cleaned offset moves forward with a compaction or alone, and never back', async () => {
    const { metadata } = setting
    const stream = await filled(setting, 3)
    const compaction = await plan(setting, metadata.image.ranges(stream.id).slice(0, 2))
    await metadata.commitCompaction({ ...compaction, cleanedTo: new Map([[stream.id, 20]]) })
    assert.equal(setting.stream(stream.id).cleanedOffset, 20)
    const alone = (offset: number, id = stream.id) =>
      metadata.commitCompaction({ objects: [], removed: [], cleanedTo: new Map([[id, offset]]) })
    await alone(5)
    assert.equal(setting.stream(stream.id).cleanedOffset, 20)
    await alone(30)
    await alone(30, 999_999)
    await refused('invalid', alone(31))
    await refused('invalid', alone(-1))
    await setting.commit([setting.stream(stream.id)], 10)
    await metadata.trimStream(stream.id, stream.epoch, 10)
    assert.deepEqual(setting.stream(stream.id), { ...stream, startOffset: 10, endOffset: 40, cleanedOffset: 30 })
    await setting.reopen()
    assert.equal(setting.stream(stream.id).cleanedOffset, 30)
  })
}

function testTimestamps(setting: Setting): void {
  test('timestamps are found after appends, trims and compactions', async () => {
    const { metadata } = setting
    const { image } = metadata
    const stream = await filled(setting, 6)
    const at = (offset: number) => 1_700_000_000_000 + offset
    const find = (timestamp: number, from: number) => image.findTimestamp(stream.id, timestamp, from)?.startOffset
    assert.equal(image.maxTimestamp(stream.id, 0), at(50))
    assert.deepEqual([find(0, 0), find(at(20), 0), find(at(21), 0), find(at(51), 0)], [0, 20, 30, undefined])
    assert.deepEqual([find(0, 9), find(0, 10), find(0, 59), find(0, 60)], [0, 10, 50, undefined])
    await metadata.commitCompaction(await plan(setting, image.ranges(stream.id).slice(1, 4)))
    assert.deepEqual([find(at(1), 0), find(at(31), 0), find(0, 39)], [10, 40, 10])
    await metadata.trimStream(stream.id, stream.epoch, 45)
    assert.deepEqual([find(0, 0), find(at(41), 0)], [40, 50])
    await setting.commit([setting.stream(stream.id)], 10)
    assert.deepEqual([find(at(60), 0), image.maxTimestamp(stream.id, 0)], [60, at(60)])
    assert.equal(image.maxTimestamp(stream.id, 70), -1)
    assert.equal(image.maxTimestamp(999_999, 0), -1)
    assert.equal(image.findTimestamp(999_999, 0, 0), undefined)
  })
}
