/** Transactions as records of `__transaction_state`, laid out as Kafka 4.3 does: key v0, value v1. Reads value v0 too. */
import { TransactionLogKey, TransactionLogValue } from '../../wire/messages/transaction-records.ts'
import { decodeVersioned, encodeVersioned, versionOf } from '../../wire/versioned.ts'
import type { LogRecord } from '../record-log.ts'
import { partitionKey, type Transaction, type TransactionState } from './transaction.ts'
import type { TopicPartition } from './transaction-partitions.ts'

/** In the order of their codes. */
const STATES: readonly TransactionState[] = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort'
]
const VALUE_VERSION = 1
const KEY_VERSION = 0

export interface StoredTransaction {
  readonly transactionalId: string
  /** Undefined: it has expired. */
  readonly transaction: Transaction | undefined
}

export function encodeTransaction(transaction: Transaction): LogRecord {
  const byTopic = new Map<string, number[]>()
  for (const { topic, partition } of transaction.partitions.values()) {
    const known = byTopic.get(topic)
    if (known === undefined) byTopic.set(topic, [partition])
    else known.push(partition)
  }
  const { producerId, previousProducerId, nextProducerId, producerEpoch, timeoutMs, version } = transaction
  const value = encodeVersioned(TransactionLogValue, VALUE_VERSION, {
    producerId,
    previousProducerId,
    nextProducerId,
    producerEpoch,
    transactionTimeoutMs: timeoutMs,
    transactionStatus: STATES.indexOf(transaction.state),
    // Kafka writes none at all where nothing can be open.
    transactionPartitions:
      transaction.state === 'Empty' ? null : [...byTopic].map(([topic, partitionIds]) => ({ topic, partitionIds })),
    transactionLastUpdateTimestampMs: transaction.updatedAt,
    transactionStartTimestampMs: transaction.startedAt,
    clientTransactionVersion: version
  })
  return { key: keyOf(transaction.transactionalId), value }
}

export function encodeTransactionTombstone(transactionalId: string): LogRecord {
  return { key: keyOf(transactionalId), value: null }
}

/** Undefined for a kind of record that we do not know. Throws Fault `invalid` for bytes that are none. */
export function decodeTransaction({ key, value }: LogRecord): StoredTransaction | undefined {
  if (versionOf(key) !== KEY_VERSION) return undefined
  const { transactionalId } = decodeVersioned(TransactionLogKey, key)
  if (value === null) return { transactionalId, transaction: undefined }
  const stored = decodeVersioned(TransactionLogValue, value)
  const state = STATES[stored.transactionStatus]
  if (state === undefined) return { transactionalId, transaction: undefined }
  const partitions = new Map<string, TopicPartition>()
  for (const { topic, partitionIds } of stored.transactionPartitions ?? []) {
    for (const partition of partitionIds) partitions.set(partitionKey({ topic, partition }), { topic, partition })
  }
  const transaction: Transaction = {
    transactionalId,
    producerId: stored.producerId,
    previousProducerId: stored.previousProducerId,
    nextProducerId: stored.nextProducerId,
    producerEpoch: stored.producerEpoch,
    lastProducerEpoch: -1,
    timeoutMs: stored.transactionTimeoutMs,
    state,
    partitions,
    startedAt: stored.transactionStartTimestampMs,
    updatedAt: stored.transactionLastUpdateTimestampMs,
    version: stored.clientTransactionVersion >= 2 ? 2 : 0
  }
  return { transactionalId, transaction }
}

function keyOf(transactionalId: string): Buffer {
  return encodeVersioned(TransactionLogKey, KEY_VERSION, { transactionalId })
}
