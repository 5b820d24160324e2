/**
 * OffsetCommit v2–10: answers when the offsets are durable. v9 is the first that members of consumer and Streams groups
 * may use; v10 names topics by id.
 */
import type { OffsetCommitRequest, OffsetCommitResponse } from '../../wire/messages/offset-commit.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Handler } from '../handler.ts'

export function offsetCommitHandler(coordinator: GroupCoordinator): Handler<OffsetCommitRequest, OffsetCommitResponse> {
  return (request, context) => coordinator.offsetCommit(request, context)
}
