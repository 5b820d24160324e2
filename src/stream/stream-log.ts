/**
 * The part of one stream that is in memory: every durable entry that objects do not hold yet, and behind it as much
 * of what they do hold as the cache has room for.
 *
 * Invariant: `startOffset <= committedOffset <= frozenOffset <= endOffset`; entries are sorted and cover
 * [startOffset, endOffset).
 * Pure memory: it does no I/O and knows no clock.
 */
import { assert } from '../runtime/fault.ts'
import { MaxTree } from '../runtime/max-tree.ts'
import type { Entry } from './entry.ts'

/** What an entry costs beside its payload, so that many small entries count too. */
const ENTRY_OVERHEAD_BYTES = 96

export function entryBytes(entry: Entry): number {
  return entry.payload.length + ENTRY_OVERHEAD_BYTES
}

const GONE: Entry = { baseOffset: -1, lastOffset: -1, maxTimestamp: -1, payload: Buffer.alloc(0) }

export class StreamLog {
  readonly streamId: number
  /** Whether the stream is open here: what was recovered of others is not ours to upload. */
  isOpen = false
  #entries: Entry[] = []
  /** Place of the first live entry; what lies before it has been dropped. */
  #head = 0
  /** Of the live entries. */
  readonly #timestamps = new MaxTree()
  #startOffset: number
  #committedOffset: number
  #frozenOffset: number
  #endOffset: number

  constructor(streamId: number, endOffset: number) {
    this.streamId = streamId
    this.#startOffset = endOffset
    this.#committedOffset = endOffset
    this.#frozenOffset = endOffset
    this.#endOffset = endOffset
  }

  /** First offset that is served from memory. */
  get startOffset(): number {
    return this.#startOffset
  }

  /** Offset up to which committed objects hold the stream. */
  get committedOffset(): number {
    return this.#committedOffset
  }

  /** Offset up to which uploads have taken the stream along. */
  get frozenOffset(): number {
    return this.#frozenOffset
  }

  /** Offset after the last durable entry. */
  get endOffset(): number {
    return this.#endOffset
  }

  push(entry: Entry): void {
    assert(entry.baseOffset >= this.#endOffset, `entry ${entry.baseOffset} of stream ${this.streamId} is out of order`)
    this.#entries.push(entry)
    this.#timestamps.push(entry.maxTimestamp)
    this.#endOffset = entry.lastOffset + 1
  }

  /** Entries from the one that contains or follows `fromOffset`: at least one, then as many as fit `bytesMax`. */
  read(fromOffset: number, bytesMax: number): Entry[] {
    const found: Entry[] = []
    let bytes = 0
    for (let at = this.#find(fromOffset); at < this.#entries.length; at++) {
      const entry = this.#entries[at] as Entry
      bytes += entry.payload.length
      if (bytes > bytesMax && found.length > 0) break
      found.push(entry)
    }
    return found
  }

  /** Entries from the one that contains or follows `offset`. */
  from(offset: number): Entry[] {
    return this.#entries.slice(this.#find(offset))
  }

  /** The first entry from `fromOffset` on whose largest timestamp reaches `timestamp`. */
  findTimestamp(timestamp: number, fromOffset: number): Entry | undefined {
    const found = this.#timestamps.firstAtLeast(timestamp, this.#find(fromOffset) - this.#head)
    return found === -1 ? undefined : this.#entries[this.#head + found]
  }

  /** Largest timestamp of the entries in memory from the one that holds or follows `fromOffset` on; -1 when there is none. */
  maxTimestamp(fromOffset: number): number {
    return Math.max(-1, this.#timestamps.maxFrom(this.#find(fromOffset) - this.#head))
  }

  /** An upload takes along everything there is. */
  freeze(): void {
    this.#frozenOffset = this.#endOffset
  }

  commit(offset: number): void {
    const legal = offset >= this.#committedOffset && offset <= this.#frozenOffset
    assert(legal, `stream ${this.streamId} cannot commit ${offset}: ${this.#committedOffset} to ${this.#frozenOffset}`)
    this.#committedOffset = offset
  }

  /** Forgets committed entries before `offset`; returns the bytes given back. */
  drop(offset: number): number {
    const limit = Math.min(offset, this.#committedOffset)
    const before = this.#head
    let bytes = 0
    while (this.#head < this.#entries.length) {
      const entry = this.#entries[this.#head] as Entry
      if (entry.lastOffset >= limit) break
      bytes += entryBytes(entry)
      // The payload must not live on in a place that is merely skipped.
      this.#entries[this.#head] = GONE
      this.#head++
      this.#startOffset = entry.lastOffset + 1
    }
    this.#timestamps.dropFirst(this.#head - before)
    if (this.#head > 64 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
    return bytes
  }

  /** Index of the first entry whose last offset reaches `offset`. */
  #find(offset: number): number {
    let low = this.#head
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#entries[middle] as Entry).lastOffset < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
