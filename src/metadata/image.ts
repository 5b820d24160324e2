/**
 * The in-memory image of the metadata: what brokers read without waiting. It only applies updates, all of one update
 * at once; `image-follower.ts` reads them from the database.
 *
 * Invariant: a value never changes once it was handed out, with one exception made on purpose: the array of a stream's
 * ranges grows at its end when a commit adds one, because copying 100 000 elements per commit would not do. Whoever
 * holds it sees ranges appear behind those it knows, and nothing else; a trim leaves the old array as it was.
 */
import { assert } from '../runtime/fault.ts'
import type { MetadataImage, ObjectRange, StoredObject, Stream, Topic, TopicId } from './metadata.ts'

/** The present state of what changed; undefined for what is gone. */
export interface ImageUpdate {
  readonly topics: ReadonlyMap<TopicId, Topic | undefined>
  readonly streams: ReadonlyMap<number, Stream | undefined>
  readonly objects: ReadonlyMap<number, StoredObject | undefined>
  /** Ranges of the objects above, by stream and offset. */
  readonly ranges: readonly ObjectRange[]
}

const NO_RANGES: readonly ObjectRange[] = []

export class Image implements MetadataImage {
  readonly #topics = new Map<TopicId, Topic>()
  readonly #topicsByName = new Map<string, Topic>()
  readonly #streams = new Map<number, Stream>()
  readonly #objects = new Map<number, StoredObject>()
  /** By stream; never an empty array. */
  readonly #ranges = new Map<number, ObjectRange[]>()

  topic(name: string): Topic | undefined {
    return this.#topicsByName.get(name)
  }

  topicById(id: TopicId): Topic | undefined {
    return this.#topics.get(id)
  }

  topics(): Iterable<Topic> {
    return this.#topics.values()
  }

  stream(streamId: number): Stream | undefined {
    return this.#streams.get(streamId)
  }

  streams(): Iterable<Stream> {
    return this.#streams.values()
  }

  object(objectId: number): StoredObject | undefined {
    return this.#objects.get(objectId)
  }

  objects(): Iterable<StoredObject> {
    return this.#objects.values()
  }

  ranges(streamId: number): readonly ObjectRange[] {
    return this.#ranges.get(streamId) ?? NO_RANGES
  }

  /** Forgets everything, then applies the update. */
  replace(update: ImageUpdate): void {
    this.#topics.clear()
    this.#topicsByName.clear()
    this.#streams.clear()
    this.#objects.clear()
    this.#ranges.clear()
    this.apply(update)
  }

  apply(update: ImageUpdate): void {
    this.#applyTopics(update.topics)
    for (const [id, object] of update.objects) {
      if (object === undefined) this.#objects.delete(id)
      else this.#objects.set(id, object)
    }
    for (const range of update.ranges) this.#addRange(range)
    for (const [id, stream] of update.streams) {
      if (stream === undefined) {
        this.#streams.delete(id)
        this.#ranges.delete(id)
      } else {
        this.#streams.set(id, stream)
        this.#dropRangesBefore(id, stream.startOffset)
      }
    }
  }

  #applyTopics(topics: ImageUpdate['topics']): void {
    // Removals first: a name may have gone from one topic to another within one update.
    for (const [id, topic] of topics) {
      if (topic !== undefined) continue
      const old = this.#topics.get(id)
      this.#topics.delete(id)
      if (old !== undefined) this.#topicsByName.delete(old.name)
    }
    for (const [id, topic] of topics) {
      if (topic === undefined) continue
      this.#topics.set(id, topic)
      this.#topicsByName.set(topic.name, topic)
    }
  }

  #addRange(range: ObjectRange): void {
    const ranges = this.#ranges.get(range.streamId)
    const last = ranges?.at(-1)
    if (ranges === undefined || last === undefined) {
      this.#ranges.set(range.streamId, [range])
    } else if (range.startOffset >= last.endOffset) {
      ranges.push(range)
    } else {
      // An update may repeat what is known; ranges of committed objects never move.
      const known = ranges[firstEndingAfter(ranges, range.startOffset)]
      const same = known?.objectId === range.objectId && known.startOffset === range.startOffset
      assert(same, `range ${range.startOffset} of stream ${range.streamId} overlaps another`)
    }
  }

  #dropRangesBefore(streamId: number, startOffset: number): void {
    const ranges = this.#ranges.get(streamId)
    if (ranges === undefined) return
    const kept = firstEndingAfter(ranges, startOffset)
    if (kept === ranges.length) this.#ranges.delete(streamId)
    else if (kept > 0) this.#ranges.set(streamId, ranges.slice(kept))
  }
}

/** Index of the first range that holds an offset >= `offset`; `ranges.length` when none does. Logarithmic. */
function firstEndingAfter(ranges: readonly ObjectRange[], offset: number): number {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const range = ranges[middle]
    if (range !== undefined && range.endOffset <= offset) low = middle + 1
    else high = middle
  }
  return low
}
