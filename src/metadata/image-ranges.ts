/**
 * The ranges of one stream in the image: sorted, searchable by offset and by timestamp.
 *
 * Invariant: the array that was handed out changes only by growing at its end, because copying 100 000 elements per
 * commit would not do. Trims and replacements make a new one.
 */
import { MaxTree } from '../runtime/max-tree.ts'
import type { ObjectRange } from './metadata.ts'

export class StreamRanges {
  #list: ObjectRange[] = []
  /** Largest timestamps, range by range; made when somebody first asks, since of most streams nobody does. */
  #timestamps: MaxTree | undefined

  get list(): readonly ObjectRange[] {
    return this.#list
  }

  /** Offset after the last range; -Infinity when there is none. */
  get endOffset(): number {
    return this.#list.at(-1)?.endOffset ?? Number.NEGATIVE_INFINITY
  }

  /**
   * Takes in current ranges, sorted, and returns those that they replace: every known one that they overlap.
   *
   * What is replaced holds nothing that is still needed. Ranges of one state of the database never overlap, so a known
   * range R that a current range C overlaps is stale: some transaction since has removed it. A trim did that only if all
   * of R lies before the stream's start. A compaction put others in its place that hold the same offsets from the
   * start on, and so did any that replaced those; hence, what of R lies behind the start is held by current ranges. All of
   * them overlap R, so none of them was there together with R: they are newer than what is known here, and among
   * the ranges taken in now. (A stale range that no current one overlaps lies before the start and goes with the trim.)
   */
  put(current: readonly ObjectRange[]): ObjectRange[] {
    const first = current[0]
    if (first === undefined) return []
    if (first.startOffset < this.endOffset) return this.#merge(current)
    for (const range of current) {
      this.#list.push(range)
      this.#timestamps?.push(range.maxTimestamp)
    }
    return []
  }

  /** Forgets the ranges that end at `offset` or before, and returns them. */
  dropBefore(offset: number): ObjectRange[] {
    const count = this.#firstEndingAfter(offset)
    if (count === 0) return []
    const dropped = this.#list.slice(0, count)
    this.#list = this.#list.slice(count)
    this.#timestamps?.dropFirst(count)
    return dropped
  }

  findTimestamp(timestamp: number, fromOffset: number): ObjectRange | undefined {
    const index = this.#tree().firstAtLeast(timestamp, this.#firstEndingAfter(fromOffset))
    return index < 0 ? undefined : this.#list[index]
  }

  /** -1 when no range ends after `fromOffset`. */
  maxTimestamp(fromOffset: number): number {
    return Math.max(-1, this.#tree().maxFrom(this.#firstEndingAfter(fromOffset)))
  }

  #merge(current: readonly ObjectRange[]): ObjectRange[] {
    const merged: ObjectRange[] = []
    const replaced: ObjectRange[] = []
    let at = 0
    for (const known of this.#list) {
      for (let next = current[at]; next !== undefined && next.endOffset <= known.startOffset; next = current[++at]) {
        merged.push(next)
      }
      // A current range that ends in or behind the known one stays at hand: it may overlap the next one, too.
      const next = current[at]
      if (next !== undefined && next.startOffset < known.endOffset) replaced.push(known)
      else merged.push(known)
    }
    for (; at < current.length; at++) merged.push(current[at] as ObjectRange)
    this.#list = merged
    this.#timestamps = undefined
    return replaced
  }

  #tree(): MaxTree {
    if (this.#timestamps === undefined) {
      this.#timestamps = new MaxTree()
      for (const range of this.#list) this.#timestamps.push(range.maxTimestamp)
    }
    return this.#timestamps
  }

  /** Index of the first range that holds an offset >= `offset`; the number of ranges when none does. Logarithmic. */
  #firstEndingAfter(offset: number): number {
    let low = 0
    let high = this.#list.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const range = this.#list[middle]
      if (range !== undefined && range.endOffset <= offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
