/**
 * The transactions of a partition that a read_committed reader must not look into yet: those that are open, and those
 * whose end is not durable yet. Pure state.
 *
 * Invariant: transactions begin, and end, in the order of their offsets; so the first that is open is the first in the map.
 */

export class OpenTransactions {
  /** First offset of each producer's transaction, oldest first. */
  readonly #open = new Map<number, number>()
  /** Oldest end first. */
  #ending: { readonly firstOffset: number; readonly markerOffset: number }[] = []

  begin(producerId: number, firstOffset: number): void {
    this.#open.set(producerId, firstOffset)
  }

  /**
   * The producer's transaction ended at `markerOffset`; gives its first offset, or undefined when it had none.
   * `durableOffset`: all before it is durable.
   */
  end(producerId: number, markerOffset: number, durableOffset: number): number | undefined {
    const firstOffset = this.#open.get(producerId)
    if (firstOffset === undefined) return undefined
    this.#open.delete(producerId)
    this.#settle(durableOffset)
    this.#ending.push({ firstOffset, markerOffset })
    return firstOffset
  }

  /** The first offset that is not decided for ever; undefined when all are. */
  firstUndecided(durableOffset: number): number | undefined {
    let first: number | undefined
    for (const firstOffset of this.#open.values()) {
      first = firstOffset
      break
    }
    this.#settle(durableOffset)
    for (const { firstOffset } of this.#ending) if (first === undefined || firstOffset < first) first = firstOffset
    return first
  }

  #settle(durableOffset: number): void {
    if (this.#ending.length === 0) return
    const first = this.#ending.findIndex(({ markerOffset }) => markerOffset >= durableOffset)
    this.#ending = first === -1 ? [] : this.#ending.slice(first)
  }
}
