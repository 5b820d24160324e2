/**
 * Objects, metadata and a store with latency in virtual time, and a cold reader over them: what tests of the read path
 * stand on. It commits, compacts and trims as the engine does, and remembers what must be readable.
 */
import { Image } from '../../metadata/image.ts'
import type { ObjectRange, StoredObject, Stream } from '../../metadata/metadata.ts'
import { MemoryObjectStore } from '../../object-store/memory-object-store.ts'
import type { ByteRange } from '../../object-store/object-store.ts'
import { type Clock, sleep } from '../../runtime/clock.ts'
import { assert } from '../../runtime/fault.ts'
import type { Random } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import type { Entry } from '../entry.ts'
import { buildObject } from '../objects/object-writer.ts'
import { ColdReader, type ColdReaderParts } from './cold-reader.ts'
import { PriorityTransferBudget } from './priority-transfer-budget.ts'

export interface Get {
  readonly key: string
  readonly bytes: number
}

/** A store whose reads take time; what is deleted meanwhile is missing when they end. */
class SlowStore extends MemoryObjectStore {
  readonly gets: Get[] = []
  readonly #clock: Clock
  /** Milliseconds until the first byte, and bytes per millisecond after it. */
  latencyMs = 10
  bytesPerMs = 100 * 1024
  /** How long the next reads take more. */
  jitterMs: () => number = () => 0
  bytesInFlight = 0

  constructor(clock: Clock) {
    super()
    this.#clock = clock
  }

  override async get(key: string, range?: ByteRange): Promise<Buffer> {
    const bytes = range === undefined ? 0 : range.end - range.start
    this.gets.push({ key, bytes })
    this.bytesInFlight += bytes
    try {
      await sleep(this.#clock, this.latencyMs + bytes / this.bytesPerMs + this.jitterMs())
      return await super.get(key, range)
    } finally {
      this.bytesInFlight -= bytes
    }
  }
}

export interface Part {
  readonly streamId: number
  readonly entries: readonly Entry[]
  /** The range ends here; the end of the last entry unless given. */
  readonly endOffset?: number
}

type Sizes = Partial<Pick<ColdReaderParts, 'blockCacheBytes' | 'indexCacheBytes' | 'readAheadBytesMax' | 'refresh'>>

export class ColdReadFixture {
  readonly clock = new VirtualClock()
  readonly store = new SlowStore(this.clock)
  readonly image = new Image()
  readonly budget = new PriorityTransferBudget({
    clock: this.clock,
    bytesInFlightMax: 64 * 1024 * 1024,
    requestsInFlightMax: 32,
    bytesPerSecond: 0
  })
  readonly reader: ColdReader
  /** What each stream's objects hold now. */
  readonly held = new Map<number, Entry[]>()
  #lastObjectId = 0

  constructor(sizes: Sizes = {}) {
    const store = this.store
    this.reader = new ColdReader({
      stores: { store: () => store, profiles: () => ['default'], close: async () => {} },
      image: this.image,
      budget: this.budget,
      blockCacheBytes: 64 * 1024 * 1024,
      indexCacheBytes: 4 * 1024 * 1024,
      readAheadBytesMax: 16 * 1024 * 1024,
      ...sizes
    })
  }

  stream(streamId: number): Stream {
    return (
      this.image.stream(streamId) ?? {
        id: streamId,
        epoch: 1,
        tenure: 0,
        startOffset: 0,
        endOffset: 0,
        cleanedOffset: 0
      }
    )
  }

  /** Stores one object and commits it. */
  async commit(parts: readonly Part[], blockBytes?: number): Promise<StoredObject> {
    const object = await this.#put(parts, blockBytes)
    const streams = parts.map((part): [Stream, ObjectRange] => {
      const stream = this.stream(part.streamId)
      const range = this.#rangeOf(object, part, stream.endOffset)
      this.held.set(part.streamId, [...(this.held.get(part.streamId) ?? []), ...part.entries])
      return [{ ...stream, endOffset: range.endOffset }, range]
    })
    this.image.apply({
      topics: new Map(),
      streams: new Map(streams.map(([stream]) => [stream.id, stream])),
      objects: new Map([[object.id, object]]),
      ranges: streams.map(([, range]) => range)
    })
    return object
  }

  /**
   * Puts one new object in the place of `count` ranges of a stream, with the entries that `keep` picks. The old objects
   * leave the store at once when nothing else is in them. False when there is nothing to replace any more.
   */
  async compact(
    streamId: number,
    first: number,
    count: number,
    keep: (entry: Entry) => boolean = () => true,
    blockBytes?: number
  ): Promise<boolean> {
    const removed = this.image.ranges(streamId).slice(first, first + count)
    const [from, to] = [removed[0]?.startOffset, removed.at(-1)?.endOffset]
    if (from === undefined || to === undefined) return false
    const inside = (entry: Entry) => entry.lastOffset >= from && entry.baseOffset < to
    const kept = (this.held.get(streamId) ?? []).filter((entry) => !inside(entry) || keep(entry))
    const part: Part = { streamId, entries: kept.filter(inside), endOffset: to }
    const object = await this.#put([part], blockBytes)
    // Trimmed or compacted meanwhile: the metadata would refuse, or keep a part; here it is given up.
    if (removed.some((range) => !this.image.ranges(streamId).includes(range))) return false
    const left = new Map<number, readonly ObjectRange[]>()
    for (const { objectId } of removed) {
      left.set(
        objectId,
        this.image.rangesOf(objectId).filter((range) => !removed.includes(range))
      )
    }
    const objects = new Map<number, StoredObject | undefined>([[object.id, object]])
    const gone: string[] = []
    for (const [id, ranges] of left) {
      const known = this.image.object(id)
      if (ranges.length === 0 && known !== undefined) gone.push(known.key)
      objects.set(id, ranges.length === 0 ? undefined : known)
    }
    // Copies, as if they were read from the database.
    const others = [...left.values()].flat().map((range) => ({ ...range }))
    const ranges = [this.#rangeOf(object, part, from), ...others]
    ranges.sort((a, b) => a.streamId - b.streamId || a.startOffset - b.startOffset)
    this.image.apply({ topics: new Map(), streams: new Map(), objects, ranges })
    this.held.set(streamId, kept)
    await this.store.delete(gone)
    return true
  }

  /** Moves the start, drops ranges before it, and deletes objects that hold nothing else any more. */
  async trim(streamId: number, startOffset: number): Promise<void> {
    const stream = this.stream(streamId)
    const objects = this.image.ranges(streamId).map(({ objectId }) => objectId)
    this.image.apply({
      topics: new Map(),
      streams: new Map([[streamId, { ...stream, startOffset }]]),
      objects: new Map(),
      ranges: []
    })
    const rest = (this.held.get(streamId) ?? []).filter(({ lastOffset }) => lastOffset >= startOffset)
    this.held.set(streamId, rest)
    for (const id of objects.filter((each) => this.image.rangesOf(each).length === 0)) {
      const key = this.image.object(id)?.key
      this.image.apply({ topics: new Map(), streams: new Map(), objects: new Map([[id, undefined]]), ranges: [] })
      if (key !== undefined) await this.store.delete([key])
    }
  }

  /** Lets time pass until `work` is done. */
  async run<T>(work: Promise<T>): Promise<T> {
    let done = false
    const settled = work.finally(() => {
      done = true
    })
    settled.catch(() => {})
    for (let waited = 0; !done; waited++) {
      assert(waited < 1_000_000, 'it never ends')
      await this.clock.advance(this.clock.nextIn ?? 0)
    }
    return settled
  }

  async #put(parts: readonly Part[], blockBytes?: number): Promise<StoredObject> {
    const built = buildObject(parts, blockBytes)
    this.#lastObjectId++
    const id = this.#lastObjectId
    const object: StoredObject = { id, key: `objects/${id}`, bytes: built.bytes, profile: 'default', since: 0 }
    await this.store.put(object.key, built.parts)
    return object
  }

  #rangeOf(object: StoredObject, { streamId, entries, endOffset }: Part, startOffset: number): ObjectRange {
    return {
      objectId: object.id,
      streamId,
      startOffset,
      endOffset: endOffset ?? (entries.at(-1)?.lastOffset ?? startOffset - 1) + 1,
      bytes: entries.reduce((sum, { payload }) => sum + payload.length, 0),
      maxTimestamp: Math.max(-1, ...entries.map(({ maxTimestamp }) => maxTimestamp))
    }
  }
}

/** `count` entries of `bytes` each, without gaps, that tell their offsets. */
export function plainEntries(fromOffset: number, count: number, bytes: number): Entry[] {
  return Array.from({ length: count }, (_, at) => {
    const offset = fromOffset + at
    const payload = Buffer.alloc(bytes)
    payload.writeUInt32BE(offset, 0)
    return { baseOffset: offset, lastOffset: offset, maxTimestamp: 1_000 + offset, payload }
  })
}

/** Up to `countMax` entries from `fromOffset` on, perhaps none, with gaps between them and timestamps out of order. */
export function sparseEntries(random: Random, fromOffset: number, countMax: number): Entry[] {
  const entries: Entry[] = []
  let next = fromOffset
  for (let left = random.int(countMax + 1); left > 0; left--) {
    const baseOffset = next + (random.int(3) === 0 ? random.int(10) : 0)
    const lastOffset = baseOffset + random.int(4)
    const maxTimestamp = random.int(8) === 0 ? -1 : 1_000 + lastOffset + random.int(60)
    entries.push({ baseOffset, lastOffset, maxTimestamp, payload: random.bytes(1 + random.int(80)) })
    next = lastOffset + 1
  }
  return entries
}
