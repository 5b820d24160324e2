/**
 * Records of `__consumer_offsets` that hold Streams groups (KIP-1071). A key is told by its version.
 */
import { data } from '../message.ts'
import { array, type Infer, int8, int16, int32, int64Saturated, string, struct, uint16 } from '../schema.ts'

const lastAssignmentConfig = struct({ key: string, value: string })
const endpoint = struct({ host: string, port: uint16 })
const keyValue = struct({ key: string, value: string })
const taskIds = struct({ subtopologyId: string, partitions: array(int32) })
const currentMemberAssignmentTaskIds = struct({
  subtopologyId: string,
  partitions: array(int32),
  assignmentEpochs: array(int32).nullable().tag(0, '0+').or(null)
})
const topicConfig = struct({ key: string, value: string })
const topicInfo = struct({
  name: string,
  partitions: int32,
  replicationFactor: int16,
  topicConfigs: array(topicConfig)
})

/** Key of a group's epoch. */
export const StreamsGroupMetadataKey = data(
  { name: 'StreamsGroupMetadataKey', versions: [17, 17] },
  { groupId: string }
)
export type StreamsGroupMetadataKey = Infer<typeof StreamsGroupMetadataKey>

/** The epoch of a group. */
export const StreamsGroupMetadataValue = data(
  { name: 'StreamsGroupMetadataValue', versions: [0, 0], flexibleFrom: 0 },
  {
    epoch: int32,
    metadataHash: int64Saturated,
    validatedTopologyEpoch: int32.tag(0, '0+').or(-1),
    lastAssignmentConfigs: array(lastAssignmentConfig).nullable().tag(1, '0+').or(null)
  }
)
export type StreamsGroupMetadataValue = Infer<typeof StreamsGroupMetadataValue>

/** Key of a member. */
export const StreamsGroupMemberMetadataKey = data(
  { name: 'StreamsGroupMemberMetadataKey', versions: [19, 19] },
  { groupId: string, memberId: string }
)
export type StreamsGroupMemberMetadataKey = Infer<typeof StreamsGroupMemberMetadataKey>

/** What a member said of itself. */
export const StreamsGroupMemberMetadataValue = data(
  { name: 'StreamsGroupMemberMetadataValue', versions: [0, 0], flexibleFrom: 0 },
  {
    instanceId: string.nullable(),
    rackId: string.nullable(),
    clientId: string,
    clientHost: string,
    rebalanceTimeoutMs: int32.or(-1),
    topologyEpoch: int32,
    processId: string,
    userEndpoint: endpoint.nullable().or(null),
    clientTags: array(keyValue)
  }
)
export type StreamsGroupMemberMetadataValue = Infer<typeof StreamsGroupMemberMetadataValue>

/** Key of the epoch of a group's target assignment. */
export const StreamsGroupTargetAssignmentMetadataKey = data(
  { name: 'StreamsGroupTargetAssignmentMetadataKey', versions: [20, 20] },
  { groupId: string }
)
export type StreamsGroupTargetAssignmentMetadataKey = Infer<typeof StreamsGroupTargetAssignmentMetadataKey>

/** The epoch of a group's target assignment. */
export const StreamsGroupTargetAssignmentMetadataValue = data(
  { name: 'StreamsGroupTargetAssignmentMetadataValue', versions: [0, 0], flexibleFrom: 0 },
  { assignmentEpoch: int32, assignmentTimestamp: int64Saturated.tag(0, '0+').or(0).ignorable() }
)
export type StreamsGroupTargetAssignmentMetadataValue = Infer<typeof StreamsGroupTargetAssignmentMetadataValue>

/** Key of a member's target tasks. */
export const StreamsGroupTargetAssignmentMemberKey = data(
  { name: 'StreamsGroupTargetAssignmentMemberKey', versions: [21, 21] },
  { groupId: string, memberId: string }
)
export type StreamsGroupTargetAssignmentMemberKey = Infer<typeof StreamsGroupTargetAssignmentMemberKey>

/** Which tasks a member is to have. */
export const StreamsGroupTargetAssignmentMemberValue = data(
  { name: 'StreamsGroupTargetAssignmentMemberValue', versions: [0, 0], flexibleFrom: 0 },
  { activeTasks: array(taskIds), standbyTasks: array(taskIds), warmupTasks: array(taskIds) }
)
export type StreamsGroupTargetAssignmentMemberValue = Infer<typeof StreamsGroupTargetAssignmentMemberValue>

/** Key of a member's tasks. */
export const StreamsGroupCurrentMemberAssignmentKey = data(
  { name: 'StreamsGroupCurrentMemberAssignmentKey', versions: [22, 22] },
  { groupId: string, memberId: string }
)
export type StreamsGroupCurrentMemberAssignmentKey = Infer<typeof StreamsGroupCurrentMemberAssignmentKey>

/** Which tasks a member has, and which it has yet to give up. */
export const StreamsGroupCurrentMemberAssignmentValue = data(
  { name: 'StreamsGroupCurrentMemberAssignmentValue', versions: [0, 0], flexibleFrom: 0 },
  {
    memberEpoch: int32,
    previousMemberEpoch: int32,
    state: int8,
    activeTasks: array(currentMemberAssignmentTaskIds),
    standbyTasks: array(currentMemberAssignmentTaskIds),
    warmupTasks: array(currentMemberAssignmentTaskIds),
    activeTasksPendingRevocation: array(currentMemberAssignmentTaskIds),
    standbyTasksPendingRevocation: array(currentMemberAssignmentTaskIds),
    warmupTasksPendingRevocation: array(currentMemberAssignmentTaskIds)
  }
)
export type StreamsGroupCurrentMemberAssignmentValue = Infer<typeof StreamsGroupCurrentMemberAssignmentValue>

/** Key of a group's topology. */
export const StreamsGroupTopologyKey = data(
  { name: 'StreamsGroupTopologyKey', versions: [23, 23] },
  { groupId: string }
)
export type StreamsGroupTopologyKey = Infer<typeof StreamsGroupTopologyKey>

/** The topology of a group: its subtopologies and their topics. */
export const StreamsGroupTopologyValue = data(
  { name: 'StreamsGroupTopologyValue', versions: [0, 0], flexibleFrom: 0 },
  {
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
          struct({ sourceTopics: array(int16), sourceTopicRegex: array(int16), repartitionSourceTopics: array(int16) })
        )
      })
    )
  }
)
export type StreamsGroupTopologyValue = Infer<typeof StreamsGroupTopologyValue>
