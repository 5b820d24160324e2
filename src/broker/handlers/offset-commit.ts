/** OffsetCommit v2–10: answers when the offsets are durable. v10 names topics by id. Classic groups only. */
import type { OffsetCommitRequest, OffsetCommitResponse } from '../../wire/messages/offset-commit.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Handler } from '../handler.ts'

export function offsetCommitHandler(coordinator: GroupCoordinator): Handler<OffsetCommitRequest, OffsetCommitResponse> {
  return (request, context) => coordinator.offsetCommit(request, context)
}
