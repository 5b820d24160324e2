/**
 * Whether a partition takes what a producer with an id sends it: Kafka's rules (ProducerStateManager, ProducerAppendInfo;
 * KIP-98, KIP-360, KIP-890). Pure: judges by what is known, changes nothing.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import {
  type BatchHeader,
  incrementSequence,
  isTransactional,
  lastSequence,
  NO_SEQUENCE
} from '../../wire/records/batch-header.ts'
import type { TransactionEnd } from '../record-log.ts'
import type { ProducedBatch, ProducerHistory } from './producer-history.ts'
import type { Verification, VerificationGuard, VerificationStates } from './verification-states.ts'

export interface Refusal {
  readonly kind: 'refused'
  readonly errorCode: number
  readonly message: string
}

export type Verdict = { readonly kind: 'duplicate'; readonly original: ProducedBatch } | Refusal

const EPOCH_MAX = 0x7fff
/** Every end bumps the epoch from this version of transactions on (KIP-890). */
const BUMPING_VERSION = 2

/** Why a batch of data is not appended; undefined: it is. `producer`: what is known of the one who sent it. */
export function judgeBatch(
  producer: ProducerHistory | undefined,
  header: BatchHeader,
  verifications: VerificationStates,
  guard: VerificationGuard | undefined
): Verdict | undefined {
  const { producerId, producerEpoch, baseSequence } = header
  // A coordinator's own batches have no sequence, and it knows of the transaction itself.
  const fromClient = baseSequence !== NO_SEQUENCE
  if (fromClient) {
    const original = producer?.findDuplicate(producerEpoch, baseSequence, lastSequence(header))
    if (original !== undefined) return { kind: 'duplicate', original }
  }
  const stale = judgeEpoch(producer, producerId, producerEpoch)
  if (stale !== undefined) return stale
  const transactional = isTransactional(header)
  if (fromClient && transactional && !isOngoing(producer, producerEpoch) && !verifications.holds(producerId, guard)) {
    return refuse(
      ErrorCode.INVALID_TXN_STATE,
      `producer ${producerId} has no transaction here that its coordinator knows`
    )
  }
  const outOfOrder = fromClient ? judgeSequence(producer, header, verifications.find(producerId)) : undefined
  if (outOfOrder !== undefined) return outOfOrder
  if (producer?.transactionStart !== undefined && !transactional) {
    const message = `producer ${producerId} has a transaction open since offset ${producer.transactionStart} and wrote outside of it`
    return refuse(ErrorCode.INVALID_TXN_STATE, message)
  }
  return undefined
}

/** Whether the producer is in the middle of a transaction in this partition, in this epoch. */
export function isOngoing(producer: ProducerHistory | undefined, producerEpoch: number): boolean {
  return producer !== undefined && producer.transactionStart !== undefined && producer.epoch === producerEpoch
}

/** Why a batch comes from a producer that another has taken the place of. */
export function judgeEpoch(
  producer: ProducerHistory | undefined,
  producerId: number,
  producerEpoch: number
): Refusal | undefined {
  if (producer === undefined || producerEpoch >= producer.epoch) return undefined
  const message = `producer ${producerId} sent epoch ${producerEpoch}, but epoch ${producer.epoch} has begun`
  return refuse(ErrorCode.INVALID_PRODUCER_EPOCH, message)
}

/** Why a transaction is not ended; undefined: it is, also where none is open. */
export function judgeEnd(producer: ProducerHistory | undefined, end: TransactionEnd): Refusal | undefined {
  if (producer === undefined) return undefined
  const { id, epoch } = end.producer
  const bumping = (end.transactionVersion ?? 0) >= BUMPING_VERSION
  if (bumping ? epoch <= producer.epoch : epoch < producer.epoch) {
    // A marker that was written and whose answer was lost comes again. The largest epoch of all cannot be bumped further.
    const again =
      bumping && epoch === producer.epoch && (producer.transactionStart === undefined || epoch === EPOCH_MAX)
    if (!again) {
      const message = `the end of a transaction of producer ${id} has epoch ${epoch}, but epoch ${producer.epoch} has begun`
      return refuse(ErrorCode.INVALID_PRODUCER_EPOCH, message)
    }
  }
  if (end.coordinatorEpoch >= producer.coordinatorEpoch) return undefined
  const message = `the end of a transaction comes from coordinator epoch ${end.coordinatorEpoch}, epoch ${producer.coordinatorEpoch} was heard of`
  return refuse(ErrorCode.TRANSACTION_COORDINATOR_FENCED, message)
}

function judgeSequence(
  producer: ProducerHistory | undefined,
  header: BatchHeader,
  verification: Verification | undefined
): Refusal | undefined {
  const { producerEpoch, baseSequence } = header
  const last = producer?.lastBatch
  // Of a producer that bumps its epoch with each transaction, the first batch that we do not know is the first of all.
  if (verification?.guard.bumpsEpoch && baseSequence !== 0 && last === undefined) return outOfOrder(header, 0)
  if (verification !== undefined && baseSequence > verification.lowestSequence) {
    return outOfOrder(header, verification.lowestSequence)
  }
  // A producer we do not know, or no longer, may start at any sequence.
  if (producer === undefined) return undefined
  const sameEpoch = producerEpoch === producer.epoch && last !== undefined
  const expected = sameEpoch ? incrementSequence(last.lastSequence, 1) : 0
  return baseSequence === expected ? undefined : outOfOrder(header, expected)
}

function outOfOrder({ producerId, baseSequence }: BatchHeader, expected: number): Refusal {
  const message = `producer ${producerId} sent sequence ${baseSequence}, expected ${expected}`
  return refuse(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, message)
}

function refuse(errorCode: number, message: string): Refusal {
  return { kind: 'refused', errorCode, message }
}
