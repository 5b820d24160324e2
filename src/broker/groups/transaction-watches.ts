/**
 * Transactions about which their coordinator is being asked, before the first offsets of them are stored. If one ends
 * meanwhile, the answer is about a transaction that is over: offsets stored on its word would stay undecided for ever.
 *
 * A producer that bumps its epoch with every end may be on to its next transaction when the end of the last one comes, which
 * has the epoch of the next (as in `partition/verification-states.ts`).
 */
import type { LogProducer } from '../record-log.ts'

export interface TransactionWatch {
  /** Whether the producer's transaction ended since the watch began. */
  readonly hasEnded: boolean
  close(): void
}

export class TransactionWatches {
  readonly #watches = new Map<number, Set<{ hasEnded: boolean; readonly nextEpoch: number | undefined }>>()

  begin({ id, epoch }: LogProducer, bumpsEpoch: boolean): TransactionWatch {
    const watches = this.#watches.get(id) ?? new Set()
    this.#watches.set(id, watches)
    const watch = {
      hasEnded: false,
      nextEpoch: bumpsEpoch ? epoch : undefined,
      close: () => {
        watches.delete(watch)
        if (watches.size === 0) this.#watches.delete(id)
      }
    }
    watches.add(watch)
    return watch
  }

  ended({ id, epoch }: LogProducer): void {
    for (const watch of this.#watches.get(id) ?? []) if (watch.nextEpoch !== epoch) watch.hasEnded = true
  }
}
