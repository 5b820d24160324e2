/** What a ConsumerGroupHeartbeat must look like before its group is asked. */
import type { ConsumerGroupHeartbeatRequest } from '../../../wire/messages/consumer-group-heartbeat.ts'
import { type Refusal, refusal } from './consumer-environment.ts'
import { LEAVE_EPOCH, STATIC_LEAVE_EPOCH } from './consumer-group.ts'
import { assignors } from './member-progress.ts'

/** From this version on clients choose their member id themselves (KIP-1082). */
const OWN_MEMBER_ID_VERSION = 1

export function heartbeatProblem(request: ConsumerGroupHeartbeatRequest, apiVersion: number): Refusal | undefined {
  const { memberId, memberEpoch, serverAssignor } = request
  const invalid = (message: string) => refusal('INVALID_REQUEST', message)
  const needsId = apiVersion >= OWN_MEMBER_ID_VERSION || memberEpoch > 0 || memberEpoch === LEAVE_EPOCH
  if (needsId && memberId.trim() === '') return invalid('MemberId must not be empty.')
  if (request.groupId.trim() === '') return invalid('GroupId must not be empty.')
  if (request.instanceId?.trim() === '') return invalid('InstanceId must be null or not empty.')
  if (request.rackId?.trim() === '') return invalid('RackId must be null or not empty.')
  if (memberEpoch === 0) {
    if (request.rebalanceTimeoutMs === -1) return invalid('RebalanceTimeoutMs must be given to join.')
    if (request.topicPartitions?.length !== 0) return invalid('TopicPartitions must be empty to join.')
    if (request.subscribedTopicNames === null && request.subscribedTopicRegex === null) {
      return invalid('SubscribedTopicNames or SubscribedTopicRegex must be given to join.')
    }
  }
  if (memberEpoch === STATIC_LEAVE_EPOCH && request.instanceId === null) {
    return invalid('InstanceId must be given by a static member that leaves for a while.')
  }
  if (memberEpoch < STATIC_LEAVE_EPOCH) return invalid('MemberEpoch must be -2 or more.')
  if (serverAssignor !== null && !assignors.has(serverAssignor)) {
    const supported = [...assignors.keys()].join(', ')
    return refusal('UNSUPPORTED_ASSIGNOR', `Assignor ${serverAssignor} is not supported; choose one of ${supported}.`)
  }
  return undefined
}
