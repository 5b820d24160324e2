/**
 * Records of `__transaction_state`: key and value follow two bytes of version, see `versioned.ts`.
 */
import { data } from '../message.ts'
import { array, type Infer, int8, int16, int32, int64Saturated, string, struct } from '../schema.ts'

/** Key: a transactional id. */
export const TransactionLogKey = data({ name: 'TransactionLogKey', versions: [0, 0] }, { transactionalId: string })
export type TransactionLogKey = Infer<typeof TransactionLogKey>

/** The state of a transactional id. Client transaction version, and producer ids before and after, from v1 (KIP-890). */
export const TransactionLogValue = data(
  { name: 'TransactionLogValue', versions: [0, 1], flexibleFrom: 1 },
  {
    producerId: int64Saturated,
    previousProducerId: int64Saturated.tag(0, '1+').or(-1),
    nextProducerId: int64Saturated.tag(1, '1+').or(-1),
    producerEpoch: int16,
    nextProducerEpoch: int16.tag(3, '1+').or(-1),
    transactionTimeoutMs: int32,
    transactionStatus: int8,
    transactionPartitions: array(struct({ topic: string, partitionIds: array(int32) })).nullable(),
    transactionLastUpdateTimestampMs: int64Saturated,
    transactionStartTimestampMs: int64Saturated,
    clientTransactionVersion: int16.tag(2, '1+').or(0)
  }
)
export type TransactionLogValue = Infer<typeof TransactionLogValue>
