/**
 * StreamsGroupDescribe v0 (KIP-1071): topology, members and tasks of Streams groups. Everybody may
 * do everything with a group (no authorization yet), and offsets of tasks are always empty, as in Kafka 4.3.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type {
  StreamsGroupDescribeRequest,
  StreamsGroupDescribeResponse
} from '../../wire/messages/streams-group-describe.ts'
import type { InferInput } from '../../wire/schema.ts'
import { authorizedOperations } from '../groups/group-administration.ts'
import type { StreamsGroups } from '../groups/streams/streams-groups.ts'
import type { Handler } from '../handler.ts'

export function streamsGroupDescribeHandler(
  streamsGroups: StreamsGroups
): Handler<StreamsGroupDescribeRequest, InferInput<typeof StreamsGroupDescribeResponse>> {
  return async ({ groupIds, includeAuthorizedOperations }) => {
    const described = await streamsGroups.describe(groupIds)
    if (!includeAuthorizedOperations) return { throttleTimeMs: 0, groups: described }
    const groups = described.map((group) =>
      group.errorCode === ErrorCode.NONE ? { ...group, authorizedOperations: authorizedOperations(true) } : group
    )
    return { throttleTimeMs: 0, groups }
  }
}
