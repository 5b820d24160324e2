/** What members do between joins (sync, heartbeat, leave), and the beginning and end of a group's time here. */

import { type Draft, noAssignment } from './group-draft.ts'
import { completeJoinIfReady, prepareRebalance, rebalance } from './group-rebalance.ts'
import {
  type ClassicGroup,
  type Effect,
  type GroupError,
  type HeartbeatEvent,
  type LeaveAnswer,
  type LeaveEvent,
  type LeavingMember,
  memberError,
  type SyncEvent
} from './group-state.ts'

export function sync(draft: Draft, event: SyncEvent): void {
  const error = syncError(draft, event)
  const member = draft.members.get(event.memberId)
  if (error !== 'NONE' || member === undefined) {
    draft.answer(event.request, draft.syncAnswer(error, noAssignment))
    return
  }
  draft.pendingSync.delete(member.memberId)
  if (draft.pendingSync.size === 0) draft.cancelDeadline('sync')
  if (draft.state === 'Stable') {
    draft.answer(event.request, draft.syncAnswer('NONE', member.assignment))
    return
  }
  // The client gave an earlier request up, or would not send this one.
  const free = draft.answerSync(member, 'REBALANCE_IN_PROGRESS')
  draft.update(free, { awaitingSync: event.request })
  if (draft.leader === member.memberId) assign(draft, event.assignments)
}

function syncError(draft: Draft, event: SyncEvent): GroupError {
  if (draft.state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE'
  const error = memberError(draft, event.memberId, event.instanceId)
  if (error !== 'NONE') return error
  if (event.generation !== draft.generation) return 'ILLEGAL_GENERATION'
  if (differs(event.protocolType, draft.protocolType)) return 'INCONSISTENT_GROUP_PROTOCOL'
  if (differs(event.protocol, draft.protocol)) return 'INCONSISTENT_GROUP_PROTOCOL'
  return draft.state === 'PreparingRebalance' ? 'REBALANCE_IN_PROGRESS' : 'NONE'
}

function differs(claimed: string | null, ours: string | null): boolean {
  return claimed !== null && ours !== null && claimed !== ours
}

/** The leader's word: everybody in the generation gets an assignment, an empty one if the leader named none. */
function assign(draft: Draft, assignments: ReadonlyMap<string, Buffer>): void {
  draft.moveTo('Stable')
  draft.persist()
  for (const member of draft.members.values()) {
    const assignment = assignments.get(member.memberId) ?? noAssignment
    draft.answerSync(draft.update(member, { assignment }), 'NONE')
  }
  draft.log(`group ${draft.groupId} is stable: generation ${draft.generation}, ${draft.members.size} members`)
}

export function heartbeat(group: ClassicGroup, event: HeartbeatEvent): readonly Effect[] {
  const error = heartbeatError(group, event)
  const answer: Effect = { type: 'answer', request: event.request, answer: { kind: 'heartbeat', error } }
  if (error !== 'NONE' && error !== 'REBALANCE_IN_PROGRESS') return [answer]
  return [...keepAlive(group, event.memberId), answer]
}

function heartbeatError(group: ClassicGroup, event: HeartbeatEvent): GroupError {
  if (group.state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE'
  const error = memberError(group, event.memberId, event.instanceId)
  if (error !== 'NONE') return error
  if (event.generation !== group.generation) return 'ILLEGAL_GENERATION'
  return group.state === 'PreparingRebalance' ? 'REBALANCE_IN_PROGRESS' : 'NONE'
}

/** Starts the member's session anew. */
export function keepAlive(group: ClassicGroup, memberId: string): readonly Effect[] {
  const member = group.members.get(memberId)
  if (member === undefined) return []
  return [{ type: 'setDeadline', deadline: { kind: 'session', memberId }, delayMs: member.sessionTimeoutMs }]
}

export function leave(draft: Draft, event: LeaveEvent): void {
  if (draft.state === 'Dead') {
    draft.answer(event.request, { kind: 'leave', error: 'COORDINATOR_NOT_AVAILABLE', members: [] })
    return
  }
  const members: LeaveAnswer['members'][number][] = []
  const reasons: string[] = []
  for (const leaving of event.members) {
    const { memberId, instanceId } = leaving
    const target = leavingMember(draft, leaving)
    members.push({ memberId, instanceId, error: target.error })
    if (target.error !== 'NONE') continue
    draft.remove(target.memberId)
    reasons.push(leaving.reason ? `${target.memberId} (${leaving.reason})` : target.memberId)
  }
  draft.answer(event.request, { kind: 'leave', error: 'NONE', members })
  if (reasons.length === 0) return
  if (draft.state === 'PreparingRebalance') completeJoinIfReady(draft)
  else if (draft.state !== 'Empty') rebalance(draft, `left: ${reasons.join(', ')}`)
}

function leavingMember(draft: Draft, leaving: LeavingMember): { memberId: string; error: GroupError } {
  const { memberId, instanceId } = leaving
  if (memberId === '') {
    const holder = instanceId === null ? undefined : draft.staticMembers.get(instanceId)
    return holder === undefined ? { memberId, error: 'UNKNOWN_MEMBER_ID' } : { memberId: holder, error: 'NONE' }
  }
  if (draft.pendingMembers.has(memberId)) return { memberId, error: 'NONE' }
  return { memberId, error: memberError(draft, memberId, instanceId) }
}

/** Nobody could heartbeat while the group was being loaded. */
export function loaded(draft: Draft): void {
  for (const member of draft.members.values()) draft.startSession(member.memberId, member.sessionTimeoutMs)
  if (draft.members.size > draft.settings.maxSize) prepareRebalance(draft, 'more members than the limit allows')
}

export function close(draft: Draft, error: GroupError): void {
  for (const member of draft.members.values()) {
    const answered = draft.answerJoin(member, draft.joinRefusal(member.memberId, error))
    draft.answerSync(answered, error)
  }
  for (const memberId of draft.members.keys()) draft.cancelSession(memberId)
  for (const memberId of draft.pendingMembers) draft.cancelSession(memberId)
  draft.cancelDeadline('join')
  draft.cancelDeadline('sync')
  draft.moveTo('Dead')
}
