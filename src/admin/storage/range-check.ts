/**
 * Compares what the metadata says of a range with the entries that its object holds: sums up while they pass by, then
 * says what differs. Pure.
 */
import type { ObjectRange } from '../../metadata/metadata.ts'
import type { Entry } from '../../stream/entry.ts'
import type { BlockRef } from '../../stream/objects/object-index.ts'

export class RangeCheck {
  readonly range: ObjectRange
  readonly #problems: string[] = []
  /** Every offset from here on must be in an entry. */
  #next: number
  #dense: boolean
  #bytes = 0
  #maxTimestamp = -1
  #comparable = true

  /** @param denseFrom from this offset on, no offset may be missing; Infinity when any may. */
  constructor(range: ObjectRange, denseFrom: number) {
    this.range = range
    this.#next = Math.max(range.startOffset, denseFrom)
    this.#dense = denseFrom < range.endOffset
  }

  /** Whether the block holds offsets of the range. */
  touches({ streamId, firstOffset, lastOffset }: BlockRef): boolean {
    const { startOffset, endOffset } = this.range
    return streamId === this.range.streamId && firstOffset < endOffset && lastOffset >= startOffset
  }

  /** A block of the range cannot be read: sums say nothing any more. */
  damaged(): void {
    this.#comparable = false
    this.#dense = false
  }

  add(entry: Entry): void {
    const { startOffset, endOffset } = this.range
    if (entry.baseOffset < startOffset || entry.lastOffset >= endOffset) {
      this.#problems.push(`the entry with offsets ${entry.baseOffset} to ${entry.lastOffset} reaches out of the range`)
    }
    if (this.#dense && entry.baseOffset > this.#next) this.#missing(entry.baseOffset)
    this.#next = Math.max(this.#next, entry.lastOffset + 1)
    this.#bytes += entry.payload.length
    this.#maxTimestamp = Math.max(this.#maxTimestamp, entry.maxTimestamp)
  }

  /** Called once, after the last entry. */
  problems(): readonly string[] {
    if (this.#dense && this.#next < this.range.endOffset) this.#missing(this.range.endOffset)
    if (!this.#comparable) return this.#problems
    const { bytes, maxTimestamp } = this.range
    if (bytes !== this.#bytes) {
      this.#problems.push(`the metadata says ${bytes} bytes of payload, the object holds ${this.#bytes}`)
    }
    if (maxTimestamp !== this.#maxTimestamp) {
      this.#problems.push(`the metadata says ${maxTimestamp} as largest timestamp, the object ${this.#maxTimestamp}`)
    }
    return this.#problems
  }

  #missing(end: number): void {
    this.#problems.push(`offsets ${this.#next} to ${end - 1} are missing`)
  }
}
