/** JoinGroup: who is let in, under which member id, and whether that makes the group rebalance. */
import { assert } from '../../runtime/fault.ts'
import { type Draft, noAssignment } from './group-draft.ts'
import { completeJoinIfReady, prepareRebalance, rebalance } from './group-rebalance.ts'
import { type GroupProtocol, type JoinEvent, type Member, memberError } from './group-state.ts'

export function join(draft: Draft, event: JoinEvent): void {
  const { minSessionTimeoutMs, maxSessionTimeoutMs } = draft.settings
  const names = event.protocols.map((protocol) => protocol.name)
  if (draft.state === 'Dead') {
    draft.answer(event.request, draft.joinRefusal(event.memberId, 'COORDINATOR_NOT_AVAILABLE'))
  } else if (event.sessionTimeoutMs < minSessionTimeoutMs || event.sessionTimeoutMs > maxSessionTimeoutMs) {
    draft.answer(event.request, draft.joinRefusal(event.memberId, 'INVALID_SESSION_TIMEOUT'))
  } else if (!hasRoom(draft, event.memberId)) {
    draft.remove(event.memberId)
    draft.answer(event.request, draft.joinRefusal('', 'GROUP_MAX_SIZE_REACHED'))
    completeJoinIfReady(draft)
  } else if (!draft.supports(event.protocolType, names)) {
    draft.answer(event.request, draft.joinRefusal(event.memberId, 'INCONSISTENT_GROUP_PROTOCOL'))
  } else if (event.memberId === '') {
    joinUnknown(draft, event)
  } else {
    joinKnown(draft, event)
  }
}

/**
 * In a rebalance, those who wait already count and not the members: that also turns away the last to rejoin of a
 * group that is too large because the limit was lowered.
 */
function hasRoom(draft: Draft, memberId: string): boolean {
  const { maxSize } = draft.settings
  if (draft.state === 'Empty') return true
  if (draft.state !== 'PreparingRebalance') return draft.members.has(memberId) || draft.members.size < maxSize
  if ((draft.members.get(memberId)?.awaitingJoin ?? null) !== null) return true
  let waiting = 0
  for (const member of draft.members.values()) if (member.awaitingJoin !== null) waiting++
  return waiting < maxSize
}

function joinUnknown(draft: Draft, event: JoinEvent): void {
  const holder = event.instanceId === null ? undefined : draft.staticMembers.get(event.instanceId)
  if (holder !== undefined) {
    replaceStatic(draft, event, holder)
  } else if (event.instanceId === null && event.requiresMemberId) {
    // A client whose answer is lost asks again: with an id of its own from the start it leaves no ghost behind (KIP-394).
    draft.pendingMembers.add(event.newMemberId)
    draft.startSession(event.newMemberId, event.sessionTimeoutMs)
    draft.answer(event.request, draft.joinRefusal(event.newMemberId, 'MEMBER_ID_REQUIRED'))
  } else {
    add(draft, event, event.newMemberId)
  }
}

function joinKnown(draft: Draft, event: JoinEvent): void {
  if (draft.pendingMembers.has(event.memberId) && event.instanceId === null) {
    add(draft, event, event.memberId)
    return
  }
  const error = memberError(draft, event.memberId, event.instanceId)
  const member = draft.members.get(event.memberId)
  if (error !== 'NONE' || member === undefined) {
    draft.answer(event.request, draft.joinRefusal(event.memberId, error))
    return
  }
  const unchanged = sameProtocols(member.protocols, event.protocols)
  // A member that repeats itself lost the answer. The leader repeats itself to ask for a rebalance: it saw
  // something outside the group change, the partitions of a topic for instance.
  const mayStay =
    draft.state === 'CompletingRebalance' || (draft.state === 'Stable' && draft.leader !== member.memberId)
  if (unchanged && mayStay) {
    draft.answer(event.request, draft.joinAnswer(member.memberId))
    return
  }
  waitForJoin(draft, member, event)
  const role = draft.leader === member.memberId ? 'leader' : 'member'
  rebalance(draft, `${role} ${member.memberId} rejoins${because(event)}`)
}

function add(draft: Draft, event: JoinEvent, memberId: string): void {
  const member: Member = {
    memberId,
    instanceId: event.instanceId,
    clientId: event.clientId,
    clientHost: event.clientHost,
    rebalanceTimeoutMs: event.rebalanceTimeoutMs,
    sessionTimeoutMs: event.sessionTimeoutMs,
    protocols: event.protocols,
    assignment: noAssignment,
    awaitingJoin: event.request,
    awaitingSync: null,
    isNew: true
  }
  draft.add(member, event.protocolType)
  if (draft.initialRebalance !== null) draft.initialRebalance = { ...draft.initialRebalance, memberAdded: true }
  // Its connection is silent while the join waits, so a client that is gone would stay: it may wait so long only.
  draft.startSession(memberId, draft.settings.newMemberJoinTimeoutMs)
  rebalance(draft, `member ${memberId} joins${because(event)}`)
}

/** A static member came back under a new member id: it takes its predecessor's place, who is fenced from now on. */
function replaceStatic(draft: Draft, event: JoinEvent, oldMemberId: string): void {
  const old = draft.members.get(oldMemberId)
  assert(old !== undefined, `static member ${oldMemberId} of group ${draft.groupId} exists`)
  const previousLeader = draft.leader ?? ''
  const memberId = event.newMemberId
  fence(draft, old)
  const member = {
    ...old,
    memberId,
    clientId: event.clientId,
    clientHost: event.clientHost,
    awaitingJoin: null,
    awaitingSync: null,
    isNew: false
  }
  draft.add(member, draft.protocolType ?? event.protocolType)
  if (draft.leader === oldMemberId) draft.leader = memberId
  if (draft.pendingSync.delete(oldMemberId)) draft.pendingSync.add(memberId)
  draft.startSession(memberId, event.sessionTimeoutMs)
  const joining = waitForJoin(draft, member, event)

  if (draft.state === 'Stable' && draft.chosenProtocol() === draft.protocol) {
    // The assignment still holds. A client that cannot be told to skip the assignment is told of the old leader
    // instead, so that it takes itself for a follower and fetches what it had.
    const answer = draft.joinAnswer(memberId)
    const skipAssignment = draft.leader === memberId
    draft.answerJoin(
      joining,
      event.maySkipAssignment ? { ...answer, skipAssignment } : { ...answer, leader: previousLeader, members: [] }
    )
    draft.persist()
  } else if (draft.state === 'PreparingRebalance') {
    completeJoinIfReady(draft)
  } else {
    // While the leader computes, it knows the old member id only; its assignment would miss the new one.
    prepareRebalance(draft, `static member ${event.instanceId} returns as ${memberId}${because(event)}`)
  }
}

function fence(draft: Draft, old: Member): void {
  const answered = draft.answerJoin(old, draft.joinRefusal(old.memberId, 'FENCED_INSTANCE_ID'))
  draft.answerSync(answered, 'FENCED_INSTANCE_ID')
  draft.members.delete(old.memberId)
  draft.cancelSession(old.memberId)
}

/** Takes over what the request says of the member and lets it wait for the join phase to end. */
function waitForJoin(draft: Draft, member: Member, event: JoinEvent): Member {
  // The client gave the earlier request up, or would not send this one.
  const free = draft.answerJoin(member, draft.joinRefusal(member.memberId, 'REBALANCE_IN_PROGRESS'))
  return draft.update(free, {
    protocols: event.protocols,
    rebalanceTimeoutMs: event.rebalanceTimeoutMs,
    sessionTimeoutMs: event.sessionTimeoutMs,
    awaitingJoin: event.request
  })
}

function sameProtocols(left: readonly GroupProtocol[], right: readonly GroupProtocol[]): boolean {
  if (left.length !== right.length) return false
  return left.every((one, index) => {
    const other = right[index]
    return other !== undefined && one.name === other.name && one.metadata.equals(other.metadata)
  })
}

function because(event: JoinEvent): string {
  return event.reason === null || event.reason === '' ? '' : ` (${event.reason})`
}
