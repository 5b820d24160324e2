/**
 * Records of `__consumer_offsets` that hold share groups (KIP-932). A key is told by its version.
 */
import { data } from '../message.ts'
import { array, type Infer, int8, int32, int64Saturated, string, struct, uuid } from '../schema.ts'

const topicPartitions = struct({ topicId: uuid, partitions: array(int32) })
const topicPartitionsInfo = struct({ topicId: uuid, topicName: string, partitions: array(int32) })
const topicInfo = struct({ topicId: uuid, topicName: string })

/** Key of a group's epoch. */
export const ShareGroupMetadataKey = data({ name: 'ShareGroupMetadataKey', versions: [11, 11] }, { groupId: string })
export type ShareGroupMetadataKey = Infer<typeof ShareGroupMetadataKey>

/** The epoch of a group. */
export const ShareGroupMetadataValue = data(
  { name: 'ShareGroupMetadataValue', versions: [0, 0], flexibleFrom: 0 },
  { epoch: int32, metadataHash: int64Saturated }
)
export type ShareGroupMetadataValue = Infer<typeof ShareGroupMetadataValue>

/** Key of a member. */
export const ShareGroupMemberMetadataKey = data(
  { name: 'ShareGroupMemberMetadataKey', versions: [10, 10] },
  { groupId: string, memberId: string }
)
export type ShareGroupMemberMetadataKey = Infer<typeof ShareGroupMemberMetadataKey>

/** What a member said of itself. */
export const ShareGroupMemberMetadataValue = data(
  { name: 'ShareGroupMemberMetadataValue', versions: [0, 0], flexibleFrom: 0 },
  { rackId: string.nullable(), clientId: string, clientHost: string, subscribedTopicNames: array(string) }
)
export type ShareGroupMemberMetadataValue = Infer<typeof ShareGroupMemberMetadataValue>

/** Key of the epoch of a group's target assignment. */
export const ShareGroupTargetAssignmentMetadataKey = data(
  { name: 'ShareGroupTargetAssignmentMetadataKey', versions: [12, 12] },
  { groupId: string }
)
export type ShareGroupTargetAssignmentMetadataKey = Infer<typeof ShareGroupTargetAssignmentMetadataKey>

/** The epoch of a group's target assignment. */
export const ShareGroupTargetAssignmentMetadataValue = data(
  { name: 'ShareGroupTargetAssignmentMetadataValue', versions: [0, 0], flexibleFrom: 0 },
  { assignmentEpoch: int32, assignmentTimestamp: int64Saturated.tag(0, '0+').or(0).ignorable() }
)
export type ShareGroupTargetAssignmentMetadataValue = Infer<typeof ShareGroupTargetAssignmentMetadataValue>

/** Key of a member's target assignment. */
export const ShareGroupTargetAssignmentMemberKey = data(
  { name: 'ShareGroupTargetAssignmentMemberKey', versions: [13, 13] },
  { groupId: string, memberId: string }
)
export type ShareGroupTargetAssignmentMemberKey = Infer<typeof ShareGroupTargetAssignmentMemberKey>

/** What a member is to share in. */
export const ShareGroupTargetAssignmentMemberValue = data(
  { name: 'ShareGroupTargetAssignmentMemberValue', versions: [0, 0], flexibleFrom: 0 },
  { topicPartitions: array(struct({ topicId: uuid, partitions: array(int32) })) }
)
export type ShareGroupTargetAssignmentMemberValue = Infer<typeof ShareGroupTargetAssignmentMemberValue>

/** Key of a member's assignment. */
export const ShareGroupCurrentMemberAssignmentKey = data(
  { name: 'ShareGroupCurrentMemberAssignmentKey', versions: [14, 14] },
  { groupId: string, memberId: string }
)
export type ShareGroupCurrentMemberAssignmentKey = Infer<typeof ShareGroupCurrentMemberAssignmentKey>

/** What a member shares in. */
export const ShareGroupCurrentMemberAssignmentValue = data(
  { name: 'ShareGroupCurrentMemberAssignmentValue', versions: [0, 0], flexibleFrom: 0 },
  { memberEpoch: int32, previousMemberEpoch: int32, state: int8, assignedPartitions: array(topicPartitions) }
)
export type ShareGroupCurrentMemberAssignmentValue = Infer<typeof ShareGroupCurrentMemberAssignmentValue>

/** Key of the partitions whose share state exists. */
export const ShareGroupStatePartitionMetadataKey = data(
  { name: 'ShareGroupStatePartitionMetadataKey', versions: [15, 15] },
  { groupId: string }
)
export type ShareGroupStatePartitionMetadataKey = Infer<typeof ShareGroupStatePartitionMetadataKey>

/** The partitions whose share state is being made, exists, or is being deleted. */
export const ShareGroupStatePartitionMetadataValue = data(
  { name: 'ShareGroupStatePartitionMetadataValue', versions: [0, 0], flexibleFrom: 0 },
  {
    initializingTopics: array(topicPartitionsInfo),
    initializedTopics: array(topicPartitionsInfo),
    deletingTopics: array(topicInfo)
  }
)
export type ShareGroupStatePartitionMetadataValue = Infer<typeof ShareGroupStatePartitionMetadataValue>
