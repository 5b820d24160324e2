/**
 * Records of `__consumer_offsets` that hold consumer groups (KIP-848). A key is told by its version.
 */
import { data } from '../message.ts'
import { array, bytes, type Infer, int8, int32, int64Saturated, string, struct, uuid } from '../schema.ts'

const topicPartitions = struct({
  topicId: uuid,
  partitions: array(int32),
  assignmentEpochs: array(int32).nullable().tag(0, '0+').or(null)
})

/** Key of a group's epoch. */
export const ConsumerGroupMetadataKey = data(
  { name: 'ConsumerGroupMetadataKey', versions: [3, 3] },
  { groupId: string }
)
export type ConsumerGroupMetadataKey = Infer<typeof ConsumerGroupMetadataKey>

/** The epoch of a group. */
export const ConsumerGroupMetadataValue = data(
  { name: 'ConsumerGroupMetadataValue', versions: [0, 0], flexibleFrom: 0 },
  { epoch: int32, metadataHash: int64Saturated.tag(0, '0+').or(0) }
)
export type ConsumerGroupMetadataValue = Infer<typeof ConsumerGroupMetadataValue>

/** Key of a member. */
export const ConsumerGroupMemberMetadataKey = data(
  { name: 'ConsumerGroupMemberMetadataKey', versions: [5, 5] },
  { groupId: string, memberId: string }
)
export type ConsumerGroupMemberMetadataKey = Infer<typeof ConsumerGroupMemberMetadataKey>

/** What a member said of itself. */
export const ConsumerGroupMemberMetadataValue = data(
  { name: 'ConsumerGroupMemberMetadataValue', versions: [0, 0], flexibleFrom: 0 },
  {
    instanceId: string.nullable(),
    rackId: string.nullable(),
    clientId: string,
    clientHost: string,
    subscribedTopicNames: array(string),
    subscribedTopicRegex: string.nullable(),
    rebalanceTimeoutMs: int32.or(-1),
    serverAssignor: string.nullable(),
    classicMemberMetadata: struct({
      sessionTimeoutMs: int32,
      supportedProtocols: array(struct({ name: string, metadata: bytes }))
    })
      .nullable()
      .tag(0, '0+')
      .or(null)
  }
)
export type ConsumerGroupMemberMetadataValue = Infer<typeof ConsumerGroupMemberMetadataValue>

/** Key of the epoch of a group's target assignment. */
export const ConsumerGroupTargetAssignmentMetadataKey = data(
  { name: 'ConsumerGroupTargetAssignmentMetadataKey', versions: [6, 6] },
  { groupId: string }
)
export type ConsumerGroupTargetAssignmentMetadataKey = Infer<typeof ConsumerGroupTargetAssignmentMetadataKey>

/** The epoch of a group's target assignment. */
export const ConsumerGroupTargetAssignmentMetadataValue = data(
  { name: 'ConsumerGroupTargetAssignmentMetadataValue', versions: [0, 0], flexibleFrom: 0 },
  { assignmentEpoch: int32, assignmentTimestamp: int64Saturated.tag(0, '0+').or(0).ignorable() }
)
export type ConsumerGroupTargetAssignmentMetadataValue = Infer<typeof ConsumerGroupTargetAssignmentMetadataValue>

/** Key of a member's target assignment. */
export const ConsumerGroupTargetAssignmentMemberKey = data(
  { name: 'ConsumerGroupTargetAssignmentMemberKey', versions: [7, 7] },
  { groupId: string, memberId: string }
)
export type ConsumerGroupTargetAssignmentMemberKey = Infer<typeof ConsumerGroupTargetAssignmentMemberKey>

/** What a member is to own. */
export const ConsumerGroupTargetAssignmentMemberValue = data(
  { name: 'ConsumerGroupTargetAssignmentMemberValue', versions: [0, 0], flexibleFrom: 0 },
  { topicPartitions: array(struct({ topicId: uuid, partitions: array(int32) })) }
)
export type ConsumerGroupTargetAssignmentMemberValue = Infer<typeof ConsumerGroupTargetAssignmentMemberValue>

/** Key of a member's assignment. */
export const ConsumerGroupCurrentMemberAssignmentKey = data(
  { name: 'ConsumerGroupCurrentMemberAssignmentKey', versions: [8, 8] },
  { groupId: string, memberId: string }
)
export type ConsumerGroupCurrentMemberAssignmentKey = Infer<typeof ConsumerGroupCurrentMemberAssignmentKey>

/** What a member owns, and what it has yet to give up. */
export const ConsumerGroupCurrentMemberAssignmentValue = data(
  { name: 'ConsumerGroupCurrentMemberAssignmentValue', versions: [0, 0], flexibleFrom: 0 },
  {
    memberEpoch: int32,
    previousMemberEpoch: int32,
    state: int8,
    assignedPartitions: array(topicPartitions),
    partitionsPendingRevocation: array(topicPartitions)
  }
)
export type ConsumerGroupCurrentMemberAssignmentValue = Infer<typeof ConsumerGroupCurrentMemberAssignmentValue>

/** Key of a regular expression that members subscribe with. */
export const ConsumerGroupRegularExpressionKey = data(
  { name: 'ConsumerGroupRegularExpressionKey', versions: [16, 16] },
  { groupId: string, regularExpression: string }
)
export type ConsumerGroupRegularExpressionKey = Infer<typeof ConsumerGroupRegularExpressionKey>

/** The topics that a regular expression named when it was last resolved. */
export const ConsumerGroupRegularExpressionValue = data(
  { name: 'ConsumerGroupRegularExpressionValue', versions: [0, 0], flexibleFrom: 0 },
  { topics: array(string), version: int64Saturated, timestamp: int64Saturated }
)
export type ConsumerGroupRegularExpressionValue = Infer<typeof ConsumerGroupRegularExpressionValue>

/** Key of the topics of a group; read from logs of Kafka before 4.1. */
export const ConsumerGroupPartitionMetadataKey = data(
  { name: 'ConsumerGroupPartitionMetadataKey', versions: [4, 4] },
  { groupId: string }
)
export type ConsumerGroupPartitionMetadataKey = Infer<typeof ConsumerGroupPartitionMetadataKey>

/** The topics of a group; read from logs of Kafka before 4.1. */
export const ConsumerGroupPartitionMetadataValue = data(
  { name: 'ConsumerGroupPartitionMetadataValue', versions: [0, 0], flexibleFrom: 0 },
  {
    topics: array(
      struct({
        topicId: uuid,
        topicName: string,
        numPartitions: int32,
        partitionMetadata: array(struct({ partition: int32, racks: array(string) }))
      })
    )
  }
)
export type ConsumerGroupPartitionMetadataValue = Infer<typeof ConsumerGroupPartitionMetadataValue>
