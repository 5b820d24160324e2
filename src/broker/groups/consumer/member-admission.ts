/** Who speaks: the member that a request comes from, checked; and static members that return under a new id (KIP-345). */
import { type Assignment, has, noPartitions } from './assignment.ts'
import type { ConsumerDraft } from './consumer-draft.ts'
import { type Refusal, refusal } from './consumer-environment.ts'
import { type ConsumerMember, memberOfInstance, newMember, STATIC_LEAVE_EPOCH } from './consumer-group.ts'

export interface MemberClaim {
  readonly memberId: string
  readonly instanceId: string | null
  /** Null: of a member of the classic protocol, whose generation is checked elsewhere. */
  readonly epoch: number | null
  /** What it says it owns. */
  readonly owned: Assignment | null
  /** It may be new. */
  readonly joins: boolean
}

/** The member; a static one that returned under a new id has taken its place in the draft. */
export function admit(draft: ConsumerDraft, claim: MemberClaim): ConsumerMember | Refusal {
  return claim.instanceId === null ? admitDynamic(draft, claim) : admitStatic(draft, claim, claim.instanceId)
}

function admitDynamic(draft: ConsumerDraft, claim: MemberClaim): ConsumerMember | Refusal {
  const known = draft.group.members.get(claim.memberId)
  if (known === undefined) {
    return claim.joins ? newMember(claim.memberId) : unknownMember(draft, claim.memberId)
  }
  return epochProblem(known, claim) ?? known
}

function admitStatic(draft: ConsumerDraft, claim: MemberClaim, instanceId: string): ConsumerMember | Refusal {
  const holder = memberOfInstance(draft.before, instanceId)
  if (!claim.joins) {
    if (holder === undefined || holder.memberId !== claim.memberId) return staticProblem(holder, instanceId)
    return epochProblem(holder, claim) ?? holder
  }
  if (holder === undefined) return draft.group.members.get(claim.memberId) ?? newMember(claim.memberId)
  const bothModern = claim.epoch !== null && holder.classic === null
  if (bothModern && holder.epoch !== STATIC_LEAVE_EPOCH) {
    return refusal('UNRELEASED_INSTANCE_ID', `Instance ${instanceId} is still in use by member ${holder.memberId}.`)
  }
  const successor = { ...holder, memberId: claim.memberId, epoch: 0, previousEpoch: 0 }
  replace(draft, holder, successor)
  return successor
}

/** The new member gets all that the old one had, its target included. */
function replace(draft: ConsumerDraft, old: ConsumerMember, successor: ConsumerMember): void {
  const { memberId } = successor
  const target = draft.group.targets.get(old.memberId) ?? noPartitions
  draft.removeMember(old.memberId)
  draft.putSubscription(successor)
  draft.put({ kind: 'target', memberId, value: target })
  draft.putProgress(memberId, successor)
}

/** Why a member may not speak for an instance that is not its own. */
export function staticProblem(holder: ConsumerMember | undefined, instanceId: string): Refusal {
  return holder === undefined
    ? refusal('UNKNOWN_MEMBER_ID', `Instance ${instanceId} is not known.`)
    : refusal('FENCED_INSTANCE_ID', `Instance ${instanceId} was taken over by member ${holder.memberId}.`)
}

export function unknownMember(draft: ConsumerDraft, memberId: string): Refusal {
  return refusal('UNKNOWN_MEMBER_ID', `Member ${memberId} is not a member of group ${draft.before.groupId}.`)
}

/** Epoch 0 joins anew. The epoch before may come again: the answer that named the new one may be lost. */
function epochProblem(member: ConsumerMember, { epoch, owned }: MemberClaim): Refusal | undefined {
  if (epoch === null || epoch === 0 || epoch === member.epoch) return undefined
  if (epoch < member.epoch && epoch === member.previousEpoch && ownsNoMore(member, owned)) return undefined
  const relation = epoch > member.epoch ? 'greater' : 'smaller'
  return refusal(
    'FENCED_MEMBER_EPOCH',
    `The member's epoch ${epoch} is ${relation} than ${member.epoch}, which the coordinator knows: give up all partitions and join again.`
  )
}

function ownsNoMore(member: ConsumerMember, owned: Assignment | null): boolean {
  if (owned === null) return false
  for (const [topicId, partitions] of owned) {
    for (const partition of partitions) if (!has(member.assigned, topicId, partition)) return false
  }
  return true
}
