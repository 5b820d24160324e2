/**
 * How a member gets from what it owns to what it is to own (KIP-848): it gives up first, at its old epoch, then takes
 * what is free, at the new one. Nobody is ever given a partition that somebody else may still work on. Pure.
 */
import { type Assignment, type EpochAssignment, has } from './assignment.ts'
import { type ConsumerMember, isReconciled, type Progress } from './consumer-group.ts'

export interface ReconciliationInput {
  readonly member: ConsumerMember
  readonly target: Assignment
  readonly targetEpoch: number
  /** Ids of the topics that the member subscribes to. */
  readonly subscribedTopicIds: ReadonlySet<string>
  readonly subscriptionChanged: boolean
  /** What the member says it owns; null when it does not say. */
  readonly owned: Assignment | null
  /** Whether any member owns a partition. */
  readonly isOwned: (topicId: string, partition: number) => boolean
}

/** 'fenced': the member has to give up everything and join anew. */
export function reconcile(input: ReconciliationInput): Progress | 'fenced' {
  const { member, targetEpoch, subscriptionChanged, owned } = input
  switch (member.state) {
    case 'stable':
      if (!isReconciled(member, targetEpoch)) return advance(input, member.epoch)
      return subscriptionChanged ? withoutUnsubscribed(input) : member
    case 'unrevoked':
      if (!stillOwns(owned, member.pendingRevocation)) return advance(input, member.epoch)
      return subscriptionChanged ? withoutUnsubscribed(input) : member
    case 'unreleased':
      return advance(input, member.epoch)
    case 'unknown':
      // Written by a newer version than ours: what it means is not known, so it begins anew with nothing.
      return owned === null || owned.size > 0 ? 'fenced' : advance(input, targetEpoch)
  }
}

/** Whether the member may still work on one of these: it says so, or does not say what it owns. */
function stillOwns(owned: Assignment | null, partitions: EpochAssignment): boolean {
  if (owned === null) return true
  for (const [topicId, reported] of owned) for (const p of reported) if (has(partitions, topicId, p)) return true
  return false
}

type MutableEpochs = Map<string, Map<number, number>>

function put(assignment: MutableEpochs, topicId: string, partition: number, epoch: number): void {
  const partitions = assignment.get(topicId) ?? new Map<number, number>()
  assignment.set(topicId, partitions.set(partition, epoch))
}

/** The next step towards the target: revoke what is not part of it, else take what is free. */
function advance(input: ReconciliationInput, epoch: number): Progress {
  const { member, targetEpoch, subscribedTopicIds, owned, isOwned } = input
  const target: Assignment = new Map([...input.target].filter(([topicId]) => subscribedTopicIds.has(topicId)))
  const assigned: MutableEpochs = new Map()
  const revoking: MutableEpochs = new Map()
  for (const [topicId, partitions] of member.assigned) {
    for (const [partition, since] of partitions) {
      put(has(target, topicId, partition) ? assigned : revoking, topicId, partition, since)
    }
  }
  if (revoking.size > 0 && stillOwns(owned, revoking)) {
    return { epoch, previousEpoch: member.epoch, state: 'unrevoked', assigned, pendingRevocation: revoking }
  }
  let waits = false
  for (const [topicId, partitions] of target) {
    for (const partition of partitions) {
      if (has(assigned, topicId, partition)) continue
      // Its own, that it was about to give up, is not somebody else's.
      if (isOwned(topicId, partition) && !has(member.pendingRevocation, topicId, partition)) waits = true
      else put(assigned, topicId, partition, targetEpoch)
    }
  }
  const state = waits ? 'unreleased' : 'stable'
  return { epoch: targetEpoch, previousEpoch: member.epoch, state, assigned, pendingRevocation: new Map() }
}

/** Revokes at once what the member does not subscribe to any more, without waiting for another target. */
function withoutUnsubscribed(input: ReconciliationInput): Progress {
  const { member, subscribedTopicIds, owned } = input
  const assigned: MutableEpochs = new Map()
  const revoking: MutableEpochs = new Map([...member.pendingRevocation].map(([id, epochs]) => [id, new Map(epochs)]))
  let removed = false
  for (const [topicId, partitions] of member.assigned) {
    const stays = subscribedTopicIds.has(topicId)
    if (!stays) removed = true
    for (const [partition, since] of partitions) put(stays ? assigned : revoking, topicId, partition, since)
  }
  if (!removed) return member
  const { epoch, state, pendingRevocation } = member
  if (stillOwns(owned, revoking)) {
    return { epoch, previousEpoch: epoch, state: 'unrevoked', assigned, pendingRevocation: revoking }
  }
  return { epoch, previousEpoch: epoch, state, assigned, pendingRevocation }
}
