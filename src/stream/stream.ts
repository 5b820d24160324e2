/**
 * One stream as its owner sees it: append at the end, read from anywhere, trim the front.
 *
 * Invariant: `startOffset <= endOffset <= nextOffset`. What lies before `endOffset` is durable and readable; what lies
 * between it and `nextOffset` is on its way to the write-ahead log and is never shown.
 * It knows nothing of Kafka: payloads are opaque.
 */
import { assert, Fault } from '../runtime/fault.ts'
import type { Entry } from './entry.ts'
import type { LogCache } from './log-cache.ts'
import type { ColdReader, RangeNotes } from './read/cold-reader.ts'
import type { StreamLog } from './stream-log.ts'
import type { Wal } from './wal/wal.ts'

export interface StreamParts {
  readonly id: number
  readonly epoch: number
  /** What the metadata says now; undefined when the stream is gone. */
  readonly savedStart: () => number | undefined
  /** See `Stream.layout`. */
  readonly layout: () => unknown
  readonly wal: Pick<Wal, 'append' | 'payloadBytesMax'>
  readonly cache: LogCache
  readonly log: StreamLog
  readonly reader: ColdReader
  /** Makes a trim durable in the metadata. */
  readonly saveTrim: (stream: Stream, offset: number) => Promise<void>
}

export class Stream {
  readonly id: number
  readonly epoch: number
  readonly #parts: StreamParts
  readonly #log: StreamLog
  readonly #listeners = new Set<() => void>()
  #startOffset = 0
  #nextOffset: number
  #failure: Error | undefined
  /** Why nothing can be appended, for now. */
  #sealed: Error | undefined

  constructor(parts: StreamParts) {
    this.id = parts.id
    this.epoch = parts.epoch
    this.#parts = parts
    this.#log = parts.log
    this.#nextOffset = parts.log.endOffset
  }

  /** First offset that may be read. It follows the metadata, where a trim may succeed although its answer was lost. */
  get startOffset(): number {
    this.#startOffset = Math.max(this.#startOffset, this.#parts.savedStart() ?? 0)
    return this.#startOffset
  }

  /** Offset after the last durable entry. */
  get endOffset(): number {
    return this.#log.endOffset
  }

  /** Offset that the next append gets. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /** Bytes of the largest payload that can be appended. */
  get payloadBytesMax(): number {
    return this.#parts.wal.payloadBytesMax
  }

  /**
   * Appends at `nextOffset`, which moves at once, so that the order of calls is the order of offsets. Resolves when
   * the entry is durable and readable. Fault `closed` or `unavailable` when the log cannot be written any more.
   */
  append(entry: Entry): Promise<void> {
    const refusal = this.#failure ?? this.#sealed
    if (refusal !== undefined) return Promise.reject(refusal)
    if (entry.payload.length > this.payloadBytesMax) {
      const message = `an entry of ${entry.payload.length} bytes is larger than the ${this.payloadBytesMax} that the log takes`
      return Promise.reject(new Fault('invalid', message))
    }
    assert(entry.baseOffset === this.#nextOffset, `append at ${entry.baseOffset} while ${this.#nextOffset} is next`)
    this.#nextOffset = entry.lastOffset + 1
    return new Promise((resolve, reject) => {
      this.#parts.wal.append(
        { streamId: this.id, epoch: this.epoch, entry },
        () => {
          // A stream that was closed or deleted meanwhile acknowledges nothing: its log left the cache.
          if (this.#failure !== undefined) {
            reject(this.#failure)
            return
          }
          this.#parts.cache.push(this.#log, entry)
          resolve()
          for (const listener of this.#listeners) listener()
        },
        (fault) => {
          this.fail(fault)
          reject(fault)
        }
      )
    })
  }

  /**
   * Whole entries from the one that holds or follows `fromOffset` on, at least one if there is any before `endOffset`, up
   * to about `bytesMax` payload bytes. Immediate when memory holds them, a promise when objects must be read. None, with
   * `fromOffset` before `endOffset`, when compaction by key left none there, or a trim passed it meanwhile.
   */
  read(fromOffset: number, bytesMax: number): readonly Entry[] | Promise<readonly Entry[]> {
    assert(fromOffset >= this.startOffset, `read at ${fromOffset} before the start ${this.startOffset}`)
    if (fromOffset >= this.#log.startOffset) return this.#log.read(fromOffset, bytesMax)
    return this.#readCold(fromOffset, bytesMax)
  }

  /** Everything from `fromOffset` to the present end, about `bytesMax` payload bytes at a time. Skips what is trimmed meanwhile. */
  async *scan(fromOffset: number, bytesMax: number): AsyncGenerator<readonly Entry[]> {
    const { endOffset } = this
    for (let next = fromOffset; next < endOffset; ) {
      next = Math.max(next, this.startOffset)
      const entries = await this.read(next, bytesMax)
      const last = entries.at(-1)
      if (last === undefined && next >= this.startOffset) return
      if (last === undefined) continue
      yield entries
      next = last.lastOffset + 1
    }
  }

  /** The first entry from the one that holds `fromOffset` on whose largest timestamp is at least `timestamp` (milliseconds). */
  async findTimestamp(timestamp: number, fromOffset = this.startOffset): Promise<Entry | undefined> {
    const offset = Math.max(fromOffset, this.startOffset)
    for (;;) {
      const inMemoryFrom = this.#log.startOffset
      const cold = await this.#parts.reader.findTimestamp(this.id, timestamp, offset)
      if (cold !== undefined) return cold
      // What memory gave up meanwhile may have been in neither of the two places.
      if (this.#log.startOffset === inMemoryFrom) return this.#log.findTimestamp(timestamp, offset)
    }
  }

  /** Offset up to which objects hold the stream. */
  get committedOffset(): number {
    return this.#log.committedOffset
  }

  /** Another object whenever compaction has put something else in the place of what objects hold. */
  get layout(): unknown {
    return this.#parts.layout()
  }

  /** What the owner's notes say beside the stored ranges from the one that holds `fromOffset` on, up to `committedOffset`. */
  notes(fromOffset: number): AsyncGenerator<RangeNotes> {
    return this.#parts.reader.notes(this.id, Math.max(fromOffset, this.startOffset))
  }

  /** Largest timestamp of the stream, -1 when it has none. */
  async maxTimestamp(): Promise<number> {
    for (;;) {
      const { startOffset } = this
      const inMemoryFrom = this.#log.startOffset
      const cold = await this.#parts.reader.maxTimestamp(this.id, startOffset)
      if (this.#log.startOffset === inMemoryFrom) return Math.max(cold, this.#log.maxTimestamp(startOffset))
    }
  }

  /** Moves the first readable offset to `offset`; resolves when that survives a crash. */
  async trim(offset: number): Promise<void> {
    if (offset <= this.startOffset) return
    if (offset > this.endOffset)
      throw new Fault('invalid', `cannot trim to ${offset}: the stream ends at ${this.endOffset}`)
    await this.#parts.saveTrim(this, offset)
    this.#parts.cache.drop(this.#log, this.startOffset)
  }

  /** Runs `listener` whenever `endOffset` has moved; returns how to stop. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when everything before `offset` is durable. */
  whenDurable(offset: number): Promise<void> {
    if (this.endOffset >= offset) return Promise.resolve()
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const stop = this.subscribe(() => {
        if (this.#failure !== undefined) reject(this.#failure)
        else if (this.endOffset >= offset) resolve()
        else return
        stop()
      })
    })
  }

  /** Takes no appends until `unseal`, and refuses them with `reason`. What is under way becomes durable, reads go on. */
  seal(reason: Error): void {
    this.#sealed = reason
  }

  unseal(): void {
    this.#sealed = undefined
  }

  /** Refuses everything from now on; whoever waits is told. */
  fail(reason: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = reason
    for (const listener of [...this.#listeners]) listener()
  }

  async #readCold(fromOffset: number, bytesMax: number): Promise<readonly Entry[]> {
    let offset = fromOffset
    while (offset < this.#log.startOffset) {
      const { entries, nextOffset } = await this.#parts.reader.read(this.id, offset, bytesMax)
      if (entries.length > 0) return entries
      // Trimmed or deleted meanwhile: the caller compares with startOffset again. (A gap is a fault of the reader's.)
      if (nextOffset === offset) return []
      offset = nextOffset
    }
    return this.#log.read(offset, bytesMax)
  }
}
