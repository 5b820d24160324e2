/** For tests: an image as plain data that can be compared, and what must be true of every image. */
import assert from 'node:assert/strict'
import type { MetadataImage, ObjectRange, StoredObject, Stream, Topic } from './metadata.ts'

export interface ImageContents {
  readonly topics: readonly Topic[]
  readonly streams: readonly Stream[]
  readonly ranges: readonly (readonly ObjectRange[])[]
  readonly objects: readonly (StoredObject | undefined)[]
}

/** Everything that can be reached in the image, in an order of its own. */
export function contentsOf(image: MetadataImage): ImageContents {
  const topics = [...image.topics()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const streams = [...image.streams()].toSorted((a, b) => a.id - b.id)
  const ranges = streams.map((stream) => [...image.ranges(stream.id)])
  const objectIds = new Set(ranges.flat().map((range) => range.objectId))
  const objects = [...objectIds].toSorted((a, b) => a - b).map((id) => image.object(id))
  return { topics, streams, ranges, objects }
}

/** Every partition has its stream and no stream is without; ranges are contiguous to the end and name live objects. */
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
