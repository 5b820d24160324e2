/**
 * Members of a consumer group that still speak the classic protocol (KIP-848's migration): JoinGroup, SyncGroup,
 * Heartbeat and LeaveGroup stand for what ConsumerGroupHeartbeat does. A generation is the epoch of the member; told to
 * rebalance it joins again, with what it owns in its subscription, and gets its assignment by SyncGroup. Pure.
 */
import { isFault } from '../../../runtime/fault.ts'
import { noAssignment } from '../group-draft.ts'
import type {
  GroupError,
  GroupProtocol,
  HeartbeatAnswer,
  HeartbeatEvent,
  JoinAnswer,
  JoinEvent,
  LeaveAnswer,
  LeavingMember,
  SyncAnswer,
  SyncEvent
} from '../group-state.ts'
import type { GroupChange } from '../hosted-group.ts'
import { has, noPartitions } from './assignment.ts'
import { ConsumerDraft, joinDeadline, sessionDeadline, syncDeadline } from './consumer-draft.ts'
import type { ConsumerEnvironment } from './consumer-environment.ts'
import { type ConsumerGroup, type ConsumerMember, isOwned, memberOfInstance } from './consumer-group.ts'
import { admit } from './member-admission.ts'
import { moveMember, updateEpoch, updateSubscription, updateTargets } from './member-progress.ts'
import { mayDowngrade, removeMembers } from './member-removal.ts'
import { classicGroupOf, encodeAssignment, partitionsById, subscriptionOf } from './migration.ts'

type ClassicJoin = Omit<JoinEvent, 'request'>
type Change<Answer> = GroupChange<ConsumerGroup, Answer>

function unchanged<Answer>(state: ConsumerGroup, answer: Answer): Change<Answer> {
  return { state, records: [], deadlines: [], answer }
}

export function decideJoin(
  env: ConsumerEnvironment,
  group: ConsumerGroup,
  join: ClassicJoin,
  now: number
): Change<JoinAnswer> {
  const isUnknown = join.memberId === ''
  const memberId = isUnknown ? join.newMemberId : join.memberId
  const problem = joinProblem(env, group, join, memberId)
  if (problem !== 'NONE') return unchanged(group, joinRefusal(join.memberId, problem))
  if (isUnknown && join.requiresMemberId && join.instanceId === null) {
    return unchanged(group, joinRefusal(memberId, 'MEMBER_ID_REQUIRED'))
  }
  const subscription = readSubscription(join.protocols)
  if (subscription === undefined) return unchanged(group, joinRefusal(join.memberId, 'INCONSISTENT_GROUP_PROTOCOL'))
  const draft = new ConsumerDraft(group)
  const joins = join.instanceId === null || isUnknown
  const member = admit(draft, { memberId, instanceId: join.instanceId, epoch: null, owned: noPartitions, joins })
  if ('error' in member) return unchanged(group, joinRefusal(join.memberId, member.error as GroupError))
  const changed = updateSubscription(env, draft, member, {
    ...member,
    instanceId: join.instanceId ?? member.instanceId,
    rackId: subscription.rackId ?? member.rackId,
    rebalanceTimeoutMs: join.rebalanceTimeoutMs === -1 ? member.rebalanceTimeoutMs : join.rebalanceTimeoutMs,
    topicNames: subscription.topics,
    topicRegex: '',
    clientId: join.clientId,
    clientHost: join.clientHost,
    classic: { sessionTimeoutMs: join.sessionTimeoutMs, protocols: join.protocols }
  })
  const subscriptionChanged = changed === true
  updateEpoch(env, draft, subscriptionChanged, now)
  const progress = { subscriptionChanged, owned: partitionsById(env.topics, subscription.ownedPartitions) }
  if (replacesLastModern(env, group, join.instanceId)) return downgrade(env, draft, memberId, progress, now)
  updateTargets(env, draft, now)
  const moved = moveMember(env, draft, memberId, progress)
  if ('error' in moved) return unchanged(group, joinRefusal(join.memberId, moved.error as GroupError))
  draft.setDeadline(joinDeadline(memberId), null)
  draft.setDeadline(sessionDeadline(memberId), join.sessionTimeoutMs)
  draft.setDeadline(syncDeadline(memberId), join.rebalanceTimeoutMs)
  return draft.finish(joined(moved))
}

function joinProblem(env: ConsumerEnvironment, group: ConsumerGroup, join: ClassicJoin, memberId: string): GroupError {
  const { migrationPolicy, maxSize, minSessionTimeoutMs, maxSessionTimeoutMs } = env.settings
  const { sessionTimeoutMs } = join
  if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs) return 'INVALID_SESSION_TIMEOUT'
  if (migrationPolicy === 'disabled') return 'INCONSISTENT_GROUP_PROTOCOL'
  if (group.members.size >= maxSize && !group.members.has(memberId)) return 'GROUP_MAX_SIZE_REACHED'
  const classic = [...group.members.values()].flatMap((member) => member.classic ?? [])
  const isShared = ({ name }: GroupProtocol) =>
    classic.every(({ protocols }) => protocols.some((protocol) => protocol.name === name))
  const isSupported = join.protocolType === 'consumer' && join.protocols.some(isShared)
  return isSupported ? 'NONE' : 'INCONSISTENT_GROUP_PROTOCOL'
}

function readSubscription(protocols: readonly GroupProtocol[]) {
  try {
    return subscriptionOf(protocols)
  } catch (error) {
    if (isFault(error, 'invalid')) return undefined
    throw error
  }
}

/** Whether a static member takes the place of the only one that speaks the newer protocol. */
function replacesLastModern(env: ConsumerEnvironment, group: ConsumerGroup, instanceId: string | null): boolean {
  const replaced = instanceId === null ? undefined : memberOfInstance(group, instanceId)
  if (replaced === undefined || replaced.classic !== null || !mayDowngrade(env, group.members.size)) return false
  return [...group.members.values()].every((member) => member === replaced || member.classic !== null)
}

function downgrade(
  env: ConsumerEnvironment,
  draft: ConsumerDraft,
  memberId: string,
  progress: Parameters<typeof moveMember>[3],
  now: number
): Change<JoinAnswer> {
  const isStale = draft.group.assignmentEpoch < draft.group.epoch
  const moved = isStale ? draft.group.members.get(memberId) : moveMember(env, draft, memberId, progress)
  const group = classicGroupOf(draft.group, [...draft.group.members.values()], env.topics, now)
  if (moved === undefined || 'error' in moved || group === undefined) {
    return unchanged(draft.before, joinRefusal(memberId, 'GROUP_ID_NOT_FOUND'))
  }
  const rebalance = isStale ? 'the assignment was older than the members when the group became a classic one' : null
  return draft.finishAsClassic({ group, rebalance }, joined(moved))
}

function joined(member: ConsumerMember): JoinAnswer {
  return {
    kind: 'join',
    error: 'NONE',
    memberId: member.memberId,
    generation: member.epoch,
    protocolType: 'consumer',
    protocol: member.classic?.protocols[0]?.name ?? '',
    // The coordinator assigns: nobody leads.
    leader: '',
    skipAssignment: false,
    members: []
  }
}

export function joinRefusal(memberId: string, error: GroupError): JoinAnswer {
  const nothing = { generation: -1, protocolType: null, protocol: null, leader: '', skipAssignment: false, members: [] }
  return { kind: 'join', error, memberId, ...nothing }
}

export function syncRefusal(error: GroupError): SyncAnswer {
  return { kind: 'sync', error, protocolType: null, protocol: null, assignment: noAssignment }
}

export function decideSync(
  env: ConsumerEnvironment,
  group: ConsumerGroup,
  event: Omit<SyncEvent, 'request'>
): Change<SyncAnswer> {
  const found = speaker(group, event)
  if ('error' in found) return unchanged(group, syncRefusal(found.error))
  const { member, classic } = found
  const [protocol] = classic.protocols
  const isOther =
    (event.protocolType !== null && event.protocolType !== 'consumer') ||
    (event.protocol !== null && event.protocol !== protocol?.name)
  if (isOther) return unchanged(group, syncRefusal('INCONSISTENT_GROUP_PROTOCOL'))
  const draft = new ConsumerDraft(group)
  const { memberId } = member
  // One that revokes has joined already, and joins again by itself.
  if (group.assignmentEpoch > member.epoch && member.state !== 'unrevoked') {
    draft.setDeadline(joinDeadline(memberId), member.rebalanceTimeoutMs, true)
    return draft.finish(syncRefusal('REBALANCE_IN_PROGRESS'))
  }
  draft.setDeadline(syncDeadline(memberId), null)
  draft.setDeadline(sessionDeadline(memberId), classic.sessionTimeoutMs)
  const assignment = encodeAssignment(env.topics, member.assigned, protocol?.metadata ?? noAssignment)
  const { protocolType, protocol: protocolName } = event
  return draft.finish({ kind: 'sync', error: 'NONE', protocolType, protocol: protocolName, assignment })
}

export function decideClassicHeartbeat(
  group: ConsumerGroup,
  event: Omit<HeartbeatEvent, 'request'>
): Change<HeartbeatAnswer> {
  const found = speaker(group, event)
  if ('error' in found) return unchanged(group, { kind: 'heartbeat', error: found.error })
  const { member, classic } = found
  const draft = new ConsumerDraft(group)
  draft.setDeadline(sessionDeadline(member.memberId), classic.sessionTimeoutMs)
  const mustJoin =
    member.epoch < group.assignmentEpoch ||
    member.state === 'unrevoked' ||
    (member.state === 'unreleased' && !waitsForOthers(group, member))
  if (mustJoin) draft.setDeadline(joinDeadline(member.memberId), member.rebalanceTimeoutMs, true)
  return draft.finish({ kind: 'heartbeat', error: mustJoin ? 'REBALANCE_IN_PROGRESS' : 'NONE' })
}

function waitsForOthers(group: ConsumerGroup, member: ConsumerMember): boolean {
  for (const [topicId, partitions] of group.targets.get(member.memberId) ?? noPartitions) {
    for (const p of partitions) if (!has(member.assigned, topicId, p) && isOwned(group, topicId, p)) return true
  }
  return false
}

export function decideClassicLeave(
  env: ConsumerEnvironment,
  group: ConsumerGroup,
  leaving: readonly LeavingMember[],
  now: number
): Change<LeaveAnswer> {
  const gone = new Set<string>()
  const members = leaving.map(({ memberId, instanceId }) => {
    const holder = instanceId === null ? group.members.get(memberId) : memberOfInstance(group, instanceId)
    // An administrator removes a static member by its instance id alone.
    const isFenced = instanceId !== null && memberId !== '' && holder?.memberId !== memberId
    const error: GroupError = holder === undefined ? 'UNKNOWN_MEMBER_ID' : isFenced ? 'FENCED_INSTANCE_ID' : 'NONE'
    if (holder !== undefined && error === 'NONE') gone.add(holder.memberId)
    return { memberId, instanceId, error }
  })
  return removeMembers(env, new ConsumerDraft(group), [...gone], now, { kind: 'leave', error: 'NONE', members })
}

/** The classic member that sent the request, in its generation. */
function speaker(
  group: ConsumerGroup,
  claim: { readonly memberId: string; readonly instanceId: string | null; readonly generation: number }
) {
  const { memberId, instanceId, generation } = claim
  const member = instanceId === null ? group.members.get(memberId) : memberOfInstance(group, instanceId)
  if (member === undefined) return { error: 'UNKNOWN_MEMBER_ID' } as const
  if (member.memberId !== memberId) return { error: 'FENCED_INSTANCE_ID' } as const
  if (member.classic === null) return { error: 'UNKNOWN_MEMBER_ID' } as const
  if (member.epoch !== generation) return { error: 'ILLEGAL_GENERATION' } as const
  return { member, classic: member.classic }
}
