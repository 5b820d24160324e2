/**
 * Transactions about which their coordinator is being asked, before the first offsets of them are stored. If one ends
 * meanwhile, the answer is about a transaction that is over: offsets stored on its word would stay undecided for ever.
 */

export interface TransactionWatch {
  /** Whether the producer's transaction ended since the watch began. */
  readonly hasEnded: boolean
  close(): void
}

export class TransactionWatches {
  readonly #watches = new Map<number, Set<{ hasEnded: boolean }>>()

  begin(producerId: number): TransactionWatch {
    const watches = this.#watches.get(producerId) ?? new Set()
    this.#watches.set(producerId, watches)
    const watch = {
      hasEnded: false,
      close: () => {
        watches.delete(watch)
        if (watches.size === 0) this.#watches.delete(producerId)
      }
    }
    watches.add(watch)
    return watch
  }

  ended(producerId: number): void {
    for (const watch of this.#watches.get(producerId) ?? []) watch.hasEnded = true
  }
}
