/**
 * The aborted transactions of a partition, as a read_committed consumer must be told of them (KIP-98). In memory, by the
 * offset of their marker.
 *
 * Invariant: whoever reads a range below the last stable offset finds here every aborted transaction that has, or had, a
 * batch in it. What is not durable yet may be here already: nobody may read that far.
 */
import { assert } from '../../runtime/fault.ts'
import { MaxTree } from '../../runtime/max-tree.ts'

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
  /** Offset of its marker. */
  readonly lastOffset: number
}

export class AbortedTransactions {
  /** By last offset, as markers are appended. */
  #all: AbortedTransaction[] = []
  /** First offsets, negated: finds the next transaction that began before an offset without a look at the others. */
  #begins = new MaxTree()
  #revision = 0

  get size(): number {
    return this.#all.length
  }

  /** Moves when `forget` was called: what was read before that may have to be told of what it took. */
  get revision(): number {
    return this.#revision
  }

  add(aborted: AbortedTransaction): void {
    const last = this.#all.at(-1)
    assert(last === undefined || last.lastOffset < aborted.lastOffset, `two markers at ${aborted.lastOffset}`)
    this.#all.push(aborted)
    this.#begins.push(-aborted.firstOffset)
  }

  /** Those with an offset in [fromOffset, toOffset), by first offset. A promise once objects hold some of them. */
  overlapping(
    fromOffset: number,
    toOffset: number
  ): readonly AbortedTransaction[] | Promise<readonly AbortedTransaction[]> {
    if (this.#all.length === 0) return NONE
    const found: AbortedTransaction[] = []
    for (let at = this.#firstEndingFrom(fromOffset); ; at++) {
      at = this.#begins.firstAtLeast(1 - toOffset, at)
      const aborted = at === -1 ? undefined : this.#all[at]
      if (aborted === undefined) break
      found.push(aborted)
    }
    return found.length < 2 ? found : found.sort((a, b) => a.firstOffset - b.firstOffset)
  }

  /** Those whose marker lies before `offset`, by marker. */
  asOf(offset: number): readonly AbortedTransaction[] {
    return this.#all.slice(0, this.#firstEndingFrom(offset))
  }

  /** Nothing is left of these that anybody could read. */
  forget(transactions: readonly AbortedTransaction[]): void {
    if (transactions.length === 0) return
    const gone = new Set(transactions.map(({ lastOffset }) => lastOffset))
    this.#all = this.#all.filter(({ lastOffset }) => !gone.has(lastOffset))
    this.#begins = new MaxTree()
    for (const { firstOffset } of this.#all) this.#begins.push(-firstOffset)
    this.#revision++
  }

  /** The partition begins at `offset` now. */
  forgetBefore(offset: number): void {
    const first = this.#firstEndingFrom(offset)
    if (first === 0) return
    this.#all = this.#all.slice(first)
    this.#begins.dropFirst(first)
  }

  /** Place of the first whose marker is at or behind `offset`. */
  #firstEndingFrom(offset: number): number {
    let low = 0
    let high = this.#all.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#all[middle] as AbortedTransaction).lastOffset < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

const NONE: readonly AbortedTransaction[] = []
