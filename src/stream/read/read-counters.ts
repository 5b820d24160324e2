/** What the read path counts: integers that only grow, read at scrape. */
import type { TransferClass } from './transfer-budget.ts'

export class ReadCounters {
  /** Blocks that a read found in memory, or already on the way. */
  blockHits = 0
  blockMisses = 0
  /** Reads that found an index in memory or on its way; loads that were begun, also ahead. */
  indexHits = 0
  indexLoads = 0
  /** Blocks that were read ahead: bytes that somebody read later, and bytes that left memory before. */
  readAheadUsedBytes = 0
  readAheadWastedBytes = 0
  /** Objects that were gone when they were to be read, so that the metadata was asked again. */
  refreshes = 0
  readonly #gets: Record<TransferClass, number> = { demand: 0, 'read-ahead': 0, compaction: 0 }
  readonly #getBytes: Record<TransferClass, number> = { demand: 0, 'read-ahead': 0, compaction: 0 }

  /** One GET of `bytes`. A read-ahead that was promoted while it waited counts as what it began as. */
  moved(kind: TransferClass, bytes: number): void {
    this.#gets[kind]++
    this.#getBytes[kind] += bytes
  }

  get demandGets(): number {
    return this.#gets.demand
  }

  get demandBytes(): number {
    return this.#getBytes.demand
  }

  get readAheadGets(): number {
    return this.#gets['read-ahead']
  }

  get readAheadBytes(): number {
    return this.#getBytes['read-ahead']
  }
}
