/**
 * StreamsGroupDescribe v0 (KIP-1071): topology, members and tasks of Streams groups. What members may do with a group is
 * not told (no authorization yet), and offsets of tasks are always empty, as in Kafka 4.3.
 */
import type {
  StreamsGroupDescribeRequest,
  StreamsGroupDescribeResponse
} from '../../wire/messages/streams-group-describe.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { StreamsGroups } from '../groups/streams/streams-groups.ts'
import type { Handler } from '../handler.ts'

export function streamsGroupDescribeHandler(
  groups: StreamsGroups
): Handler<StreamsGroupDescribeRequest, InferInput<typeof StreamsGroupDescribeResponse>> {
  return async ({ groupIds }) => ({ throttleTimeMs: 0, groups: await groups.describe(groupIds) })
}
