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

/** Everything that was durable and not in objects at one moment. */
export interface FrozenTail {
  readonly streams: readonly {
    readonly log: StreamLog
    readonly entries: readonly Entry[]
    readonly endOffset: number
  }[]
  readonly bytes: number
  /** No stream was left out: what lies before this moment in the write-ahead log is in the tail or in objects. */
  readonly whole: boolean
}

export class LogCache {
  readonly #bytesMax: number
  readonly #logs = new Map<number, StreamLog>()
  readonly #dirty = new Set<StreamLog>()
  /** What each upload committed, oldest first: the order in which memory is given back. */
  readonly #committed: { readonly log: StreamLog; readonly endOffset: number }[][] = []
  #bytes = 0
  #dirtyBytes = 0

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

  add(streamId: number, endOffset: number): StreamLog {
    const log = new StreamLog(streamId, endOffset)
    this.#logs.set(streamId, log)
    return log
  }

  get(streamId: number): StreamLog | undefined {
    return this.#logs.get(streamId)
  }

  remove(streamId: number): void {
    const log = this.#logs.get(streamId)
    if (log === undefined) return
    this.#logs.delete(streamId)
    this.#dirty.delete(log)
    const entries = log.uncommitted()
    for (const entry of entries) this.#dirtyBytes -= entryBytes(entry)
    log.commit(log.endOffset)
    this.#bytes -= log.drop(log.endOffset)
  }

  push(log: StreamLog, entry: Entry): void {
    log.push(entry)
    const bytes = entryBytes(entry)
    this.#bytes += bytes
    this.#dirtyBytes += bytes
    this.#dirty.add(log)
    if (this.#bytes > this.#bytesMax) this.#evict()
  }

  /** The tails of the streams that `wanted` picks. */
  freeze(wanted: (streamId: number) => boolean): FrozenTail {
    const logs = [...this.#dirty].filter((log) => wanted(log.streamId))
    const streams = logs.map((log) => ({ log, entries: log.uncommitted(), endOffset: log.endOffset }))
    let bytes = 0
    for (const { entries } of streams) for (const entry of entries) bytes += entryBytes(entry)
    return { streams, bytes, whole: logs.length === this.#dirty.size }
  }

  /** Objects hold `tail` now: it may leave memory. Streams removed meanwhile are none of its business any more. */
  committed(tail: FrozenTail): void {
    for (const { log, entries, endOffset } of tail.streams) {
      if (this.#logs.get(log.streamId) !== log) continue
      for (const entry of entries) this.#dirtyBytes -= entryBytes(entry)
      log.commit(endOffset)
      if (log.endOffset === endOffset) this.#dirty.delete(log)
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
