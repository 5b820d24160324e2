/**
 * What was asked of transactions and what is known of their outcome, and whether a reader may see what it sees.
 *
 * Every record is `<what> <attempt>`: what it is about, and the transaction that wrote it. A violation is a sentence. It
 * never touches the network.
 */

/**
 * `open`: not ended yet. `committing`: a commit was sent and its answer never came. `committed`, `aborted`: as answered;
 * one that was left behind, or refused, is aborted too.
 */
export type Outcome = 'open' | 'committing' | 'committed' | 'aborted'

export interface Written {
  readonly topic: string
  readonly partition: number
  readonly what: string
}

interface Attempt {
  outcome: Outcome
  readonly written: Written[]
}

const VIOLATIONS_MAX = 50

export class TransactionLedger {
  readonly violations: string[] = []
  readonly #attempts: Attempt[] = []

  begin(): number {
    this.#attempts.push({ outcome: 'open', written: [] })
    return this.#attempts.length - 1
  }

  /** The value of a record that this attempt is about to write. */
  write(attempt: number, written: Written): string {
    this.#attempts[attempt]?.written.push(written)
    return `${written.what} ${attempt}`
  }

  note(attempt: number, outcome: Outcome): void {
    const known = this.#attempts[attempt]
    if (known !== undefined) known.outcome = outcome
  }

  outcomes(): Record<Outcome, number> {
    const counts = { open: 0, committing: 0, committed: 0, aborted: 0 }
    for (const { outcome } of this.#attempts) counts[outcome]++
    return counts
  }

  violate(sentence: string): void {
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(sentence)
  }

  /** A read_committed reader has met this record; at that moment the commit may be under way still. */
  seen(place: string, value: string): void {
    const outcome = this.#attempts[attemptOf(value)]?.outcome
    if (outcome === 'aborted') this.violate(`aborted read: ${value} at ${place}`)
    if (outcome === undefined) this.violate(`${value} at ${place} was never written`)
  }

  /**
   * Compares what read_committed readers find in the end, by topic and partition, with every transaction: nothing of it
   * or all of it, once.
   */
  compare(visible: ReadonlyMap<string, readonly string[]>): void {
    const places = new Map<string, string>()
    for (const [place, values] of visible) {
      for (const value of values) {
        const key = `${place} ${value}`
        if (places.has(key)) this.violate(`duplicate: ${value} is twice in ${place}`)
        places.set(key, value)
        this.#mayBeSeen(place, value)
      }
    }
    this.#attempts.forEach(({ outcome, written }, attempt) => {
      const found = written.filter((w) => places.has(`${w.topic}-${w.partition} ${w.what} ${attempt}`)).length
      if (outcome === 'committed' && found < written.length) {
        this.violate(`lost write: ${found} of ${written.length} records of committed transaction ${attempt} are there`)
      }
      if (outcome === 'committing' && found > 0 && found < written.length) {
        this.violate(`torn transaction: ${found} of ${written.length} records of transaction ${attempt} are there`)
      }
    })
  }

  #mayBeSeen(place: string, value: string): void {
    const outcome = this.#attempts[attemptOf(value)]?.outcome
    if (outcome === 'committed' || outcome === 'committing') return
    this.violate(`aborted read: ${value} is in ${place}, its transaction is ${outcome ?? 'unknown'}`)
  }
}

/** What a record is about, without the attempt that wrote it. */
export function whatOf(value: string): string {
  return value.slice(0, value.lastIndexOf(' '))
}

function attemptOf(value: string): number {
  return Number(value.slice(value.lastIndexOf(' ') + 1))
}
