/**
 * What a fetch wants of a share partition, and how records are cut to it: whole batches of the log until there are enough
 * records, or records to the number (KIP-1206).
 */
import type { OffsetRange } from './record-runs.ts'

/** Records that were given to a member, all of them as often delivered. */
export interface Acquired extends OffsetRange {
  readonly deliveries: number
}

export interface AcquireParts {
  readonly member: string
  /** `record-limit`: never more than `recordsMax`; `batch-optimized`: up to the end of the batch that reaches it. */
  readonly mode: 'batch-optimized' | 'record-limit'
  readonly recordsMax: number
  /** About how many records the client wants in each range. */
  readonly batchSize: number
  /** Where the log was read from. */
  readonly fetchOffset: number
  /** What was read: batches of the log, in order. */
  readonly batches: readonly OffsetRange[]
  /** Of them, what nobody may see: control batches, and those of aborted transactions. */
  readonly skipped: readonly OffsetRange[]
}

export class AcquireRequest {
  readonly member: string
  readonly recordsMax: number
  readonly fetchOffset: number
  readonly batches: readonly OffsetRange[]
  readonly skipped: readonly OffsetRange[]
  readonly #exact: boolean
  readonly #batchSize: number

  constructor(parts: AcquireParts) {
    this.member = parts.member
    this.recordsMax = parts.recordsMax
    this.fetchOffset = parts.fetchOffset
    this.batches = parts.batches
    this.skipped = parts.skipped
    this.#exact = parts.mode === 'record-limit'
    this.#batchSize = Math.max(1, parts.batchSize)
  }

  /** Last offset to take from `first` on, `last` at most, when `room` records are wanted. */
  extent(first: number, last: number, room: number): number {
    const wanted = first + room - 1
    if (wanted >= last) return last
    if (this.#exact) return wanted
    const batch = this.batches.find((candidate) => candidate.last >= wanted)
    return batch === undefined || batch.first > wanted ? wanted : Math.min(batch.last, last)
  }

  /** Parts of a range that have about the size that the client wants, cut between batches of the log. */
  *pieces({ first, last }: OffsetRange): Generator<OffsetRange> {
    let from = first
    if (!this.#exact) {
      for (const batch of this.batches) {
        if (batch.first > last) break
        if (batch.first - from < this.#batchSize) continue
        yield { first: from, last: batch.first - 1 }
        from = batch.first
      }
    }
    yield { first: from, last }
  }
}

/** What of `ranges` lies outside `holes`; both are in order. */
export function without(ranges: readonly Acquired[], holes: readonly OffsetRange[]): readonly Acquired[] {
  if (holes.length === 0) return ranges
  const left: Acquired[] = []
  for (const { first, last, deliveries } of ranges) {
    let from = first
    for (const hole of holes) {
      if (hole.last < from || hole.first > last) continue
      if (hole.first > from) left.push({ first: from, last: hole.first - 1, deliveries })
      from = hole.last + 1
    }
    if (from <= last) left.push({ first: from, last, deliveries })
  }
  return left
}
