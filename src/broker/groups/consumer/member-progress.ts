/**
 * What every request of a member leads to, in whichever protocol it speaks: its subscription is stored, the group's epoch
 * rises when that or the topics have changed, a new target is made for the new epoch, and the member moves towards it.
 */
import { hashTopics } from '../topic-hash.ts'
import { type Assignment, type AssignmentMember, type Assignor, noPartitions, sameAssignment } from './assignment.ts'
import { type ConsumerDraft, revocationDeadline, sameProgress } from './consumer-draft.ts'
import type { ConsumerEnvironment, Refusal } from './consumer-environment.ts'
import { refusal } from './consumer-environment.ts'
import {
  allSubscribedTopics,
  type ConsumerGroup,
  type ConsumerMember,
  isOwned,
  isReconciled,
  subscribedTopics
} from './consumer-group.ts'
import { assignRanges } from './range-assignor.ts'
import { reconcile } from './reconciliation.ts'
import { assignUniformly } from './uniform-assignor.ts'

export const assignors: ReadonlyMap<string, Assignor> = new Map([
  ['uniform', assignUniformly],
  ['range', assignRanges]
])
const defaultAssignor = 'uniform'

/** Groups whose topics are known to be what they were, by the version of the directory that says so. */
const checkedAt = new WeakMap<ConsumerGroup, number>()

/**
 * Stores what the member says of itself; true when what it subscribes to has changed. `member` is how the group knows it
 * so far, `updated` what it is to be.
 */
export function updateSubscription(
  env: ConsumerEnvironment,
  draft: ConsumerDraft,
  member: ConsumerMember,
  updated: ConsumerMember
): boolean | Refusal {
  const regexChanged = member.topicRegex !== updated.topicRegex
  if (regexChanged && updated.topicRegex !== '') {
    const problem = env.patterns.problem(updated.topicRegex)
    if (problem !== undefined) return refusal('INVALID_REGULAR_EXPRESSION', problem)
  }
  const isNew = !draft.group.members.has(updated.memberId)
  if (isNew || !sameSubscription(member, updated)) draft.putSubscription(updated)
  if (regexChanged) draft.dropUnusedRegexes()
  return isNew || regexChanged || !sameNames(member.topicNames, updated.topicNames)
}

/** Whether the members' partitions follow from other topics now; those of an expression only once it was matched. */
export function changesTopics(draft: ConsumerDraft, member: ConsumerMember, updated: ConsumerMember): boolean {
  const { topicRegex } = updated
  const regexChanged = member.topicRegex !== topicRegex && (topicRegex === '' || draft.group.regexes.has(topicRegex))
  return regexChanged || !sameNames(member.topicNames, updated.topicNames)
}

/** Raises the group's epoch if the subscription has changed, or the topics that expressions match, or a topic. */
export function updateEpoch(
  env: ConsumerEnvironment,
  draft: ConsumerDraft,
  subscriptionChanged: boolean,
  now: number
): void {
  const revision = env.topics.revision()
  if (!subscriptionChanged && checkedAt.get(draft.group) === revision) return
  const regexesChanged = resolveRegexes(env, draft, now)
  const metadataHash = hashTopics(env.topics, allSubscribedTopics(draft.group))
  if (subscriptionChanged || regexesChanged || metadataHash !== draft.group.metadataHash) {
    draft.put({ kind: 'group', value: { epoch: draft.group.epoch + 1, metadataHash } })
  }
  // One that was matched before the latest change of topics is looked at again.
  const { regexes } = draft.group
  const isCurrent = [...regexes.keys()].every((regex) => env.patterns.matched(regex)?.version === revision)
  if (isCurrent) checkedAt.set(draft.group, revision)
}

function resolveRegexes(env: ConsumerEnvironment, draft: ConsumerDraft, now: number): boolean {
  const used = new Set([...draft.group.members.values()].map((member) => member.topicRegex))
  used.delete('')
  let changed = false
  for (const regex of used) {
    const matched = env.patterns.matched(regex)
    const known = draft.group.regexes.get(regex)
    if (matched === undefined || (known !== undefined && sameNames(known.topics, matched.topics))) continue
    draft.put({ kind: 'regex', regex, value: { ...matched, timestamp: now } })
    changed = true
  }
  return changed
}

/** Makes a target for the group's epoch, unless there is one, or the last is too fresh. */
export function updateTargets(env: ConsumerEnvironment, draft: ConsumerDraft, now: number): void {
  const { groupId, epoch, assignmentEpoch, assignmentTimestamp } = draft.group
  const { consumerAssignmentIntervalMs } = env.settingsOf(groupId)
  if (assignmentEpoch >= epoch) return
  if (assignmentTimestamp !== 0 && now < assignmentTimestamp + consumerAssignmentIntervalMs) return
  const assignor = assignors.get(preferredAssignor(draft.group)) ?? assignUniformly
  const members = new Map<string, AssignmentMember>()
  const partitionCounts = new Map<string, number>()
  const topicIds = new Map<string, string | undefined>()
  for (const [memberId, member] of draft.group.members) {
    const subscribed = new Set<string>()
    for (const name of subscribedTopics(draft.group, member)) {
      if (!topicIds.has(name)) topicIds.set(name, env.topics.topicId(name))
      const topicId = topicIds.get(name)
      if (topicId === undefined) continue
      subscribed.add(topicId)
      partitionCounts.set(topicId, env.topics.partitionCount(name) ?? 0)
    }
    const target = draft.group.targets.get(memberId) ?? noPartitions
    members.set(memberId, { instanceId: member.instanceId, topicIds: subscribed, target })
  }
  for (const [memberId, target] of assignor({ members, partitionCounts })) {
    const before = draft.group.targets.get(memberId)
    if (before === undefined || !sameAssignment(before, target)) draft.put({ kind: 'target', memberId, value: target })
  }
  draft.put({ kind: 'targetEpoch', value: { epoch, timestamp: now } })
}

/** The assignor that most members name, or the default. */
export function preferredAssignor(group: ConsumerGroup): string {
  const votes = new Map<string, number>()
  let preferred = defaultAssignor
  let most = 0
  for (const { assignor } of group.members.values()) {
    if (assignor === null) continue
    const count = (votes.get(assignor) ?? 0) + 1
    votes.set(assignor, count)
    if (count <= most) continue
    preferred = assignor
    most = count
  }
  return preferred
}

/** Moves the member towards its target; returns it as it is then. */
export function moveMember(
  env: ConsumerEnvironment,
  draft: ConsumerDraft,
  memberId: string,
  options: { readonly subscriptionChanged: boolean; readonly owned: Assignment | null }
): ConsumerMember | Refusal {
  const { group } = draft
  const member = group.members.get(memberId)
  if (member === undefined) return refusal('UNKNOWN_MEMBER_ID', `Member ${memberId} is not known.`)
  if (!options.subscriptionChanged && isReconciled(member, group.assignmentEpoch)) return member
  const progress = reconcile({
    member,
    target: group.targets.get(memberId) ?? noPartitions,
    targetEpoch: group.assignmentEpoch,
    subscribedTopicIds: topicIdsOf(env, group, member),
    subscriptionChanged: options.subscriptionChanged,
    owned: options.owned,
    isOwned: (topicId, partition) => isOwned(draft.before, topicId, partition)
  })
  if (progress === 'fenced') {
    return refusal(
      'FENCED_MEMBER_EPOCH',
      'The state of the member is not known: give up all partitions and join again.'
    )
  }
  if (sameProgress(member, progress)) return member
  draft.putProgress(memberId, progress)
  // Members of the classic protocol have deadlines to join and to sync instead.
  if (member.classic === null) {
    draft.setDeadline(revocationDeadline(memberId), progress.state === 'unrevoked' ? member.rebalanceTimeoutMs : null)
  }
  return draft.group.members.get(memberId) ?? member
}

function topicIdsOf(env: ConsumerEnvironment, group: ConsumerGroup, member: ConsumerMember): ReadonlySet<string> {
  return new Set([...subscribedTopics(group, member)].flatMap((name) => env.topics.topicId(name) ?? []))
}

function sameSubscription(one: ConsumerMember, other: ConsumerMember): boolean {
  return (
    one.instanceId === other.instanceId &&
    one.rackId === other.rackId &&
    one.clientId === other.clientId &&
    one.clientHost === other.clientHost &&
    one.rebalanceTimeoutMs === other.rebalanceTimeoutMs &&
    one.topicRegex === other.topicRegex &&
    one.assignor === other.assignor &&
    sameNames(one.topicNames, other.topicNames) &&
    sameClassicInfo(one.classic, other.classic)
  )
}

function sameNames(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && new Set([...one, ...other]).size === new Set(one).size
}

function sameClassicInfo(one: ConsumerMember['classic'], other: ConsumerMember['classic']): boolean {
  if (one === null || other === null) return one === other
  if (one.sessionTimeoutMs !== other.sessionTimeoutMs || one.protocols.length !== other.protocols.length) return false
  return one.protocols.every((protocol, i) => {
    const counterpart = other.protocols[i]
    return protocol.name === counterpart?.name && protocol.metadata.equals(counterpart.metadata)
  })
}
