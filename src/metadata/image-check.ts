/** For tests: an image as plain data that can be compared, and what must be true of every image. */
import assert from 'node:assert/strict'
import type {
  ConfiguredType,
  ConfigValues,
  MetadataImage,
  ObjectRange,
  StoredObject,
  Stream,
  Topic
} from './metadata.ts'

export interface ImageContents {
  readonly topics: readonly Topic[]
  readonly streams: readonly Stream[]
  readonly ranges: readonly (readonly ObjectRange[])[]
  readonly objects: readonly StoredObject[]
  readonly rangesOf: readonly (readonly ObjectRange[])[]
  /** By type and name of the resource. */
  readonly configs: ReadonlyMap<ConfiguredType, ReadonlyMap<string, ConfigValues>>
}

const CONFIGURED_TYPES: readonly ConfiguredType[] = ['broker', 'group', 'client-metrics']

/** Everything that can be reached in the image, in an order of its own. */
export function contentsOf(image: MetadataImage): ImageContents {
  const topics = [...image.topics()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const streams = [...image.streams()].toSorted((a, b) => a.id - b.id)
  const ranges = streams.map((stream) => [...image.ranges(stream.id)])
  const objects = [...image.objects()].toSorted((a, b) => a.id - b.id)
  const rangesOf = objects.map((object) => image.rangesOf(object.id))
  const configs = new Map(CONFIGURED_TYPES.map((type) => [type, image.configs(type)]))
  return { topics, streams, ranges, objects, rangesOf, configs }
}

/**
 * Every partition has its stream and no stream is without; ranges are contiguous to the end and name live objects;
 * objects hold the same ranges as streams do, and at least one; timestamps are found where they are.
 */
export function assertSound(image: MetadataImage): void {
  const owned: number[] = []
  for (const topic of image.topics()) {
    assert.equal(image.topic(topic.name), topic)
    assert.equal(image.topicById(topic.id), topic)
    for (const [index, partition] of topic.partitions.entries()) {
      assert.equal(partition.index, index)
      owned.push(partition.streamId)
    }
  }
  const streams = [...image.streams()]
  assert.deepEqual(
    owned.toSorted((a, b) => a - b),
    streams.map((stream) => stream.id).toSorted((a, b) => a - b)
  )
  for (const stream of streams) assertCovered(image, stream)
  for (const stream of streams) assertTimestamps(image, stream)
  assertHeld(image, streams)
}

function assertCovered(image: MetadataImage, stream: Stream): void {
  let at: number | undefined
  for (const range of image.ranges(stream.id)) {
    if (at === undefined)
      assert.ok(range.startOffset <= stream.startOffset, `stream ${stream.id} lost its first ranges`)
    else assert.equal(range.startOffset, at, `stream ${stream.id} has a gap`)
    assert.ok(range.endOffset > stream.startOffset, `stream ${stream.id} keeps a trimmed range`)
    assert.ok(image.object(range.objectId), `object ${range.objectId} is gone, but stream ${stream.id} needs it`)
    at = range.endOffset
  }
  // Without any range, nothing between start and end may be promised.
  if (at === undefined) assert.ok(stream.startOffset >= stream.endOffset, `stream ${stream.id} lost all its ranges`)
  else assert.equal(at, stream.endOffset)
}

function assertTimestamps(image: MetadataImage, { id }: Stream): void {
  const ranges = image.ranges(id)
  for (const [index, { startOffset }] of ranges.entries()) {
    const rest = ranges.slice(index)
    const max = rest.reduce((sofar, range) => Math.max(sofar, range.maxTimestamp), -1)
    assert.equal(image.maxTimestamp(id, startOffset), max)
    for (const timestamp of [max, max + 1, rest[rest.length >> 1]?.maxTimestamp ?? 0]) {
      const first = rest.find((range) => range.maxTimestamp >= timestamp)
      assert.equal(image.findTimestamp(id, timestamp, startOffset), first)
    }
  }
}

function assertHeld(image: MetadataImage, streams: readonly Stream[]): void {
  const ofStreams = new Set(streams.flatMap((stream) => image.ranges(stream.id)))
  let ofObjects = 0
  for (const object of image.objects()) {
    const held = image.rangesOf(object.id)
    assert.ok(held.length > 0, `object ${object.id} holds nothing`)
    for (const [index, range] of held.entries()) {
      assert.equal(range.objectId, object.id)
      assert.ok(ofStreams.has(range), `object ${object.id} holds a range that its stream does not show`)
      const before = held[index - 1]
      const sorted =
        before === undefined ||
        before.streamId < range.streamId ||
        (before.streamId === range.streamId && before.startOffset < range.startOffset)
      assert.ok(sorted, `the ranges of object ${object.id} are out of order`)
    }
    ofObjects += held.length
  }
  assert.equal(ofObjects, ofStreams.size)
}
