/** ConsumerGroupDescribe: a group as administrators see it. Topics that are gone are left out. */
import { ErrorCode } from '../../../wire/error-codes.ts'
import type { ConsumerGroupDescribeResponse } from '../../../wire/messages/consumer-group-describe.ts'
import { authorizedOperations } from '../group-administration.ts'
import type { TopicDirectory } from '../topic-directory.ts'
import { type Assignment, type EpochAssignment, noPartitions } from './assignment.ts'
import { type ConsumerGroup, type ConsumerMember, stateOf } from './consumer-group.ts'
import { preferredAssignor } from './member-progress.ts'

type Description = ConsumerGroupDescribeResponse['groups'][number]

/** Kafka's numbers of the protocols that members speak. */
const CLASSIC_MEMBER = 0
const CONSUMER_MEMBER = 1

export function describeConsumerGroup(
  group: ConsumerGroup,
  topics: TopicDirectory,
  withOperations: boolean
): Description {
  return {
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    groupId: group.groupId,
    groupState: stateOf(group),
    groupEpoch: group.epoch,
    assignmentEpoch: group.assignmentEpoch,
    assignorName: preferredAssignor(group),
    members: [...group.members.values()].map((member) => describeMember(group, member, topics)),
    authorizedOperations: authorizedOperations(withOperations)
  }
}

export function failedDescription(
  groupId: string,
  error: keyof typeof ErrorCode,
  errorMessage: string | null
): Description {
  return {
    errorCode: ErrorCode[error],
    errorMessage,
    groupId,
    groupState: '',
    groupEpoch: 0,
    assignmentEpoch: 0,
    assignorName: '',
    members: [],
    authorizedOperations: authorizedOperations(false)
  }
}

function describeMember(
  group: ConsumerGroup,
  member: ConsumerMember,
  topics: TopicDirectory
): Description['members'][number] {
  const { memberId, instanceId, rackId, clientId, clientHost } = member
  return {
    memberId,
    instanceId,
    rackId,
    memberEpoch: member.epoch,
    clientId,
    clientHost,
    subscribedTopicNames: [...member.topicNames],
    subscribedTopicRegex: member.topicRegex,
    // Until it has revoked them, the member answers for what it is to give up.
    assignment: named(topics, [member.assigned, member.pendingRevocation]),
    targetAssignment: named(topics, [group.targets.get(memberId) ?? noPartitions]),
    memberType: member.classic === null ? CONSUMER_MEMBER : CLASSIC_MEMBER
  }
}

function named(topics: TopicDirectory, assignments: readonly (Assignment | EpochAssignment)[]) {
  const partitions = new Map<string, number[]>()
  for (const assignment of assignments) {
    for (const [topicId, set] of assignment) {
      partitions.set(topicId, [...(partitions.get(topicId) ?? []), ...set.keys()])
    }
  }
  return {
    topicPartitions: [...partitions].flatMap(([topicId, list]) => {
      const topicName = topics.topicName(topicId)
      return topicName === undefined ? [] : [{ topicId, topicName, partitions: list.sort((a, b) => a - b) }]
    })
  }
}
