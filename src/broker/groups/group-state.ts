/**
 * A consumer group as the coordinator sees it: its state, the events that change it, the effects that follow, and
 * what can be told from the state alone. Values only; `classic-group.ts` has the rules.
 */
import { assert } from '../../runtime/fault.ts'

/** Names of Kafka error codes, as in `wire/error-codes.ts`. */
export type GroupError =
  | 'NONE'
  | 'COORDINATOR_NOT_AVAILABLE'
  | 'NOT_COORDINATOR'
  | 'ILLEGAL_GENERATION'
  | 'INCONSISTENT_GROUP_PROTOCOL'
  | 'UNKNOWN_MEMBER_ID'
  | 'INVALID_SESSION_TIMEOUT'
  | 'REBALANCE_IN_PROGRESS'
  | 'MEMBER_ID_REQUIRED'
  | 'GROUP_MAX_SIZE_REACHED'
  | 'FENCED_INSTANCE_ID'
  | 'STALE_MEMBER_EPOCH'
  | 'GROUP_ID_NOT_FOUND'
  | 'UNSUPPORTED_VERSION'

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

/** Names a request that waits for its answer; chosen by the shell, unique while the process lives. */
export type RequestId = number

export interface GroupProtocol {
  readonly name: string
  readonly metadata: Buffer
}

export interface Member {
  readonly memberId: string
  /** `group.instance.id`: set for static members (KIP-345). */
  readonly instanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly rebalanceTimeoutMs: number
  readonly sessionTimeoutMs: number
  /** In the member's order of preference. */
  readonly protocols: readonly GroupProtocol[]
  readonly assignment: Buffer
  readonly awaitingJoin: RequestId | null
  readonly awaitingSync: RequestId | null
  /** Has not yet seen its first join answered: it cannot heartbeat, so waiting does not keep it alive. */
  readonly isNew: boolean
}

/** A rebalance out of Empty: the group waits a little for more members, again and again up to a limit. */
export interface InitialRebalance {
  readonly delayMs: number
  readonly remainingMs: number
  readonly memberAdded: boolean
}

export interface ClassicGroup {
  readonly groupId: string
  readonly state: GroupState
  /** Wall time of the last change of `state`, milliseconds. */
  readonly stateSince: number
  readonly generation: number
  /** `consumer`, `connect`, …; null until a member joined for the first time (also: a simple consumer's group). */
  readonly protocolType: string | null
  /** The protocol (assignor) chosen for this generation. */
  readonly protocol: string | null
  readonly leader: string | null
  readonly members: ReadonlyMap<string, Member>
  /** Instance id → member id. */
  readonly staticMembers: ReadonlyMap<string, string>
  /** Member ids given out with MEMBER_ID_REQUIRED that have not joined yet. */
  readonly pendingMembers: ReadonlySet<string>
  /** Members of this generation that have not sent SyncGroup yet. */
  readonly pendingSync: ReadonlySet<string>
  readonly initialRebalance: InitialRebalance | null
  /** Topics this generation subscribes to; null when the group does not say, or says it in a form we cannot read. */
  readonly subscribedTopics: ReadonlySet<string> | null
}

/** Kafka's names: group.min.session.timeout.ms, group.initial.rebalance.delay.ms, group.max.size, … */
export interface GroupSettings {
  readonly minSessionTimeoutMs: number
  readonly maxSessionTimeoutMs: number
  readonly initialRebalanceDelayMs: number
  readonly maxSize: number
  /** How long a member that never had an answer may wait in a rebalance. */
  readonly newMemberJoinTimeoutMs: number
}

/**
 * Kafka's defaults, except for the initial rebalance delay (3 s there): that delay spares a large fleet of consumers
 * a few rebalances when it starts all at once, and costs everybody else three seconds before the first record.
 * In one process, where consumers are few, the first record counts more; a cluster sets Kafka's value.
 */
export const defaultGroupSettings: GroupSettings = {
  minSessionTimeoutMs: 6_000,
  maxSessionTimeoutMs: 1_800_000,
  initialRebalanceDelayMs: 0,
  maxSize: Number.MAX_SAFE_INTEGER,
  newMemberJoinTimeoutMs: 300_000
}

/** `session`: a member has to be heard of before it; `join`, `sync`: the phase ends then, with or without everybody. */
export type Deadline =
  | { readonly kind: 'session'; readonly memberId: string }
  | { readonly kind: 'join' }
  | { readonly kind: 'sync' }

export interface JoinEvent {
  readonly type: 'join'
  readonly request: RequestId
  /** Empty for a member that has no id yet. */
  readonly memberId: string
  /** The id to give out should the member need one: fresh and unique. */
  readonly newMemberId: string
  readonly instanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  readonly protocols: readonly GroupProtocol[]
  readonly reason: string | null
  /** JoinGroup v4+ (KIP-394): a dynamic member learns its id first and joins with it. */
  readonly requiresMemberId: boolean
  /** JoinGroup v9+ (KIP-814): a returning static leader may be told to skip the assignment. */
  readonly maySkipAssignment: boolean
}

export interface SyncEvent {
  readonly type: 'sync'
  readonly request: RequestId
  readonly memberId: string
  readonly instanceId: string | null
  readonly generation: number
  /** Null when the client does not say (before v5). */
  readonly protocolType: string | null
  readonly protocol: string | null
  /** Member id → assignment; only the leader's counts. */
  readonly assignments: ReadonlyMap<string, Buffer>
}

export interface HeartbeatEvent {
  readonly type: 'heartbeat'
  readonly request: RequestId
  readonly memberId: string
  readonly instanceId: string | null
  readonly generation: number
}

export interface LeavingMember {
  /** Empty when an administrator removes a static member by its instance id. */
  readonly memberId: string
  readonly instanceId: string | null
  readonly reason: string | null
}

export interface LeaveEvent {
  readonly type: 'leave'
  readonly request: RequestId
  readonly members: readonly LeavingMember[]
}

export type GroupEvent =
  | JoinEvent
  | SyncEvent
  | HeartbeatEvent
  | LeaveEvent
  | { readonly type: 'deadline'; readonly deadline: Deadline }
  /** A member was heard of by other means than a heartbeat: an accepted offset commit. */
  | { readonly type: 'alive'; readonly memberId: string }
  /** The group was restored from the log: its members' sessions start anew. */
  | { readonly type: 'loaded' }
  /** Its members must join anew. */
  | { readonly type: 'rebalance'; readonly reason: string }
  /** The coordinator gives the group up; whoever waits is answered with `error`. */
  | { readonly type: 'close'; readonly error: GroupError }

export interface JoinAnswer {
  readonly kind: 'join'
  readonly error: GroupError
  readonly memberId: string
  readonly generation: number
  readonly protocolType: string | null
  readonly protocol: string | null
  readonly leader: string
  readonly skipAssignment: boolean
  /** Everybody, for the leader; empty for the others. */
  readonly members: readonly { memberId: string; instanceId: string | null; metadata: Buffer }[]
}

export interface SyncAnswer {
  readonly kind: 'sync'
  readonly error: GroupError
  readonly protocolType: string | null
  readonly protocol: string | null
  readonly assignment: Buffer
}

export interface HeartbeatAnswer {
  readonly kind: 'heartbeat'
  readonly error: GroupError
}

export interface LeaveAnswer {
  readonly kind: 'leave'
  readonly error: GroupError
  /** One per member of the request, in its order. */
  readonly members: readonly { memberId: string; instanceId: string | null; error: GroupError }[]
}

export type Answer = JoinAnswer | SyncAnswer | HeartbeatAnswer | LeaveAnswer

export type Effect =
  | { readonly type: 'answer'; readonly request: RequestId; readonly answer: Answer }
  /** Store the group as it is after this step. No answer given from here on may leave before that is durable. */
  | { readonly type: 'persist' }
  /** Replaces the deadline with the same name, if there is one. */
  | { readonly type: 'setDeadline'; readonly deadline: Deadline; readonly delayMs: number }
  | { readonly type: 'cancelDeadline'; readonly deadline: Deadline }
  | { readonly type: 'log'; readonly message: string }

export interface Step {
  readonly group: ClassicGroup
  readonly effects: readonly Effect[]
}

export function emptyGroup(groupId: string, now: number): ClassicGroup {
  return {
    groupId,
    state: 'Empty',
    stateSince: now,
    generation: 0,
    protocolType: null,
    protocol: null,
    leader: null,
    members: new Map(),
    staticMembers: new Map(),
    pendingMembers: new Set(),
    pendingSync: new Set(),
    initialRebalance: null,
    subscribedTopics: null
  }
}

/** Whether `memberId`, speaking for `instanceId`, is a member; otherwise what to tell it. */
export function memberError(
  group: Pick<ClassicGroup, 'members' | 'staticMembers'>,
  memberId: string,
  instanceId: string | null
): GroupError {
  if (instanceId !== null) {
    const holder = group.staticMembers.get(instanceId)
    if (holder === undefined) return 'UNKNOWN_MEMBER_ID'
    if (holder !== memberId) return 'FENCED_INSTANCE_ID'
  }
  return group.members.has(memberId) ? 'NONE' : 'UNKNOWN_MEMBER_ID'
}

/** Whether a member of the group consumes `topic`, or must be assumed to. */
export function isSubscribed(group: ClassicGroup, topic: string): boolean {
  return group.subscribedTopics?.has(topic) ?? group.protocolType === 'consumer'
}

/** Nothing would be lost if the group were forgotten: it has no members, no history, and promised nothing. */
export function isBlank(group: ClassicGroup): boolean {
  return group.state === 'Empty' && group.generation === 0 && group.pendingMembers.size === 0
}

/** Throws `AssertionFault` when the group contradicts itself; tests run it after every step. */
export function checkInvariants(group: ClassicGroup): void {
  const members = [...group.members.values()]
  assert(group.leader === null || group.members.has(group.leader), 'the leader is a member')
  assert((group.leader === null) === (members.length === 0), 'a group with members has a leader')
  assert(members.length > 0 || group.state !== 'Stable', 'a stable group has members')
  assert(members.length > 0 || group.state !== 'CompletingRebalance', 'a completing group has members')
  assert(members.length === 0 || group.state !== 'Empty', 'an empty group has no members')
  const settled = group.state === 'Stable' || group.state === 'CompletingRebalance'
  for (const member of members) {
    assert(!settled || member.awaitingJoin === null, 'nobody waits for a join that is complete')
    assert(member.awaitingSync === null || group.state === 'CompletingRebalance', 'syncs wait only for the leader')
    assert(!settled || member.protocols.some((one) => one.name === group.protocol), 'all speak the chosen protocol')
    assert(!group.pendingMembers.has(member.memberId), 'a member is not pending')
    if (member.instanceId !== null) {
      assert(group.staticMembers.get(member.instanceId) === member.memberId, 'an instance id names its member')
    }
  }
  for (const memberId of group.pendingSync) assert(group.members.has(memberId), 'only members owe a sync')
  for (const memberId of group.staticMembers.values()) assert(group.members.has(memberId), 'static ids name members')
}
