/**
 * Reads what left memory: from the metadata's ranges to an object's index to its blocks.
 *
 * Indexes and blocks are cached, both bounded. Not here yet: read-ahead, a bandwidth budget, merged GETs.
 */
import type { MetadataImage, ObjectRange } from '../metadata/metadata.ts'
import type { ObjectStore } from '../object-store/object-store.ts'
import { Fault, isFault } from '../runtime/fault.ts'
import { BlockCache } from './block-cache.ts'
import type { Entry } from './entry.ts'
import type { BlockRef } from './objects/object-index.ts'
import { ObjectReader } from './objects/object-reader.ts'

/** Objects whose index is kept. One of a large object takes about 64 KiB. */
const OPEN_OBJECTS_MAX = 256

export class ColdReader {
  readonly #store: ObjectStore
  readonly #image: MetadataImage
  readonly #blocks: BlockCache
  /** In order of use, oldest first. */
  readonly #objects = new Map<number, ObjectReader>()

  constructor(store: ObjectStore, image: MetadataImage, blockCacheBytes: number) {
    this.#store = store
    this.#image = image
    this.#blocks = new BlockCache(blockCacheBytes)
  }

  get cachedBytes(): number {
    return this.#blocks.bytes
  }

  /**
   * Whole entries from the one that holds `fromOffset` on: at least one, up to about `bytesMax` payload bytes; none when
   * no object holds that offset any more. Faults of the store, or `corrupt`.
   */
  async read(streamId: number, fromOffset: number, bytesMax: number): Promise<Entry[]> {
    const found: Entry[] = []
    let bytes = 0
    const ranges = this.#image.ranges(streamId)
    for (let at = firstAfter(ranges, fromOffset); at < ranges.length; at++) {
      const range = ranges[at] as ObjectRange
      for (const { object, block } of await this.#blocksOf(range, fromOffset)) {
        for (const entry of await this.#load(object, range.objectId, block)) {
          if (entry.lastOffset < fromOffset) continue
          bytes += entry.payload.length
          if (bytes > bytesMax && found.length > 0) return found
          found.push(entry)
        }
      }
    }
    return found
  }

  /** The first entry at or after `fromOffset` in objects whose largest timestamp is at least `timestamp`. */
  async findTimestamp(streamId: number, timestamp: number, fromOffset: number): Promise<Entry | undefined> {
    const ranges = this.#image.ranges(streamId)
    for (let at = firstAfter(ranges, fromOffset); at < ranges.length; at++) {
      const range = ranges[at] as ObjectRange
      if (range.maxTimestamp < timestamp) continue
      for (const { object, block } of await this.#blocksOf(range, fromOffset)) {
        if (block.maxTimestamp < timestamp) continue
        const entries = await this.#load(object, range.objectId, block)
        const entry = entries.find((e) => e.maxTimestamp >= timestamp && e.lastOffset >= fromOffset)
        if (entry !== undefined) return entry
      }
    }
    return undefined
  }

  maxTimestamp(streamId: number, fromOffset: number): number {
    let max = -1
    for (const range of this.#image.ranges(streamId)) {
      if (range.endOffset > fromOffset) max = Math.max(max, range.maxTimestamp)
    }
    return max
  }

  async #blocksOf(range: ObjectRange, fromOffset: number): Promise<{ object: ObjectReader; block: BlockRef }[]> {
    const object = this.#open(range.objectId)
    if (object === undefined) return []
    try {
      const blocks = await object.findBlocks(range.streamId, Math.max(fromOffset, range.startOffset))
      return blocks.map((block) => ({ object, block }))
    } catch (error) {
      throw this.#explained(error, range.objectId)
    }
  }

  async #load(object: ObjectReader, objectId: number, block: BlockRef): Promise<readonly Entry[]> {
    try {
      return await this.#blocks.get(`${objectId}/${block.position}`, block.bytes, () => object.loadBlock(block))
    } catch (error) {
      throw this.#explained(error, objectId)
    }
  }

  /** An object that the metadata no longer names was trimmed away under the reader; one that it names must be there. */
  #explained(error: unknown, objectId: number): unknown {
    if (!isFault(error, 'missing') || this.#image.object(objectId) === undefined) return error
    return new Fault('corrupt', `object ${objectId} is in the metadata but not in the store`, { cause: error })
  }

  #open(objectId: number): ObjectReader | undefined {
    const known = this.#objects.get(objectId)
    const stored = this.#image.object(objectId)
    const object = known ?? (stored && new ObjectReader({ store: this.#store, key: stored.key, size: stored.bytes }))
    if (object === undefined) return undefined
    this.#objects.delete(objectId)
    this.#objects.set(objectId, object)
    if (this.#objects.size > OPEN_OBJECTS_MAX) {
      const [oldest] = this.#objects.keys()
      if (oldest !== undefined) this.#objects.delete(oldest)
    }
    return object
  }
}

/** Index of the first range that ends after `offset`. */
function firstAfter(ranges: readonly ObjectRange[], offset: number): number {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ranges[middle] as ObjectRange).endOffset <= offset) low = middle + 1
    else high = middle
  }
  return low
}
