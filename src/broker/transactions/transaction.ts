/**
 * What the coordinator knows of one transactional id, and what its producer may do with it (KIP-98, KIP-360, KIP-588,
 * KIP-890). Pure: each function judges a request and gives the state that follows.
 *
 * Invariants: epochs only grow, and with an exhausted epoch comes a new producer id; once a transaction is `PrepareCommit`
 * or `PrepareAbort`, its outcome and its producer stay until every partition has its marker.
 *
 * The coordinator moves on at once and holds back answers until what they rest on is durable; so there is no state in
 * between that a request could meet.
 */
import { assert } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { LogProducer } from '../record-log.ts'
import type { TopicPartition } from './transaction-partitions.ts'

export type TransactionState =
  | 'Empty'
  | 'Ongoing'
  | 'PrepareCommit'
  | 'PrepareAbort'
  | 'CompleteCommit'
  | 'CompleteAbort'

export interface Transaction {
  readonly transactionalId: string
  readonly producerId: number
  /** The id before the last change; -1: none. */
  readonly previousProducerId: number
  /** The id that follows once the transaction has ended, when the epochs of this one are used up; -1: none. */
  readonly nextProducerId: number
  /** -1 until the first producer comes. */
  readonly producerEpoch: number
  /** The epoch before, by which a repeated request is recognised; -1: not known. */
  readonly lastProducerEpoch: number
  readonly timeoutMs: number
  readonly state: TransactionState
  /** By `partitionKey`. */
  readonly partitions: ReadonlyMap<string, TopicPartition>
  /** When the open transaction began, wall milliseconds; -1: none is open. */
  readonly startedAt: number
  /** Wall milliseconds of the last change. */
  readonly updatedAt: number
  /** 2: the producer's transactions bump their epoch with every end (KIP-890). */
  readonly version: TransactionVersion
}

export type TransactionVersion = 0 | 2

/** What a request leads to: an error code, and the state that follows if there is a new one. */
export interface Decision {
  readonly error: number
  readonly next?: Transaction
  /** It cannot be told without a new producer id: get one, and ask again. */
  readonly needsProducerId?: true
}

const NO_PRODUCER_ID = -1
const NO_EPOCH = -1
/** The last epoch is kept for the coordinator, so that it can always fence a producer. */
const EPOCH_MAX = 0x7fff
const NO_PARTITIONS: ReadonlyMap<string, TopicPartition> = new Map()

export function partitionKey({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}

export function newTransaction(
  transactionalId: string,
  producerId: number,
  timeoutMs: number,
  now: number
): Transaction {
  return {
    transactionalId,
    producerId,
    previousProducerId: NO_PRODUCER_ID,
    nextProducerId: NO_PRODUCER_ID,
    producerEpoch: NO_EPOCH,
    lastProducerEpoch: NO_EPOCH,
    timeoutMs,
    state: 'Empty',
    partitions: NO_PARTITIONS,
    startedAt: -1,
    updatedAt: now,
    version: 0
  }
}

export interface Initialisation {
  readonly timeoutMs: number
  /** The id and epoch that the producer has and wants to go on from; undefined: it begins, and fences all others. */
  readonly expected: LogProducer | undefined
  /** What an abort that fences somebody is done by. */
  readonly fenceVersion: TransactionVersion
  readonly now: number
  /** Undefined: none was got yet. */
  readonly freshProducerId: number | undefined
}

/** InitProducerId. With an open transaction, that is aborted first and the producer has to come again. */
export function initProducer(transaction: Transaction, request: Initialisation): Decision {
  const { expected, now, freshProducerId, fenceVersion } = request
  if (isEnding(transaction)) return refused(ErrorCode.CONCURRENT_TRANSACTIONS)
  if (expected !== undefined && !isOwn(transaction, expected)) return refused(ErrorCode.PRODUCER_FENCED)
  if (transaction.state !== 'Ongoing') return nextEpoch(transaction, request)
  const fenced = fence(transaction, { version: fenceVersion, now, freshProducerId })
  return fenced.next === undefined ? fenced : { ...fenced, error: ErrorCode.CONCURRENT_TRANSACTIONS }
}

/** A producer that names an id must have had it from here. */
function isOwn(transaction: Transaction, { id, epoch }: LogProducer): boolean {
  return (
    transaction.producerEpoch === NO_EPOCH ||
    id === transaction.producerId ||
    // It asks again for what followed its last epoch.
    (id === transaction.previousProducerId && isExhausted(epoch))
  )
}

function nextEpoch(transaction: Transaction, { expected, timeoutMs, now, freshProducerId }: Initialisation): Decision {
  const { producerEpoch, lastProducerEpoch } = transaction
  const begun = {
    state: 'Empty',
    timeoutMs,
    partitions: NO_PARTITIONS,
    startedAt: -1,
    updatedAt: now,
    version: 0
  } as const
  if (isExhausted(producerEpoch) && (expected === undefined || expected.epoch === producerEpoch)) {
    if (freshProducerId === undefined) return NEEDS_PRODUCER_ID
    const last = expected === undefined ? NO_EPOCH : producerEpoch
    return becomes(transaction, {
      ...begun,
      producerId: freshProducerId,
      producerEpoch: 0,
      lastProducerEpoch: last
    })
  }
  if (expected === undefined || producerEpoch === NO_EPOCH || expected.epoch === producerEpoch) {
    const last = expected === undefined ? NO_EPOCH : producerEpoch
    return becomes(transaction, { ...begun, producerEpoch: producerEpoch + 1, lastProducerEpoch: last })
  }
  // It has had this answer already, and did not hear it. However often it asks: it is known by the id that it had before.
  if (expected.epoch === lastProducerEpoch) {
    return becomes(transaction, { ...begun, previousProducerId: transaction.previousProducerId })
  }
  return refused(ErrorCode.PRODUCER_FENCED)
}

/** AddPartitionsToTxn and AddOffsetsToTxn: begins a transaction if none is open. */
export function addPartitions(
  transaction: Transaction | undefined,
  request: {
    readonly producer: LogProducer
    readonly partitions: readonly TopicPartition[]
    readonly version: TransactionVersion
    readonly now: number
  }
): Decision {
  // Before all else: the producer may have the id already that the transaction gets when it has ended.
  if (transaction !== undefined && isEnding(transaction)) return refused(ErrorCode.CONCURRENT_TRANSACTIONS)
  const problem = producerProblem(transaction, request.producer)
  if (transaction === undefined || problem !== ErrorCode.NONE) return refused(problem)
  const isOpen = transaction.state === 'Ongoing'
  const added = request.partitions.filter((one) => !transaction.partitions.has(partitionKey(one)))
  if (isOpen && added.length === 0) return { error: ErrorCode.NONE }
  const partitions = new Map(isOpen ? transaction.partitions : NO_PARTITIONS)
  for (const one of added) partitions.set(partitionKey(one), one)
  return becomes(transaction, {
    state: 'Ongoing',
    partitions,
    startedAt: isOpen ? transaction.startedAt : request.now,
    updatedAt: request.now,
    version: request.version
  })
}

/** Whether partitions are part of the producer's open transaction: one error code each, in their order. */
export function verifyPartitions(
  transaction: Transaction | undefined,
  producer: LogProducer,
  partitions: readonly TopicPartition[]
): number[] {
  const problem = producerProblem(transaction, producer)
  return partitions.map((one) => {
    if (problem !== ErrorCode.NONE) return problem
    return transaction?.partitions.has(partitionKey(one)) ? ErrorCode.NONE : ErrorCode.TRANSACTION_ABORTABLE
  })
}

function producerProblem(transaction: Transaction | undefined, producer: LogProducer): number {
  if (transaction?.producerId !== producer.id) return ErrorCode.INVALID_PRODUCER_ID_MAPPING
  if (transaction.producerEpoch !== producer.epoch) return ErrorCode.PRODUCER_FENCED
  return isEnding(transaction) ? ErrorCode.CONCURRENT_TRANSACTIONS : ErrorCode.NONE
}

export interface Ending {
  readonly producer: LogProducer
  readonly committed: boolean
  readonly version: TransactionVersion
  readonly now: number
  readonly freshProducerId: number | undefined
}

/** EndTxn of a client. */
export function endTransaction(transaction: Transaction | undefined, ending: Ending): Decision {
  if (transaction === undefined) return refused(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
  return ending.version === 2 ? endVersion2(transaction, ending) : endVersion1(transaction, ending)
}

/** The epoch stays, so a request that is repeated looks like one that is not: the state tells. */
function endVersion1(transaction: Transaction, { producer, committed, now }: Ending): Decision {
  if (transaction.producerId !== producer.id) return refused(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
  if (transaction.producerEpoch !== producer.epoch) return refused(ErrorCode.PRODUCER_FENCED)
  if (isEnding(transaction)) return refused(ErrorCode.CONCURRENT_TRANSACTIONS)
  if (transaction.state === 'Ongoing') {
    const state = committed ? 'PrepareCommit' : 'PrepareAbort'
    return becomes(transaction, { state, updatedAt: now, version: 0 })
  }
  if (transaction.state === 'Empty' || isCommit(transaction) !== committed) return refused(ErrorCode.INVALID_TXN_STATE)
  return { error: ErrorCode.NONE }
}

/** Every end has an epoch of its own, so the epoch tells which end a request is about. */
function endVersion2(transaction: Transaction, ending: Ending): Decision {
  const { producer, committed } = ending
  const { state, producerEpoch } = transaction
  // Before all else: the producer may have the id already that the transaction gets when it has ended.
  if (isEnding(transaction)) return refused(ErrorCode.CONCURRENT_TRANSACTIONS)
  const afterOverflow =
    transaction.previousProducerId === producer.id && producer.epoch === EPOCH_MAX - 1 && producerEpoch === 0
  // Only an end of version 2 bumped the epoch; another step to the next epoch was made by the producer's heir.
  const isRepeated = transaction.version === 2 && (afterOverflow || producerEpoch === producer.epoch + 1)
  if (transaction.producerId !== producer.id && !afterOverflow) return refused(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
  const isCurrent = producerEpoch === producer.epoch
  const mayBeRepeated = state === 'CompleteCommit' || state === 'CompleteAbort'
  if (!isCurrent && !(mayBeRepeated && isRepeated)) return refused(ErrorCode.PRODUCER_FENCED)
  if (state === 'Ongoing') return prepare(transaction, ending)
  if (isRepeated) {
    return isCommit(transaction) === committed ? { error: ErrorCode.NONE } : refused(ErrorCode.INVALID_TXN_STATE)
  }
  // Nothing is open. To abort that is legal, and leaves behind whatever the producer may have sent on its way.
  return committed ? refused(ErrorCode.INVALID_TXN_STATE) : prepare(transaction, ending)
}

function prepare(transaction: Transaction, { committed, now, freshProducerId }: Omit<Ending, 'producer'>): Decision {
  if (isExhausted(transaction.producerEpoch) && freshProducerId === undefined) return NEEDS_PRODUCER_ID
  const { producerEpoch, startedAt } = transaction
  return becomes(transaction, {
    state: committed ? 'PrepareCommit' : 'PrepareAbort',
    producerEpoch: Math.min(producerEpoch + 1, EPOCH_MAX),
    lastProducerEpoch: producerEpoch,
    nextProducerId: isExhausted(producerEpoch) ? (freshProducerId ?? NO_PRODUCER_ID) : NO_PRODUCER_ID,
    startedAt: transaction.state === 'Ongoing' ? startedAt : now,
    updatedAt: now,
    version: 2
  })
}

/** Aborts the open transaction with an epoch that its producer does not have: whatever that still sends is refused. */
export function fence(
  transaction: Transaction,
  options: {
    readonly version: TransactionVersion
    readonly now: number
    readonly freshProducerId: number | undefined
  }
): Decision {
  assert(transaction.state === 'Ongoing', `a transaction that is ${transaction.state} cannot be fenced`)
  if (options.version === 2) return prepare(transaction, { ...options, committed: false })
  return becomes(transaction, {
    state: 'PrepareAbort',
    producerEpoch: Math.min(transaction.producerEpoch + 1, EPOCH_MAX),
    lastProducerEpoch: NO_EPOCH,
    updatedAt: options.now,
    version: 0
  })
}

/** Every partition has its marker. */
export function complete(transaction: Transaction, now: number): Transaction {
  assert(isEnding(transaction), `a transaction that is ${transaction.state} has no end to complete`)
  const { nextProducerId, version } = transaction
  const rotated = version === 2 && nextProducerId !== NO_PRODUCER_ID
  return {
    ...transaction,
    ...(rotated ? { producerId: nextProducerId, producerEpoch: 0 } : {}),
    previousProducerId: transaction.producerId,
    nextProducerId: NO_PRODUCER_ID,
    state: isCommit(transaction) ? 'CompleteCommit' : 'CompleteAbort',
    partitions: NO_PARTITIONS,
    updatedAt: now
  }
}

/** Its outcome is decided, and has to reach the partitions. */
export function isEnding({ state }: Transaction): boolean {
  return state === 'PrepareCommit' || state === 'PrepareAbort'
}

export function isCommit({ state }: Transaction): boolean {
  return state === 'PrepareCommit' || state === 'CompleteCommit'
}

export function hasTimedOut({ state, startedAt, timeoutMs }: Transaction, now: number): boolean {
  return state === 'Ongoing' && startedAt + timeoutMs < now
}

/** Nothing is open, and nobody has come for so long. */
export function hasExpired(transaction: Transaction, expirationMs: number, now: number): boolean {
  const { state, updatedAt } = transaction
  return state !== 'Ongoing' && !isEnding(transaction) && updatedAt + expirationMs <= now
}

const NEEDS_PRODUCER_ID: Decision = { error: ErrorCode.NONE, needsProducerId: true }

function refused(error: number): Decision {
  return { error }
}

function becomes(transaction: Transaction, changes: Partial<Transaction>): Decision {
  const next = { ...transaction, previousProducerId: transaction.producerId, ...changes }
  return { error: ErrorCode.NONE, next }
}

function isExhausted(epoch: number): boolean {
  return epoch >= EPOCH_MAX - 1
}
