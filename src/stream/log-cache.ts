/**
 * The log cache: the streams' tails in memory. It feeds tail reads and the upload.
 *
 * Invariant: an entry leaves memory only after objects that hold it are committed. What is committed stays
 * until its room is needed, oldest upload first.
 */
import type { Entry } from './entry.ts'
import { entryBytes, StreamLog } from './stream-log.ts'

/** Uploads whose data may stay in memory. More only happen when there is little traffic; then nobody misses the oldest. */
const COMMITTED_UPLOADS_MAX = 256

/** What one upload takes along of a stream. */
export interface FrozenStream {
  readonly log: StreamLog
  readonly entries: readonly Entry[]
  /** `entries` cover [startOffset, endOffset). */
  readonly startOffset: number
  readonly endOffset: number
}

/** What was durable and in no upload yet at one moment. */
export interface FrozenTail {
  readonly streams: readonly FrozenStream[]
  /**
   * No stream was left out: once this upload and those before it are committed, nothing that lies before this moment
   * in the write-ahead log is needed.
   */
  readonly whole: boolean
}

export class LogCache {
  readonly #bytesMax: number
  readonly #logs = new Map<number, StreamLog>()
  /** Open logs with entries that no upload has taken. */
  readonly #waiting = new Set<StreamLog>()
  /** Logs with entries that were recovered and whose stream is not open here. */
  readonly #orphaned = new Set<StreamLog>()
  /** What each upload committed, oldest first: the order in which memory is given back. */
  readonly #committed: { readonly log: StreamLog; readonly endOffset: number }[][] = []
  #bytes = 0
  #dirtyBytes = 0
  #waitingBytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Bytes in memory. */
  get bytes(): number {
    return this.#bytes
  }

  /** Bytes that no committed object holds yet. */
  get dirtyBytes(): number {
    return this.#dirtyBytes
  }

  /** Bytes of open streams that no upload has taken yet. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** Recovered streams that nobody has opened: the write-ahead log cannot be trimmed while there are any. */
  get orphans(): number {
    return this.#orphaned.size
  }

  /** Streams of which something is in memory, or was. */
  streamIds(): number[] {
    return [...this.#logs.keys()]
  }

  add(streamId: number, endOffset: number): StreamLog {
    const log = new StreamLog(streamId, endOffset)
    this.#logs.set(streamId, log)
    return log
  }

  get(streamId: number): StreamLog | undefined {
    return this.#logs.get(streamId)
  }

  /** The stream is open here from now on. */
  open(log: StreamLog): void {
    log.isOpen = true
    if (!this.#orphaned.delete(log)) return
    this.#waiting.add(log)
    this.#waitingBytes += sum(log.from(log.frozenOffset))
  }

  remove(streamId: number): void {
    const log = this.#logs.get(streamId)
    if (log === undefined) return
    this.#logs.delete(streamId)
    this.#orphaned.delete(log)
    if (this.#waiting.delete(log)) this.#waitingBytes -= sum(log.from(log.frozenOffset))
    this.#dirtyBytes -= sum(log.from(log.committedOffset))
    log.freeze()
    log.commit(log.endOffset)
    this.#bytes -= log.drop(log.endOffset)
  }

  push(log: StreamLog, entry: Entry): void {
    log.push(entry)
    const bytes = entryBytes(entry)
    this.#bytes += bytes
    this.#dirtyBytes += bytes
    if (log.isOpen) {
      this.#waitingBytes += bytes
      this.#waiting.add(log)
    } else {
      this.#orphaned.add(log)
    }
    if (this.#bytes > this.#bytesMax) this.#evict()
  }

  /** Takes along what no upload has taken yet. */
  freeze(): FrozenTail {
    const streams: FrozenStream[] = []
    for (const log of this.#waiting) {
      const { frozenOffset: startOffset, endOffset } = log
      streams.push({ log, entries: log.from(startOffset), startOffset, endOffset })
      log.freeze()
    }
    this.#waiting.clear()
    this.#waitingBytes = 0
    return { streams, whole: this.#orphaned.size === 0 }
  }

  /** Objects hold `tail` now: it may leave memory. Streams removed meanwhile are none of its business any more. */
  committed(tail: FrozenTail): void {
    for (const { log, entries, endOffset } of tail.streams) {
      if (this.#logs.get(log.streamId) !== log) continue
      this.#dirtyBytes -= sum(entries)
      log.commit(endOffset)
    }
    this.#committed.push(tail.streams.map(({ log, endOffset }) => ({ log, endOffset })))
    this.#evict()
  }

  /** Forgets what lies before `offset` of one stream. */
  drop(log: StreamLog, offset: number): void {
    this.#bytes -= log.drop(offset)
  }

  #evict(): void {
    while (this.#bytes > this.#bytesMax || this.#committed.length > COMMITTED_UPLOADS_MAX) {
      const oldest = this.#committed.shift()
      if (oldest === undefined) return
      for (const { log, endOffset } of oldest) {
        if (this.#logs.get(log.streamId) === log) this.drop(log, endOffset)
      }
    }
  }
}

function sum(entries: readonly Entry[]): number {
  let bytes = 0
  for (const entry of entries) bytes += entryBytes(entry)
  return bytes
}
