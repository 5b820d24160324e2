/**
 * EndTxn v0 to v5 (KIP-98, KIP-890): answered once the outcome is decided for good; partitions hear of it afterwards. From
 * v5 on the answer has the id and epoch of the producer's next transaction.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { EndTxnRequest, EndTxnResponse } from '../../wire/messages/end-txn.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { Handler } from '../handler.ts'
import type { TransactionCoordinator } from '../transactions/transaction-coordinator.ts'

type Answer = InferInput<typeof EndTxnResponse>

/** The first version whose clients know PRODUCER_FENCED. */
const FENCED_VERSION = 2
/** The first version of transactions that bump their epoch with every end. */
const BUMPING_VERSION = 5

export function endTxnHandler(transactions: TransactionCoordinator): Handler<EndTxnRequest, Answer> {
  return async ({ transactionalId, producerId, producerEpoch, committed }, { apiVersion }) => {
    const asking = { id: producerId, epoch: producerEpoch }
    const version = apiVersion >= BUMPING_VERSION ? 2 : 0
    const { error, producer } = await transactions.end(transactionalId, asking, committed, version)
    const unknown = error === ErrorCode.PRODUCER_FENCED && apiVersion < FENCED_VERSION
    const errorCode = unknown ? ErrorCode.INVALID_PRODUCER_EPOCH : error
    return { throttleTimeMs: 0, errorCode, producerId: producer.id, producerEpoch: producer.epoch }
  }
}
