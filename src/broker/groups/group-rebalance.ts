/**
 * The phases of a rebalance: preparing (members join), completing (they wait for the leader's assignment), stable;
 * and what ends a phase when somebody does not come.
 */

import { type Draft, noAssignment } from './group-draft.ts'
import type { InitialRebalance } from './group-state.ts'

/**
 * How soon to look again when no member at all rejoined in time and only static ones are left, whose sessions have
 * to run out first. A lower bound: a client may name a rebalance timeout of zero.
 */
const postponedJoinMinMs = 1_000

/** Starts a rebalance if the group is not in one already; otherwise sees whether the one under way can go on. */
export function rebalance(draft: Draft, reason: string): void {
  if (draft.state === 'PreparingRebalance') completeJoinIfReady(draft)
  else prepareRebalance(draft, reason)
}

export function prepareRebalance(draft: Draft, reason: string): void {
  if (draft.state === 'CompletingRebalance') {
    for (const member of draft.members.values()) {
      draft.answerSync(draft.update(member, { assignment: noAssignment }), 'REBALANCE_IN_PROGRESS')
    }
  }
  draft.pendingSync.clear()
  draft.cancelDeadline('sync')
  const initial = draft.state === 'Empty'
  draft.moveTo('PreparingRebalance')
  draft.log(`group ${draft.groupId} rebalances after generation ${draft.generation}: ${reason}`)
  if (initial) {
    const delayMs = draft.settings.initialRebalanceDelayMs
    const remainingMs = Math.max(draft.rebalanceTimeoutMs - delayMs, 0)
    draft.initialRebalance = { delayMs, remainingMs, memberAdded: false }
    draft.setDeadline('join', delayMs)
  } else if (draft.allJoined) {
    completeJoin(draft)
  } else {
    draft.setDeadline('join', draft.rebalanceTimeoutMs)
  }
}

/** The delay of an initial rebalance is over: wait again if somebody came meanwhile, up to the rebalance timeout. */
export function extendOrCompleteInitialRebalance(draft: Draft, initial: InitialRebalance): void {
  if (!initial.memberAdded || initial.remainingMs === 0) {
    completeJoin(draft)
    return
  }
  const delayMs = Math.min(draft.settings.initialRebalanceDelayMs, initial.remainingMs)
  const remainingMs = Math.max(initial.remainingMs - initial.delayMs, 0)
  draft.initialRebalance = { delayMs, remainingMs, memberAdded: false }
  draft.setDeadline('join', delayMs)
}

/** An initial rebalance ends by its deadline only. */
export function completeJoinIfReady(draft: Draft): void {
  if (draft.state === 'PreparingRebalance' && draft.initialRebalance === null && draft.allJoined) completeJoin(draft)
}

/** Ends the join phase: whoever did not come is out (static members keep their place), and a generation begins. */
export function completeJoin(draft: Draft): void {
  draft.cancelDeadline('join')
  for (const member of [...draft.members.values()]) {
    if (member.awaitingJoin === null && member.instanceId === null) draft.remove(member.memberId)
  }
  if (draft.members.size > 0 && !electJoinedLeader(draft)) {
    draft.log(`group ${draft.groupId} waits on: none of its members rejoined`)
    draft.setDeadline('join', Math.max(draft.rebalanceTimeoutMs, postponedJoinMinMs))
    return
  }
  draft.startGeneration()
  if (draft.members.size === 0) {
    draft.moveTo('Empty')
    draft.persist()
    return
  }
  draft.moveTo('CompletingRebalance')
  for (const member of draft.members.values()) {
    const answered = draft.answerJoin(member, draft.joinAnswer(member.memberId))
    draft.update(answered, { isNew: false })
    draft.startSession(member.memberId, member.sessionTimeoutMs)
    draft.pendingSync.add(member.memberId)
  }
  draft.setDeadline('sync', draft.rebalanceTimeoutMs)
}

/** Keeps the leader if it rejoined, or takes the first member that did. False when nobody did. */
function electJoinedLeader(draft: Draft): boolean {
  const joined = (memberId: string | null) =>
    memberId !== null && (draft.members.get(memberId)?.awaitingJoin ?? null) !== null
  if (joined(draft.leader)) return true
  for (const memberId of draft.members.keys()) {
    if (!joined(memberId)) continue
    draft.leader = memberId
    return true
  }
  return false
}

/** A session ran out. Waiting for a join or a sync counts as being alive, except for members that are new. */
export function expireMember(draft: Draft, memberId: string): void {
  const member = draft.members.get(memberId)
  const isPending = draft.pendingMembers.has(memberId)
  if (member === undefined && !isPending) return
  if (member !== undefined && !member.isNew && (member.awaitingJoin !== null || member.awaitingSync !== null)) return
  draft.remove(memberId)
  draft.log(`group ${draft.groupId} removes member ${memberId}: its session expired`)
  if (draft.state === 'PreparingRebalance') {
    if (draft.allJoined) completeJoin(draft)
  } else if (member !== undefined) {
    prepareRebalance(draft, `session of member ${memberId} expired`)
  }
}

/** The time for SyncGroup is over: members that did not send it are out. */
export function expireSync(draft: Draft): void {
  if (draft.state !== 'CompletingRebalance' && draft.state !== 'Stable') return
  const late = [...draft.pendingSync]
  if (late.length === 0) return
  for (const memberId of late) draft.remove(memberId)
  prepareRebalance(draft, `no SyncGroup in time from ${late.join(', ')}`)
}
