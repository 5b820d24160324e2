/**
 * AddOffsetsToTxn v0 to v4 (KIP-98): the partition of `__consumer_offsets` that holds a group becomes part of a
 * transaction. Clients whose transactions bump their epoch leave that to TxnOffsetCommit.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { AddOffsetsToTxnRequest, AddOffsetsToTxnResponse } from '../../wire/messages/add-offsets-to-txn.ts'
import type { InferInput } from '../../wire/schema.ts'
import { codeOf } from '../fault-codes.ts'
import type { Handler } from '../handler.ts'
import { coordinatorPartition } from '../record-log.ts'
import { OFFSETS_TOPIC } from '../topic-names.ts'
import type { TransactionCoordinator } from '../transactions/transaction-coordinator.ts'

type Answer = InferInput<typeof AddOffsetsToTxnResponse>

/** The first version whose clients know PRODUCER_FENCED. */
const FENCED_VERSION = 2

/** `offsetsPartitions`: how many `__consumer_offsets` has; 0 when it cannot be told now. */
export function addOffsetsToTxnHandler(
  transactions: TransactionCoordinator,
  offsetsPartitions: () => Promise<number>
): Handler<AddOffsetsToTxnRequest, Answer> {
  return async ({ transactionalId, producerId, producerEpoch, groupId }, { apiVersion }) => {
    const count = await offsetsPartitions().catch((error: unknown) => {
      // Producers try again after this one.
      codeOf(error)
      return 0
    })
    if (count === 0) return { throttleTimeMs: 0, errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE }
    const partitions = [{ topic: OFFSETS_TOPIC, partition: coordinatorPartition(groupId, count) }]
    const producer = { id: producerId, epoch: producerEpoch }
    const error = await transactions.addPartitions(transactionalId, producer, partitions, 0)
    const unknown = error === ErrorCode.PRODUCER_FENCED && apiVersion < FENCED_VERSION
    return { throttleTimeMs: 0, errorCode: unknown ? ErrorCode.INVALID_PRODUCER_EPOCH : error }
  }
}
