/**
 * The one budget for bytes that are read from object storage: whoever waits for a record goes first, read-ahead after
 * it, compaction last.
 */

/** In the order in which they are served. */
export type TransferClass = 'demand' | 'read-ahead' | 'compaction'

export interface TransferBudget {
  /**
   * Runs `work`, which moves about `bytes`, once its turn has come. Rejects only as `work` does, or Fault `closed`.
   * @param waiting called, before `run` returns, when the turn does not come at once: with a function that makes the
   *   transfer `demand`, for somebody who waits for it now. It does nothing once the turn has come.
   */
  run<T>(
    kind: TransferClass,
    bytes: number,
    work: () => Promise<T>,
    waiting?: (promote: () => void) => void
  ): Promise<T>
}
