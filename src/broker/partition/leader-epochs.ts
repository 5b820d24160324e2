/** Where each leader epoch of a partition began (KIP-101): lets a client find the point at which its view diverged. */

export interface LeaderEpoch {
  readonly epoch: number
  readonly startOffset: number
}

export class LeaderEpochs {
  #epochs: LeaderEpoch[] = []

  /** Oldest first. */
  get all(): readonly LeaderEpoch[] {
    return this.#epochs
  }

  /** Notes that `epoch` began at `startOffset`. An epoch in which nothing was appended gives way to the next. */
  begin(epoch: number, startOffset: number): void {
    const last = this.#epochs.at(-1)
    if (last !== undefined && last.epoch >= epoch) return
    this.#epochs = this.#epochs.filter((e) => e.startOffset < startOffset)
    this.#epochs.push({ epoch, startOffset })
  }

  /** The epoch that held `offset`, -1 when it is not known. */
  epochAt(offset: number): number {
    return this.#epochs.findLast((e) => e.startOffset <= offset)?.epoch ?? -1
  }

  /**
   * The largest epoch not above `requested` and the offset after its last record, as OffsetForLeaderEpoch answers it;
   * -1 and -1 when the epoch is newer than the current one or means that the client knows none.
   */
  endOf(requested: number, endOffset: number): { epoch: number; endOffset: number } {
    const last = this.#epochs.at(-1)
    if (last === undefined || requested < 0 || requested > last.epoch) return { epoch: -1, endOffset: -1 }
    if (requested === last.epoch) return { epoch: requested, endOffset }
    const at = this.#epochs.findLastIndex((e) => e.epoch <= requested)
    const next = this.#epochs[at + 1]
    const found = this.#epochs[at]
    if (next === undefined) return { epoch: -1, endOffset: -1 }
    // Older than everything known: whatever the client has from then lies before the first known epoch.
    if (found === undefined) return { epoch: requested, endOffset: next.startOffset }
    return { epoch: found.epoch, endOffset: next.startOffset }
  }

  /** Forgets epochs of which nothing from `offset` on is left. */
  forgetBefore(offset: number): void {
    const first = this.#epochs.findLastIndex((e) => e.startOffset <= offset)
    if (first > 0) this.#epochs = this.#epochs.slice(first)
  }

  restore(epochs: readonly LeaderEpoch[]): void {
    this.#epochs = [...epochs]
  }

  /** The epochs as of `offset`. */
  asOf(offset: number): readonly LeaderEpoch[] {
    return this.#epochs.filter((e) => e.startOffset < offset)
  }
}
