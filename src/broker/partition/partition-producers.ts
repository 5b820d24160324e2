/**
 * The producers of a partition and their transactions: judged before an append, followed after it.
 *
 * Invariant: producer states, open and aborted transactions, and verifications change together, in offset order.
 */
import type { BatchHeader } from '../../wire/records/batch-header.ts'
import { isTransactional } from '../../wire/records/batch-header.ts'
import type { TransactionEnd } from '../record-log.ts'
import { AbortedTransactions, type NotedStream } from './aborted-transactions.ts'
import { OpenTransactions } from './open-transactions.ts'
import type { ProducedBatch, ProducedEnd, ProducerSnapshot } from './producer-history.ts'
import { isOngoing, judgeBatch, judgeEnd, judgeEpoch, type Refusal, type Verdict } from './producer-rules.ts'
import { ProducerStates } from './producer-state.ts'
import { type VerificationGuard, VerificationStates } from './verification-states.ts'

export class PartitionProducers {
  readonly states = new ProducerStates()
  readonly aborted: AbortedTransactions
  readonly #open = new OpenTransactions()
  readonly #verifications = new VerificationStates()

  constructor(stream: NotedStream) {
    this.aborted = new AbortedTransactions(stream)
  }

  /** Why a batch of data is not appended, if it is not. */
  judge(header: BatchHeader, guard: VerificationGuard | undefined): Verdict | undefined {
    return judgeBatch(this.states.get(header.producerId), header, this.#verifications, guard)
  }

  judgeEnd(end: TransactionEnd): Refusal | undefined {
    return judgeEnd(this.states.get(end.producer.id), end)
  }

  /** Whether the coordinator has to confirm the batch's transaction before it can be appended. */
  needsVerification(header: BatchHeader): boolean {
    return isTransactional(header) && !isOngoing(this.states.get(header.producerId), header.producerEpoch)
  }

  /**
   * The coordinator is about to be asked. The guard goes to `append` when it has confirmed; until then, what else happens to
   * the transaction makes it void. `bumpsEpoch`: the client speaks the version of transactions that does.
   */
  beginVerification(header: BatchHeader, bumpsEpoch: boolean, nowMs: number): VerificationGuard | Refusal {
    const { producerId, producerEpoch } = header
    const stale = judgeEpoch(this.states.get(producerId), producerId, producerEpoch)
    return stale ?? this.#verifications.begin(header, bumpsEpoch, nowMs)
  }

  noteBatch(
    producerId: number,
    batch: ProducedBatch,
    transactional: boolean,
    nowMs: number,
    durableOffset: number
  ): void {
    const begins = this.states.noteBatch(producerId, batch, transactional, nowMs, durableOffset)
    if (begins) this.#open.begin(producerId, batch.baseOffset)
    if (transactional) this.#verifications.appended(producerId)
  }

  noteEnd(producerId: number, end: ProducedEnd, committed: boolean, nowMs: number, durableOffset: number): void {
    this.states.noteEnd(producerId, end, nowMs, durableOffset)
    this.#verifications.ended(producerId, end.producerEpoch)
    const firstOffset = this.#open.end(producerId, end.offset, durableOffset)
    if (firstOffset !== undefined && !committed) this.aborted.add({ producerId, firstOffset, lastOffset: end.offset })
  }

  /** First offset of the transactions that are open, or whose end is not durable. */
  firstUndecided(durableOffset: number): number | undefined {
    return this.#open.firstUndecided(durableOffset)
  }

  expire(beforeMs: number, durableOffset: number): void {
    this.states.expire(beforeMs, durableOffset)
    this.#verifications.expire(beforeMs)
  }

  /** Into a partition that knows nothing yet: the state as of `offset`. */
  restore(producers: readonly ProducerSnapshot[], offset: number): void {
    const begun: { readonly id: number; readonly transactionStart: number }[] = []
    for (const producer of producers) {
      const { id, transactionStart } = producer
      this.states.restore(producer)
      if (transactionStart !== undefined) begun.push({ id, transactionStart })
    }
    begun.sort((a, b) => a.transactionStart - b.transactionStart)
    for (const { id, transactionStart } of begun) this.#open.begin(id, transactionStart)
    this.aborted.restore(offset)
  }
}
