/**
 * TxnOffsetCommit v0–5: offsets that count once the producer's transaction commits; answered when they are durable. The
 * transaction is asked of its coordinator first, from v5 on with the wish to become part of it (KIP-890). v3 names the
 * member that consumed (KIP-447).
 */
import type { TxnOffsetCommitRequest, TxnOffsetCommitResponse } from '../../wire/messages/txn-offset-commit.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Handler } from '../handler.ts'

export function txnOffsetCommitHandler(
  coordinator: GroupCoordinator
): Handler<TxnOffsetCommitRequest, TxnOffsetCommitResponse> {
  return (request, context) => coordinator.txnOffsetCommit(request, context)
}
