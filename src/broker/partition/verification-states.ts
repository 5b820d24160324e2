/**
 * Producers about whom the transaction coordinator is being asked: whether the partition is part of their transaction
 * (KIP-890). Pure state in memory; it is lost with a restart, and asked for again.
 *
 * A guard is one asking. It lets a batch in only if nothing of a transaction was appended for that producer since: else an
 * answer that comes late would open a transaction that the coordinator knows to be over, and that nobody would end.
 */

/** One asking; told apart by identity. */
export interface VerificationGuard {
  /** Kafka's rule for producers that bump their epoch with every transaction (Produce v12). */
  readonly bumpsEpoch: boolean
}

export interface Verification {
  readonly guard: VerificationGuard
  /** Of all batches that asked in this epoch: none behind it may be appended before it, however often it was refused. */
  readonly lowestSequence: number
}

interface Asking extends Verification {
  readonly startedMs: number
  epoch: number
  lowestSequence: number
}

export class VerificationStates {
  readonly #verifications = new Map<number, Asking>()

  /** The asking under way for this producer, or a new one. */
  begin(
    batch: { readonly producerId: number; readonly producerEpoch: number; readonly baseSequence: number },
    bumpsEpoch: boolean,
    nowMs: number
  ): VerificationGuard {
    const { producerId, producerEpoch, baseSequence } = batch
    const known = this.#verifications.get(producerId)
    if (known === undefined) {
      const guard = { bumpsEpoch }
      this.#verifications.set(producerId, {
        guard,
        startedMs: nowMs,
        epoch: producerEpoch,
        lowestSequence: baseSequence
      })
      return guard
    }
    if (producerEpoch > known.epoch) {
      known.epoch = producerEpoch
      known.lowestSequence = baseSequence
    } else if (producerEpoch === known.epoch && baseSequence < known.lowestSequence) {
      known.lowestSequence = baseSequence
    }
    return known.guard
  }

  holds(producerId: number, guard: VerificationGuard | undefined): boolean {
    return guard !== undefined && this.#verifications.get(producerId)?.guard === guard
  }

  /** What is being asked about the producer, also where an answer has come and was a refusal for now. */
  find(producerId: number): Verification | undefined {
    return this.#verifications.get(producerId)
  }

  /** A batch of the producer's transaction was appended: whoever asked before asked about something else. */
  appended(producerId: number): void {
    if (this.#verifications.size > 0) this.#verifications.delete(producerId)
  }

  /** A transaction was ended with this epoch. A producer that bumps its epoch may be asking for its next one already. */
  ended(producerId: number, producerEpoch: number): void {
    const known = this.#verifications.get(producerId)
    if (known !== undefined && !(known.guard.bumpsEpoch && known.epoch === producerEpoch)) {
      this.#verifications.delete(producerId)
    }
  }

  expire(beforeMs: number): void {
    for (const [id, { startedMs }] of this.#verifications) if (startedMs < beforeMs) this.#verifications.delete(id)
  }
}
