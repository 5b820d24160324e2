/** JoinGroup, SyncGroup, Heartbeat and LeaveGroup between the wire and the state machine, version by version. */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { HeartbeatRequest } from '../../wire/messages/heartbeat.ts'
import type { JoinGroupRequest, JoinGroupResponse } from '../../wire/messages/join-group.ts'
import type { LeaveGroupRequest, LeaveGroupResponse } from '../../wire/messages/leave-group.ts'
import type { SyncGroupRequest, SyncGroupResponse } from '../../wire/messages/sync-group.ts'
import type { RouteError } from '../coordinator-shards.ts'
import type { RequestContext } from '../handler.ts'
import { noAssignment } from './group-draft.ts'
import type { GroupShard } from './group-shard.ts'
import type {
  GroupError,
  HeartbeatAnswer,
  HeartbeatEvent,
  JoinAnswer,
  JoinEvent,
  LeaveAnswer,
  LeaveEvent,
  SyncAnswer,
  SyncEvent
} from './group-state.ts'

/** What the coordinator must know of where a request came from. */
export type GroupContext = Pick<RequestContext, 'apiVersion' | 'clientId' | 'clientHost'>

export type Refusal = GroupError | RouteError | 'INVALID_GROUP_ID'

/** Answers for groups that are not classic ones; undefined: the group is, or there is none. */
export interface ClassicRequests {
  join(shard: GroupShard, groupId: string, event: Unasked<JoinEvent>): Promise<JoinAnswer> | undefined
  sync(shard: GroupShard, groupId: string, event: Unasked<SyncEvent>): Promise<SyncAnswer> | undefined
  heartbeat(shard: GroupShard, groupId: string, event: Unasked<HeartbeatEvent>): Promise<HeartbeatAnswer> | undefined
  leave(shard: GroupShard, groupId: string, event: Unasked<LeaveEvent>): Promise<LeaveAnswer> | undefined
}

/** An event before its shard has given it a number. */
type Unasked<Event> = Omit<Event, 'request'>

export function joinEvent(message: JoinGroupRequest, context: GroupContext, newMemberId: string): Unasked<JoinEvent> {
  return {
    type: 'join',
    memberId: message.memberId,
    newMemberId,
    instanceId: message.groupInstanceId,
    clientId: context.clientId ?? '',
    clientHost: context.clientHost,
    sessionTimeoutMs: message.sessionTimeoutMs,
    rebalanceTimeoutMs: context.apiVersion === 0 ? message.sessionTimeoutMs : message.rebalanceTimeoutMs,
    protocolType: message.protocolType,
    // Copied: the group keeps these for long, and the frame they came in would be kept with them.
    protocols: message.protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) })),
    reason: message.reason,
    requiresMemberId: context.apiVersion >= 4,
    maySkipAssignment: context.apiVersion >= 9
  }
}

export function joinResponse(
  answer: Partial<Omit<JoinAnswer, 'error'>> & { error: Refusal; memberId: string },
  context: GroupContext
): JoinGroupResponse {
  const { error, memberId, protocol = null, members = [] } = answer
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode[error],
    generationId: answer.generation ?? -1,
    protocolType: answer.protocolType ?? null,
    protocolName: context.apiVersion >= 7 ? protocol : (protocol ?? ''),
    leader: answer.leader ?? '',
    skipAssignment: answer.skipAssignment ?? false,
    memberId,
    members: members.map(({ memberId, instanceId, metadata }) => ({ memberId, groupInstanceId: instanceId, metadata }))
  }
}

export function syncEvent(message: SyncGroupRequest): Unasked<SyncEvent> {
  return {
    type: 'sync',
    memberId: message.memberId,
    instanceId: message.groupInstanceId,
    generation: message.generationId,
    protocolType: message.protocolType,
    protocol: message.protocolName,
    assignments: new Map(message.assignments.map((one) => [one.memberId, Buffer.from(one.assignment)]))
  }
}

export function syncResponse(answer: Partial<Omit<SyncAnswer, 'error'>> & { error: Refusal }): SyncGroupResponse {
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode[answer.error],
    protocolType: answer.protocolType ?? null,
    protocolName: answer.protocol ?? null,
    assignment: answer.assignment ?? noAssignment
  }
}

export function heartbeatEvent(message: HeartbeatRequest): Unasked<HeartbeatEvent> {
  const { memberId, groupInstanceId, generationId } = message
  return { type: 'heartbeat', memberId, instanceId: groupInstanceId, generation: generationId }
}

/** Up to v2 exactly one member leaves and is named at the top. */
export function leaveEvent(message: LeaveGroupRequest, context: GroupContext): Unasked<LeaveEvent> {
  const members =
    context.apiVersion < 3
      ? [{ memberId: message.memberId, instanceId: null, reason: null }]
      : message.members.map(({ memberId, groupInstanceId, reason }) => ({
          memberId,
          instanceId: groupInstanceId,
          reason
        }))
  return { type: 'leave', members }
}

export function leaveResponse(
  answer: Pick<LeaveAnswer, 'members'> & { error: Refusal },
  context: GroupContext
): LeaveGroupResponse {
  const { error, members } = answer
  const single = error === 'NONE' ? (members[0]?.error ?? 'NONE') : error
  if (context.apiVersion < 3) return { throttleTimeMs: 0, errorCode: ErrorCode[single], members: [] }
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode[error],
    members: members.map((one) => ({
      memberId: one.memberId,
      groupInstanceId: one.instanceId,
      errorCode: ErrorCode[one.error]
    }))
  }
}
