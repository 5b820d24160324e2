import { request, response } from '../message.ts'
import { array, bool, type Infer, int8, int16, int32, int64Saturated, string, struct, uint16 } from '../schema.ts'

const keyValue = struct({ key: string, value: string })
const topicInfo = struct({ name: string, partitions: int32, replicationFactor: int16, topicConfigs: array(keyValue) })
const taskIds = struct({ subtopologyId: string, partitions: array(int32) })
const endpoint = struct({ host: string, port: uint16 })
const taskOffset = struct({ subtopologyId: string, partition: int32, offset: int64Saturated })
const status = struct({ statusCode: int8, statusDetail: string })
const topicPartition = struct({ topic: string, partitions: array(int32) })

/** StreamsGroupHeartbeat (key 88), request: a member of a Streams group joins, reports, or leaves (KIP-1071). */
export const StreamsGroupHeartbeatRequest = request(
  { name: 'StreamsGroupHeartbeat', apiKey: 88, versions: [0, 0], flexibleFrom: 0 },
  {
    groupId: string,
    memberId: string,
    memberEpoch: int32,
    endpointInformationEpoch: int32,
    instanceId: string.nullable().or(null),
    rackId: string.nullable().or(null),
    rebalanceTimeoutMs: int32.or(-1),
    topology: struct({
      epoch: int32,
      subtopologies: array(
        struct({
          subtopologyId: string,
          sourceTopics: array(string),
          sourceTopicRegex: array(string),
          stateChangelogTopics: array(topicInfo),
          repartitionSinkTopics: array(string),
          repartitionSourceTopics: array(topicInfo),
          copartitionGroups: array(
            struct({
              sourceTopics: array(int16),
              sourceTopicRegex: array(int16),
              repartitionSourceTopics: array(int16)
            })
          )
        })
      )
    })
      .nullable()
      .or(null),
    activeTasks: array(taskIds).nullable().or(null),
    standbyTasks: array(taskIds).nullable().or(null),
    warmupTasks: array(taskIds).nullable().or(null),
    processId: string.nullable().or(null),
    userEndpoint: endpoint.nullable().or(null),
    clientTags: array(keyValue).nullable().or(null),
    taskOffsets: array(taskOffset).nullable().or(null),
    taskEndOffsets: array(taskOffset).nullable().or(null),
    shutdownApplication: bool.or(false)
  }
)
export type StreamsGroupHeartbeatRequest = Infer<typeof StreamsGroupHeartbeatRequest>

/** StreamsGroupHeartbeat (key 88), response: its epoch and tasks, and what is wrong with the topology. */
export const StreamsGroupHeartbeatResponse = response(
  { name: 'StreamsGroupHeartbeat', apiKey: 88, versions: [0, 0], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable().or(null),
    memberId: string,
    memberEpoch: int32,
    heartbeatIntervalMs: int32,
    acceptableRecoveryLag: int32,
    taskOffsetIntervalMs: int32,
    status: array(status).nullable(),
    activeTasks: array(taskIds).nullable().or(null),
    standbyTasks: array(taskIds).nullable().or(null),
    warmupTasks: array(taskIds).nullable().or(null),
    endpointInformationEpoch: int32,
    partitionsByUserEndpoint: array(
      struct({
        userEndpoint: endpoint,
        activePartitions: array(topicPartition),
        standbyPartitions: array(topicPartition)
      })
    )
      .nullable()
      .or(null)
  }
)
export type StreamsGroupHeartbeatResponse = Infer<typeof StreamsGroupHeartbeatResponse>
