import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, string, struct, uuid } from '../schema.ts'

const topicPartitions = struct({ topicId: uuid, partitions: array(int32) })

/** ConsumerGroupHeartbeat (key 68), request: a member of a consumer group joins, reports, or leaves (KIP-848). */
export const ConsumerGroupHeartbeatRequest = request(
  { name: 'ConsumerGroupHeartbeat', apiKey: 68, versions: [0, 1], flexibleFrom: 0 },
  {
    groupId: string,
    memberId: string,
    memberEpoch: int32,
    instanceId: string.nullable().or(null),
    rackId: string.nullable().or(null),
    rebalanceTimeoutMs: int32.or(-1),
    subscribedTopicNames: array(string).nullable().or(null),
    subscribedTopicRegex: string.nullable('1+').in('1+').or(null),
    serverAssignor: string.nullable().or(null),
    topicPartitions: array(struct({ topicId: uuid, partitions: array(int32) }))
      .nullable()
      .or(null)
  }
)
export type ConsumerGroupHeartbeatRequest = Infer<typeof ConsumerGroupHeartbeatRequest>

/** ConsumerGroupHeartbeat (key 68), response: its epoch, and its assignment when that has changed. */
export const ConsumerGroupHeartbeatResponse = response(
  { name: 'ConsumerGroupHeartbeat', apiKey: 68, versions: [0, 1], flexibleFrom: 0 },
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
export type ConsumerGroupHeartbeatResponse = Infer<typeof ConsumerGroupHeartbeatResponse>
