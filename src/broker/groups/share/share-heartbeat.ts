/**
 * What a ShareGroupHeartbeat does to its group (KIP-932): joins, reports or leaves. Pure.
 *
 * Partitions are given out once their share state exists. When some do not have one, the answer names them, and the target
 * waits: whoever asked makes the states and asks again, so that a member has its partitions with its first answer (in
 * Kafka, with its second).
 */

import { assert } from '../../../runtime/fault.ts'
import { ErrorCode } from '../../../wire/error-codes.ts'
import type {
  ShareGroupHeartbeatRequest,
  ShareGroupHeartbeatResponse
} from '../../../wire/messages/share-group-heartbeat.ts'
import type { GroupChange } from '../hosted-group.ts'
import { ShareDraft, type ShareEnvironment, sessionDeadline } from './share-draft.ts'
import {
  emptyShareGroup,
  fromPartitions,
  type ShareGroup,
  type ShareMember,
  samePartitions,
  subscribedTopics,
  type TopicPartitions
} from './share-group-state.ts'
import { beginStates, withoutState } from './state-topics.ts'

export interface HeartbeatClient {
  readonly clientId: string
  readonly clientHost: string
}

export interface HeartbeatAnswer {
  readonly response: ShareGroupHeartbeatResponse
  /** Partitions whose share state has to be made before they are given out, with the epoch of the group. */
  readonly missing?: { readonly stateEpoch: number; readonly partitions: TopicPartitions }
  /** The member has left. */
  readonly left?: { readonly empty: boolean }
}

export type HeartbeatError = keyof typeof ErrorCode

const JOINING = 0
const LEAVING = -1

/** Why the request cannot be meant, whatever the group. */
export function heartbeatProblem(request: ShareGroupHeartbeatRequest): string | undefined {
  const { groupId, memberId, rackId, memberEpoch, subscribedTopicNames } = request
  if (memberId.trim() === '') return "MemberId can't be empty."
  if (groupId.trim() === '') return "GroupId can't be empty."
  if (rackId !== null && rackId.trim() === '') return "RackId can't be empty."
  if (memberEpoch < LEAVING) return 'MemberEpoch is invalid.'
  if (memberEpoch === JOINING && (subscribedTopicNames ?? []).length === 0) {
    return 'SubscribedTopicNames must be set in first request.'
  }
  return undefined
}

/** `final`: the states that were missing have been made, or will not be for now. */
export function heartbeat(
  group: ShareGroup | undefined,
  request: ShareGroupHeartbeatRequest,
  client: HeartbeatClient,
  environment: ShareEnvironment,
  now: number,
  final: boolean
): GroupChange<ShareGroup, HeartbeatAnswer> {
  const refusal = refusalOf(group, request, environment)
  if (refusal !== undefined) return { state: group, records: [], deadlines: [], answer: refused(...refusal) }
  const draft = new ShareDraft(group ?? emptyShareGroup(request.groupId), environment)
  if (request.memberEpoch === LEAVING) return leave(draft, request)
  const before = draft.group.members.get(request.memberId)
  const subscriptionChanged = updateMember(draft, request, client, before)
  const pending = draft.group.assignmentEpoch >= draft.group.epoch && draft.assignmentPending
  if (subscriptionChanged || pending || draft.metadataHash !== draft.group.metadataHash) draft.bumpEpoch()
  const { topics, settings } = environment
  const partitions = withoutState(draft.group.stateTopics, subscribedTopics(draft.group), topics)
  const waits = !final && partitions.size > 0
  if (waits) draft.put({ kind: 'stateTopics', value: beginStates(draft.group.stateTopics, partitions, topics) })
  else draft.updateTarget(now)
  const joined = draft.group.members.get(request.memberId)
  assert(joined !== undefined, 'whoever is not refused is a member')
  const member = waits ? joined : draft.reconcile(joined)
  const { shareSessionTimeoutMs, shareHeartbeatIntervalMs } = settings(request.groupId)
  draft.deadlines.push({ name: sessionDeadline(member.memberId), afterMs: shareSessionTimeoutMs })
  const isFull = request.memberEpoch === JOINING || request.subscribedTopicNames !== null
  const told = isFull || before === undefined || !samePartitions(before.assigned, member.assigned)
  const response = {
    ...BLANK_RESPONSE,
    memberId: member.memberId,
    memberEpoch: member.epoch,
    heartbeatIntervalMs: shareHeartbeatIntervalMs,
    assignment: told ? { topicPartitions: fromPartitions(member.assigned) } : null
  }
  return draft.finish(waits ? { response, missing: { stateEpoch: draft.group.epoch, partitions } } : { response })
}

export function refused(error: HeartbeatError, errorMessage: string | null): HeartbeatAnswer {
  return { response: { ...BLANK_RESPONSE, errorCode: ErrorCode[error], errorMessage } }
}

const BLANK_RESPONSE: ShareGroupHeartbeatResponse = {
  throttleTimeMs: 0,
  errorCode: ErrorCode.NONE,
  errorMessage: null,
  memberId: null,
  memberEpoch: 0,
  heartbeatIntervalMs: 0,
  assignment: null
}

function refusalOf(
  group: ShareGroup | undefined,
  { groupId, memberId, memberEpoch }: ShareGroupHeartbeatRequest,
  { membersMax }: ShareEnvironment
): [HeartbeatError, string] | undefined {
  if (group === undefined) {
    return memberEpoch === JOINING ? undefined : ['GROUP_ID_NOT_FOUND', `Share group ${groupId} not found.`]
  }
  const member = group.members.get(memberId)
  if (member === undefined) {
    if (memberEpoch === LEAVING) return ['UNKNOWN_MEMBER_ID', `Member ${memberId} is not in group ${groupId}.`]
    if (group.members.size >= membersMax) {
      return ['GROUP_MAX_SIZE_REACHED', `The share group has its ${membersMax} members.`]
    }
    if (memberEpoch === JOINING) return undefined
    return ['UNKNOWN_MEMBER_ID', `Member ${memberId} is not in group ${groupId}.`]
  }
  if (memberEpoch === JOINING || memberEpoch === LEAVING || memberEpoch === member.epoch) return undefined
  if (memberEpoch < member.epoch && memberEpoch === member.previousEpoch) return undefined
  return [
    'FENCED_MEMBER_EPOCH',
    `The member came with epoch ${memberEpoch}, ${member.epoch} is known: it must give up its partitions and join anew.`
  ]
}

function leave(
  draft: ShareDraft,
  { memberId, memberEpoch }: ShareGroupHeartbeatRequest
): GroupChange<ShareGroup, HeartbeatAnswer> {
  draft.removeMember(memberId)
  const response = { ...BLANK_RESPONSE, memberId, memberEpoch }
  return draft.finish({ response, left: { empty: draft.group.members.size === 0 } })
}

/** True when the member subscribes to other topics than before. */
function updateMember(
  draft: ShareDraft,
  request: ShareGroupHeartbeatRequest,
  { clientId, clientHost }: HeartbeatClient,
  before: ShareMember | undefined
): boolean {
  const known = before?.metadata
  const names = request.subscribedTopicNames ?? known?.subscribedTopicNames ?? []
  const subscribedTopicNames = [...new Set(names)].sort()
  const rackId = request.rackId ?? known?.rackId ?? null
  const sameTopics = known?.subscribedTopicNames.join('\n') === subscribedTopicNames.join('\n')
  const sameClient = known?.rackId === rackId && known.clientId === clientId && known.clientHost === clientHost
  if (sameTopics && sameClient) return false
  const value = { rackId, clientId, clientHost, subscribedTopicNames }
  draft.put({ kind: 'member', memberId: request.memberId, value })
  return !sameTopics
}
