/**
 * Reads what left memory: from the metadata's ranges to an object's index to its blocks.
 *
 * Invariant: no silent gap. A read moves on from offset to offset, each time with the range that holds the offset in the
 * metadata at that moment, and past a range only when everything in it was looked at. An object that is gone (compacted
 * or trimmed away, then deleted) makes it ask the metadata again for the offset that it had reached.
 *
 * Memory: indexes and blocks are cached, each bounded in bytes; one read holds at most about what it was asked for.
 * Everything is read through the transfer budget. It never writes, and never reads the log cache.
 */
import type { MetadataImage, ObjectRange, StoredObject } from '../../metadata/metadata.ts'
import type { ObjectStores } from '../../object-store/object-stores.ts'
import { assert, Fault, isFault } from '../../runtime/fault.ts'
import type { Entry } from '../entry.ts'
import { firstIndexWhere } from '../objects/binary-search.ts'
import type { BlockRef, Note } from '../objects/object-index.ts'
import { BlockCache, type CachedBlock, GET_BYTES_MAX } from './block-cache.ts'
import { IndexCache, type OpenObject } from './index-cache.ts'
import { ReadCounters } from './read-counters.ts'
import { type SequentialReader, SequentialReaders } from './sequential-reader.ts'
import type { TransferBudget, TransferClass } from './transfer-budget.ts'

/** One read gives at most about this, whatever it was asked for: what it holds must stay bounded. */
const READ_BYTES_MAX = 16 * 1024 * 1024
/** Ranges that one read, or one step of read-ahead, goes through at most, and indexes that it loads at the same time. */
const RANGES_MAX = 64
const INDEXES_AT_ONCE = 8
/** A reader's window takes at most this part of the block cache, so that it never pushes out its own blocks. */
const WINDOW_SHARE = 1 / 4
/** How often objects may vanish under one read before it gives up. */
const ATTEMPTS_MAX = 8

export interface ColdReaderParts {
  readonly stores: ObjectStores
  readonly image: MetadataImage
  readonly budget: TransferBudget
  /** Memory for blocks, bytes. */
  readonly blockCacheBytes: number
  /** Memory for indexes, bytes. */
  readonly indexCacheBytes: number
  /** How far a sequential reader is read ahead of, bytes; 0 for not at all. At most a quarter of `blockCacheBytes` is used. */
  readonly readAheadBytesMax: number
  /** Brings the image up to date, for when an object is gone; without it, the image is taken to be. */
  readonly refresh?: () => Promise<void>
  /** Told of damage that a read met, each time; the read fails with the same fault. */
  readonly damaged?: (fault: Fault) => void
}

export interface ColdEntries {
  /** Whole entries in offset order. */
  readonly entries: readonly Entry[]
  /** Everything in [fromOffset, nextOffset) was looked at; `entries` are all that objects hold of it. */
  readonly nextOffset: number
}

export interface ColdReaderStats {
  readonly blockHits: number
  readonly blockMisses: number
  readonly indexHits: number
  readonly indexLoads: number
  readonly demandGets: number
  readonly demandBytes: number
  readonly readAheadGets: number
  readonly readAheadBytes: number
  readonly readAheadUsedBytes: number
  readonly readAheadWastedBytes: number
  readonly refreshes: number
  /** Memory now, bytes. */
  readonly blockCacheBytes: number
  readonly indexCacheBytes: number
  /** Read ahead and not read yet, bytes. */
  readonly unreadBytes: number
}

/** The notes that lie beside a range of a stream. */
export interface RangeNotes {
  readonly startOffset: number
  readonly endOffset: number
  readonly notes: readonly Note[]
}

/** The range that holds an offset, and its object. */
interface Place {
  readonly range: ObjectRange
  readonly object: StoredObject
}

/** Blocks of one range that are read together. */
interface Section {
  readonly blocks: readonly BlockRef[]
  /** Everything in the range before this lies in `blocks`. */
  readonly endOffset: number
  /** Of the blocks, as far as they lie behind the offset asked for. */
  readonly bytes: number
}

interface HeldSection {
  readonly blocks: readonly CachedBlock[]
  readonly endOffset: number
  readonly rangeEnd: number
}

/** A read under way. */
interface Progress {
  readonly entries: Entry[]
  bytes: number
  nextOffset: number
}

export class ColdReader {
  readonly #parts: ColdReaderParts
  readonly #image: MetadataImage
  readonly #counters = new ReadCounters()
  readonly #indexes: IndexCache
  readonly #blocks: BlockCache
  readonly #readers: SequentialReaders

  constructor(parts: ColdReaderParts) {
    const { stores, budget, blockCacheBytes, indexCacheBytes, readAheadBytesMax } = parts
    const counters = this.#counters
    this.#parts = parts
    this.#image = parts.image
    this.#indexes = new IndexCache({ stores, budget, counters, bytesMax: indexCacheBytes })
    this.#blocks = new BlockCache({ budget, counters, bytesMax: blockCacheBytes })
    this.#readers = new SequentialReaders(Math.min(readAheadBytesMax, Math.floor(blockCacheBytes * WINDOW_SHARE)))
  }

  /**
   * Whole entries from the one that holds or follows `fromOffset` on: at least one if objects hold any, up to about
   * `bytesMax` payload bytes, and never much more than 16 MiB.
   *
   * None in two cases, which `nextOffset` tells apart:
   * - beyond `fromOffset`: it is the end of what was committed, and no object holds an entry before it. Go on in the log
   *   cache from there.
   * - equal to `fromOffset`: no object holds that offset, rightly. It is not committed yet (the log cache has it), or it
   *   lies before the stream's start, or the stream is gone: compare with the start again.
   *
   * Faults: `unavailable` and `closed` of store and budget, or when objects vanish faster than they are read; `corrupt`
   * when the metadata names an object that the store does not have, holds a gap, or when stored bytes are damaged. A
   * fault that comes behind entries already found waits for the next read.
   */
  async read(streamId: number, fromOffset: number, bytesMax: number): Promise<ColdEntries> {
    const reader = this.#readers.at(streamId, fromOffset)
    const progress: Progress = { entries: [], bytes: 0, nextOffset: fromOffset }
    const bytes = Math.min(bytesMax, READ_BYTES_MAX)
    await this.#overcoming(async () => {
      while (progress.entries.length === 0 && this.#find(streamId, progress.nextOffset) !== undefined) {
        await this.#pass(progress, reader, bytes)
      }
    })
    this.#readers.advance(reader, fromOffset, progress.nextOffset)
    return { entries: progress.entries, nextOffset: progress.nextOffset }
  }

  /**
   * The first entry in objects whose largest timestamp is at least `timestamp` (milliseconds) and that ends at or after
   * `fromOffset`. Exact: one index is read, and one block; a second of each when `fromOffset` lies inside a range whose
   * largest timestamps are all before it. Faults as `read`.
   */
  async findTimestamp(streamId: number, timestamp: number, fromOffset: number): Promise<Entry | undefined> {
    let offset = fromOffset
    return this.#overcoming(async () => {
      for (;;) {
        const range = this.#image.findTimestamp(streamId, timestamp, offset)
        if (range === undefined) return undefined
        const entry = await this.#findIn(range, timestamp, Math.max(offset, range.startOffset))
        if (entry !== undefined) return entry
        offset = range.endOffset
      }
    })
  }

  /**
   * The largest timestamp among entries in objects that end at or after `fromOffset`; -1 when there is none. Exact; reads an
   * index, and perhaps a block, only when `fromOffset` lies inside the range that might hold it. Faults as `read`.
   */
  async maxTimestamp(streamId: number, fromOffset: number): Promise<number> {
    return this.#overcoming(async () => {
      const place = this.#find(streamId, fromOffset)
      const max = this.#image.maxTimestamp(streamId, fromOffset)
      if (place === undefined || place.range.startOffset === fromOffset) return max
      const later = this.#image.maxTimestamp(streamId, place.range.endOffset)
      return later >= place.range.maxTimestamp ? later : Math.max(later, await this.#maxIn(place, fromOffset))
    })
  }

  /**
   * The notes beside what objects hold from `fromOffset` on, range by range, from the one that holds it. Whoever has seen
   * enough stops. Faults as `read`.
   */
  async *notes(streamId: number, fromOffset: number): AsyncGenerator<RangeNotes> {
    for (let offset = fromOffset; ; ) {
      const found = await this.#overcoming(async () => {
        const place = this.#find(streamId, offset)
        if (place === undefined) return undefined
        const { startOffset, endOffset } = place.range
        const { index } = await this.#open(place.object, 'demand')
        return { startOffset, endOffset, notes: index.notes(streamId, startOffset, endOffset) }
      })
      if (found === undefined) return
      yield found
      offset = found.endOffset
    }
  }

  stats(): ColdReaderStats {
    const { blockHits, blockMisses, indexHits, indexLoads, demandGets, demandBytes } = this.#counters
    const { readAheadGets, readAheadBytes, readAheadUsedBytes, readAheadWastedBytes, refreshes } = this.#counters
    return {
      ...{ blockHits, blockMisses, indexHits, indexLoads, demandGets, demandBytes },
      ...{ readAheadGets, readAheadBytes, readAheadUsedBytes, readAheadWastedBytes, refreshes },
      blockCacheBytes: this.#blocks.bytes,
      indexCacheBytes: this.#indexes.bytes,
      unreadBytes: this.#blocks.unreadBytes
    }
  }

  /** Reads about `bytesMax` on, over as many ranges as that takes. */
  async #pass(progress: Progress, reader: SequentialReader, bytesMax: number): Promise<void> {
    const sections = await this.#plan(reader.streamId, progress.nextOffset, bytesMax)
    void this.#readAhead(reader, sections.at(-1)?.endOffset ?? progress.nextOffset)
    try {
      for (const section of sections) {
        for (const block of section.blocks) {
          const entries = await this.#entriesOf(block)
          if (!take(progress, entries, section.rangeEnd, bytesMax)) return
        }
        progress.nextOffset = section.endOffset
      }
    } catch (error) {
      // What was found is whole up to here; the next read begins with the fault.
      if (progress.entries.length === 0 || !isExpected(error)) throw error
    } finally {
      for (const { blocks } of sections) for (const block of blocks) this.#blocks.release(block)
    }
  }

  /** What to read for `bytesMax` bytes from an offset on, asked for already; at least one section. */
  async #plan(streamId: number, fromOffset: number, bytesMax: number): Promise<HeldSection[]> {
    const sections: HeldSection[] = []
    let offset = fromOffset
    let bytes = 0
    try {
      while (sections.length === 0 || (bytes < bytesMax && sections.length < RANGES_MAX)) {
        const place = this.#find(streamId, offset)
        if (place === undefined) break
        this.#warm(streamId, offset, bytesMax - bytes, 'demand')
        const object = await this.#open(place.object, 'demand')
        const section = cut(object, place.range, offset, bytesMax - bytes, Number.POSITIVE_INFINITY)
        const blocks = this.#blocks.hold(object, section.blocks)
        sections.push({ blocks, endOffset: section.endOffset, rangeEnd: place.range.endOffset })
        offset = section.endOffset
        bytes += section.bytes
      }
    } catch (error) {
      // It belongs to a range that is not the first: read what comes before, and meet it again.
      if (sections.length === 0 || !isExpected(error)) throw error
    }
    return sections
  }

  /** Asks for what follows `fromOffset`, as far as the reader's window and the cache allow. Nobody waits for it. */
  async #readAhead(reader: SequentialReader, fromOffset: number): Promise<void> {
    if (!reader.wantsMore) return
    reader.looking = true
    try {
      let offset = Math.max(reader.aheadOffset, fromOffset)
      let wanted = wholePieces(reader.windowBytes - reader.unreadBytes)
      for (let ranges = 0; wanted > 0 && ranges < RANGES_MAX; ranges++) {
        const place = this.#find(reader.streamId, offset)
        if (place === undefined) return
        this.#warm(reader.streamId, offset, wanted, 'read-ahead')
        const object = await this.#open(place.object, 'read-ahead')
        const room = this.#blocks.makeReadAheadRoom()
        const section = cut(object, place.range, offset, wanted, Math.min(wanted, room))
        if (section.bytes > room) return
        this.#blocks.readAhead(object, section.blocks, reader)
        offset = section.endOffset
        reader.aheadOffset = offset
        // The next block would be too much: not worth a GET of its own.
        if (offset < place.range.endOffset) return
        wanted -= section.bytes
      }
    } catch (error) {
      // Whoever reads that far meets it, and tells.
      if (!isExpected(error)) throw error
    } finally {
      reader.looking = false
    }
  }

  /** Loads indexes of the ranges that the next `bytes` lie in side by side, as each one alone takes a round trip. */
  #warm(streamId: number, fromOffset: number, bytes: number, kind: TransferClass): void {
    const ranges = this.#image.ranges(streamId)
    let at = firstIndexWhere(ranges.length, (index) => (ranges[index]?.endOffset ?? 0) > fromOffset)
    let left = bytes
    for (let count = 0; count < INDEXES_AT_ONCE && left > 0; count++, at++) {
      const range = ranges[at]
      const object = range && this.#image.object(range.objectId)
      if (range === undefined || object === undefined) return
      this.#indexes.load(object, kind).catch((error) => {
        // Whoever comes to need it hears of it.
        if (!isFault(error)) throw error
      })
      left -= range.bytes * shareBehind(range.startOffset, range.endOffset, fromOffset)
    }
  }

  async #findIn(range: ObjectRange, timestamp: number, fromOffset: number): Promise<Entry | undefined> {
    const object = await this.#open(this.#objectOf(range), 'demand')
    for (const ref of object.index.blocks(range.streamId, fromOffset)) {
      if (ref.firstOffset >= range.endOffset) return undefined
      if (ref.maxTimestamp < timestamp) continue
      const entries = await this.#loadAlone(object, ref)
      const entry = entries.find((e) => e.maxTimestamp >= timestamp && e.lastOffset >= fromOffset)
      if (entry !== undefined) return entry
    }
    return undefined
  }

  async #maxIn({ range, object: stored }: Place, fromOffset: number): Promise<number> {
    const object = await this.#open(stored, 'demand')
    let max = -1
    for (const ref of object.index.blocks(range.streamId, fromOffset)) {
      if (ref.firstOffset >= range.endOffset) break
      if (ref.maxTimestamp <= max) continue
      if (ref.firstOffset >= fromOffset) {
        max = ref.maxTimestamp
        continue
      }
      for (const entry of await this.#loadAlone(object, ref)) {
        if (entry.lastOffset >= fromOffset) max = Math.max(max, entry.maxTimestamp)
      }
    }
    return max
  }

  async #loadAlone(object: OpenObject, ref: BlockRef): Promise<readonly Entry[]> {
    const [block] = this.#blocks.hold(object, [ref])
    assert(block !== undefined, 'a block that was asked for is held')
    try {
      return await this.#entriesOf(block)
    } finally {
      this.#blocks.release(block)
    }
  }

  /**
   * The range that holds `offset` in the metadata now. Undefined when there is none, rightly: the stream is gone, starts
   * later, or ends before. Logarithmic.
   */
  #find(streamId: number, offset: number): Place | undefined {
    const ranges = this.#image.ranges(streamId)
    const range = ranges[firstIndexWhere(ranges.length, (at) => (ranges[at]?.endOffset ?? 0) > offset)]
    if (range !== undefined && range.startOffset <= offset) return { range, object: this.#objectOf(range) }
    const stream = this.#image.stream(streamId)
    if (stream === undefined || offset < stream.startOffset || offset >= stream.endOffset) return undefined
    throw new Fault('corrupt', `the metadata has no object that holds offset ${offset} of stream ${streamId}`)
  }

  #objectOf(range: ObjectRange): StoredObject {
    const object = this.#image.object(range.objectId)
    if (object !== undefined) return object
    const { streamId, startOffset, objectId } = range
    throw new Fault(
      'corrupt',
      `range ${startOffset} of stream ${streamId} is in object ${objectId}, which does not exist`
    )
  }

  async #open(stored: StoredObject, kind: TransferClass): Promise<OpenObject> {
    if (kind === 'demand' && this.#indexes.has(stored.id)) this.#counters.indexHits++
    try {
      return await this.#indexes.load(stored, kind)
    } catch (error) {
      throw isFault(error, 'missing') ? new VanishedObject(stored.id, error) : error
    }
  }

  async #entriesOf(block: CachedBlock): Promise<readonly Entry[]> {
    try {
      return await this.#blocks.read(block)
    } catch (error) {
      throw isFault(error, 'missing') ? new VanishedObject(block.objectId, error) : error
    }
  }

  /**
   * Runs `work`, and again when an object vanished under it: by then the metadata names another one. If it still names
   * the one that is missing, and it is missing again, something deleted what was needed.
   */
  async #overcoming<T>(work: () => Promise<T>): Promise<T> {
    const vanished = new Set<number>()
    for (let attempt = 1; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        if (isFault(error, 'corrupt')) this.#parts.damaged?.(error)
        if (!(error instanceof VanishedObject)) throw error
        const { objectId, cause } = error
        this.#counters.refreshes++
        await this.#parts.refresh?.()
        if (vanished.has(objectId) && this.#image.object(objectId) !== undefined) {
          const fault = new Fault('corrupt', `object ${objectId} is in the metadata but not in the store`, { cause })
          this.#parts.damaged?.(fault)
          throw fault
        }
        if (attempt === ATTEMPTS_MAX) {
          throw new Fault('unavailable', `objects vanished ${attempt} times while they were read; try again`, { cause })
        }
        vanished.add(objectId)
      }
    }
  }
}

/** An object that the metadata named is not in the store. */
class VanishedObject extends Error {
  readonly objectId: number

  constructor(objectId: number, cause: unknown) {
    super(`object ${objectId} vanished`, { cause })
    this.objectId = objectId
  }
}

function isExpected(error: unknown): boolean {
  return isFault(error) || error instanceof VanishedObject
}

/**
 * The blocks of `range` from `fromOffset` on until they have `bytesWanted`; at least one if there is any, further ones only
 * up to `bytesMax`.
 */
function cut(
  object: OpenObject,
  range: ObjectRange,
  fromOffset: number,
  bytesWanted: number,
  bytesMax: number
): Section {
  const blocks: BlockRef[] = []
  let bytes = 0
  let endOffset = range.endOffset
  for (const ref of object.index.blocks(range.streamId, fromOffset)) {
    if (ref.firstOffset >= range.endOffset) break
    const size = ref.bytes * shareBehind(ref.firstOffset, ref.lastOffset + 1, fromOffset)
    const last = blocks.at(-1)
    if (last !== undefined && (bytes >= bytesWanted || bytes + size > bytesMax)) {
      endOffset = last.lastOffset + 1
      break
    }
    blocks.push(ref)
    bytes += size
  }
  return { blocks, endOffset, bytes }
}

/** The part of [start, end) that lies at or after `offset`: what is left of it to read, if it is spread evenly. */
function shareBehind(start: number, end: number, offset: number): number {
  return offset <= start ? 1 : (end - offset) / (end - start)
}

/** So much of `bytes` that no GET is a small rest, if it is more than one GET. */
function wholePieces(bytes: number): number {
  return bytes < GET_BYTES_MAX ? bytes : bytes - (bytes % GET_BYTES_MAX)
}

/** Adds the entries of a block from where the read is. False when the read has enough. */
function take(progress: Progress, entries: readonly Entry[], rangeEnd: number, bytesMax: number): boolean {
  const from = progress.nextOffset
  const first = firstIndexWhere(entries.length, (at) => (entries[at]?.lastOffset ?? 0) >= from)
  for (let at = first; at < entries.length; at++) {
    const entry = entries[at]
    if (entry === undefined || entry.baseOffset >= rangeEnd) return true
    if (progress.entries.length > 0 && progress.bytes + entry.payload.length > bytesMax) return false
    progress.entries.push(entry)
    progress.bytes += entry.payload.length
    progress.nextOffset = entry.lastOffset + 1
  }
  return true
}
