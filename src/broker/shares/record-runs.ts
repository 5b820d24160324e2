/**
 * The records of a share partition that are in flight, as runs of offsets that share everything there is to know of them.
 *
 * Invariant: runs are in the order of their offsets and never overlap. Between two of them there may be a hole: offsets at
 * which the log holds no record. It decides nothing: see `share-partition-state.ts`.
 */

export type DeliveryState = 'available' | 'acquired' | 'acknowledged' | 'archived'

/** Offsets from `first` to `last`, both included. */
export interface OffsetRange {
  readonly first: number
  readonly last: number
}

export interface Run {
  first: number
  last: number
  state: DeliveryState
  deliveries: number
  /** Who holds the records; empty when nobody does. */
  member: string
  /** Until when they are held, on a clock that only moves forward; meaningless unless somebody holds them. */
  lockedUntil: number
  /** The change to `state` that is being stored; 0: none. Until it is, `member` and `lockedUntil` are those of before. */
  change: number
  /** How many records were delivered together when these were first. */
  together: number
}

export class RecordRuns {
  #runs: Run[] = []

  get first(): Run | undefined {
    return this.#runs[0]
  }

  get last(): Run | undefined {
    return this.#runs.at(-1)
  }

  get size(): number {
    return this.#runs.length
  }

  [Symbol.iterator](): Iterator<Readonly<Run>> {
    return this.#runs[Symbol.iterator]()
  }

  push(run: Run): void {
    this.#runs.push(run)
  }

  /** The run that holds `offset`, or else the first behind it. */
  from(offset: number): Readonly<Run> | undefined {
    return this.#runs[this.#placeOf(offset)]
  }

  /** The runs that hold `first` to `last` and nothing else, to be changed; call `join` afterwards. */
  cut({ first, last }: OffsetRange): Run[] {
    if (first > last) return []
    this.#splitBefore(first)
    this.#splitBefore(last + 1)
    return this.#runs.slice(this.#placeOf(first), this.#placeOf(last + 1))
  }

  dropBefore(offset: number): void {
    this.#splitBefore(offset)
    this.#runs.splice(0, this.#placeOf(offset))
  }

  /** Makes one of neighbours that have become alike. */
  join(): void {
    const joined: Run[] = []
    for (const run of this.#runs) {
      const before = joined.at(-1)
      if (before !== undefined && isAlike(before, run)) before.last = run.last
      else joined.push(run)
    }
    this.#runs = joined
  }

  #splitBefore(offset: number): void {
    const place = this.#placeOf(offset)
    const run = this.#runs[place]
    if (run === undefined || run.first >= offset) return
    this.#runs.splice(place, 1, { ...run, last: offset - 1 }, { ...run, first: offset })
  }

  /** Place of the first run that ends at `offset` or behind it. */
  #placeOf(offset: number): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#runs[middle] as Run).last < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

function isAlike(a: Run, b: Run): boolean {
  return (
    a.last + 1 === b.first &&
    a.state === b.state &&
    a.deliveries === b.deliveries &&
    a.member === b.member &&
    a.lockedUntil === b.lockedUntil &&
    a.change === b.change &&
    a.together === b.together
  )
}
