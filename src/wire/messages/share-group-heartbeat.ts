import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, string, struct, uuid } from '../schema.ts'

const topicPartitions = struct({ topicId: uuid, partitions: array(int32) })

/** ShareGroupHeartbeat (key 76), request: a member of a share group joins, reports, or leaves (KIP-932). */
export const ShareGroupHeartbeatRequest = request(
  { name: 'ShareGroupHeartbeat', apiKey: 76, versions: [1, 1], flexibleFrom: 0 },
  {
    groupId: string,
    memberId: string,
    memberEpoch: int32,
    rackId: string.nullable().or(null),
    subscribedTopicNames: array(string).nullable().or(null)
  }
)
export type ShareGroupHeartbeatRequest = Infer<typeof ShareGroupHeartbeatRequest>

/** ShareGroupHeartbeat (key 76), response: its epoch, and its assignment when that has changed. */
export const ShareGroupHeartbeatResponse = response(
  { name: 'ShareGroupHeartbeat', apiKey: 76, versions: [1, 1], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable().or(null),
    memberId: string.nullable().or(null),
    memberEpoch: int32,
    heartbeatIntervalMs: int32,
    assignment: struct({ topicPartitions: array(topicPartitions) })
      .nullable()
      .or(null)
  }
)
export type ShareGroupHeartbeatResponse = Infer<typeof ShareGroupHeartbeatResponse>
