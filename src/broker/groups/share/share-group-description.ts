/** A share group as ShareGroupDescribe v1 shows it. */
import { ErrorCode } from '../../../wire/error-codes.ts'
import type { ShareGroupDescribeResponse } from '../../../wire/messages/share-group-describe.ts'
import type { InferInput } from '../../../wire/schema.ts'
import type { TopicDirectory } from '../topic-directory.ts'
import { stateName } from './share-group-rules.ts'
import type { ShareGroup, TopicPartitions } from './share-group-state.ts'

export type DescribedGroup = InferInput<typeof ShareGroupDescribeResponse>['groups'][number]

export function describeShareGroup(group: ShareGroup, topics: Pick<TopicDirectory, 'topicName'>): DescribedGroup {
  return {
    ...undescribed(group.groupId, 'NONE', null),
    groupState: stateName(group),
    groupEpoch: group.epoch,
    assignmentEpoch: group.assignmentEpoch,
    assignorName: 'simple',
    members: [...group.members.values()].map(({ memberId, epoch, metadata, assigned }) => ({
      memberId,
      memberEpoch: epoch,
      rackId: metadata.rackId,
      clientId: metadata.clientId,
      clientHost: metadata.clientHost,
      subscribedTopicNames: metadata.subscribedTopicNames,
      assignment: { topicPartitions: named(assigned, topics) }
    }))
  }
}

export function undescribed(
  groupId: string,
  error: keyof typeof ErrorCode,
  errorMessage: string | null
): DescribedGroup {
  return {
    errorCode: ErrorCode[error],
    errorMessage,
    groupId,
    groupState: '',
    groupEpoch: 0,
    assignmentEpoch: 0,
    assignorName: '',
    members: []
  }
}

/** Topics that are gone are left out. */
function named(partitions: TopicPartitions, topics: Pick<TopicDirectory, 'topicName'>) {
  return [...partitions].flatMap(([topicId, indexes]) => {
    const topicName = topics.topicName(topicId)
    return topicName === undefined ? [] : [{ topicId, topicName, partitions: [...indexes] }]
  })
}
