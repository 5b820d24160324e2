/**
 * Whose turn it is to replace objects: one at a time per node, whether it merges objects or rewrites a stream by key. That
 * bounds memory, and spares both the work that the other one would make obsolete. Between nodes it does nothing: there the
 * commit refuses the second.
 */
export class CompactionTurn {
  #last: Promise<unknown> = Promise.resolve()

  /** Runs `work` once everything that asked before is done, in the order of asking. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => undefined)
    return result
  }
}
