/**
 * A consumer group (KIP-848) as its records make it: the group's epoch, the members with what they subscribe to and own,
 * and the target that they move towards. Values only; `consumer-heartbeat.ts` has the rules of members.
 *
 * Invariant: a partition is owned by one member at most (assigned to it, or yet to be revoked by it).
 */
import type { HostedState } from '../hosted-group.ts'
import type { Assignment, EpochAssignment } from './assignment.ts'

/** `unrevoked`: gives partitions up first. `unreleased`: waits for others to do so. */
export type MemberState = 'stable' | 'unrevoked' | 'unreleased' | 'unknown'

/** A member that still speaks the classic protocol, while the group is being migrated. */
export interface ClassicMemberInfo {
  readonly sessionTimeoutMs: number
  readonly protocols: readonly { readonly name: string; readonly metadata: Buffer }[]
}

/** What a member said of itself. */
export interface Subscription {
  readonly memberId: string
  readonly instanceId: string | null
  readonly rackId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly rebalanceTimeoutMs: number
  readonly topicNames: readonly string[]
  /** Empty: none. */
  readonly topicRegex: string
  readonly assignor: string | null
  readonly classic: ClassicMemberInfo | null
}

/** Where a member stands on the way to its target. */
export interface Progress {
  readonly epoch: number
  readonly previousEpoch: number
  readonly state: MemberState
  readonly assigned: EpochAssignment
  readonly pendingRevocation: EpochAssignment
}

export interface ConsumerMember extends Subscription, Progress {}

export interface ResolvedRegex {
  readonly topics: readonly string[]
  /** Of the directory of topics when it was resolved; means something while the process lives only. */
  readonly version: number
  /** Wall time, milliseconds. */
  readonly timestamp: number
}

export interface ConsumerGroup extends HostedState {
  readonly epoch: number
  /** Of the topics that members subscribe to; tells when one of them changed. */
  readonly metadataHash: number
  /** The group's epoch that `targets` were made for. */
  readonly assignmentEpoch: number
  /** Wall time of that, milliseconds; 0: unknown. */
  readonly assignmentTimestamp: number
  readonly members: ReadonlyMap<string, ConsumerMember>
  /** By member id. */
  readonly targets: ReadonlyMap<string, Assignment>
  /** By expression; of those that members subscribe with. */
  readonly regexes: ReadonlyMap<string, ResolvedRegex>
}

export type ConsumerGroupState = 'Empty' | 'Assigning' | 'Reconciling' | 'Stable'

/** The epochs with which members leave: for good, or (static members) for a while. */
export const LEAVE_EPOCH = -1
export const STATIC_LEAVE_EPOCH = -2

const nothing: EpochAssignment = new Map()

/** Epochs of groups begin at 1, as in Kafka: whoever joins names 0, and is told another whatever it subscribes to. */
export function emptyConsumerGroup(groupId: string): ConsumerGroup {
  return {
    groupId,
    epoch: 1,
    metadataHash: 0,
    assignmentEpoch: 0,
    assignmentTimestamp: 0,
    members: new Map(),
    targets: new Map(),
    regexes: new Map()
  }
}

export const newProgress: Progress = {
  epoch: 0,
  previousEpoch: -1,
  state: 'stable',
  assigned: nothing,
  pendingRevocation: nothing
}

export function newMember(memberId: string): ConsumerMember {
  return {
    memberId,
    instanceId: null,
    rackId: null,
    clientId: '',
    clientHost: '',
    rebalanceTimeoutMs: -1,
    topicNames: [],
    topicRegex: '',
    assignor: null,
    classic: null,
    ...newProgress
  }
}

export function isReconciled(member: ConsumerMember, assignmentEpoch: number): boolean {
  return member.state === 'stable' && member.epoch === assignmentEpoch
}

export function stateOf(group: ConsumerGroup): ConsumerGroupState {
  if (group.members.size === 0) return 'Empty'
  if (group.epoch > group.assignmentEpoch) return 'Assigning'
  for (const member of group.members.values()) if (!isReconciled(member, group.assignmentEpoch)) return 'Reconciling'
  return 'Stable'
}

/** The topics that a member subscribes to, by name or by a regular expression that is resolved. */
export function subscribedTopics(group: ConsumerGroup, member: Subscription): ReadonlySet<string> {
  const matched = member.topicRegex === '' ? undefined : group.regexes.get(member.topicRegex)
  return new Set([...member.topicNames, ...(matched?.topics ?? [])])
}

/** The topics that any member subscribes to. */
export function allSubscribedTopics(group: ConsumerGroup): ReadonlySet<string> {
  const topics = new Set<string>()
  for (const { topicNames } of group.members.values()) for (const name of topicNames) topics.add(name)
  for (const resolved of group.regexes.values()) for (const name of resolved.topics) topics.add(name)
  return topics
}

/** What can be told from the members alone, made once per set of members. */
interface MemberIndex {
  /** Member ids by instance id. */
  readonly instances: ReadonlyMap<string, string>
  /** Topic id → partition → id of the member that owns it. */
  readonly owners: ReadonlyMap<string, ReadonlyMap<number, string>>
}

const indexes = new WeakMap<ReadonlyMap<string, ConsumerMember>, MemberIndex>()

function indexOf({ members }: ConsumerGroup): MemberIndex {
  const known = indexes.get(members)
  if (known !== undefined) return known
  const instances = new Map<string, string>()
  const owners = new Map<string, Map<number, string>>()
  for (const { memberId, instanceId, assigned, pendingRevocation } of members.values()) {
    if (instanceId !== null) instances.set(instanceId, memberId)
    for (const owned of [assigned, pendingRevocation]) {
      for (const [topicId, partitions] of owned) {
        const ofTopic = owners.get(topicId) ?? new Map<number, string>()
        for (const partition of partitions.keys()) ofTopic.set(partition, memberId)
        owners.set(topicId, ofTopic)
      }
    }
  }
  const index = { instances, owners }
  indexes.set(members, index)
  return index
}

/** The static member with an instance id. */
export function memberOfInstance(group: ConsumerGroup, instanceId: string): ConsumerMember | undefined {
  const memberId = indexOf(group).instances.get(instanceId)
  return memberId === undefined ? undefined : group.members.get(memberId)
}

/** Whether a member owns the partition. */
export function isOwned(group: ConsumerGroup, topicId: string, partition: number): boolean {
  return indexOf(group).owners.get(topicId)?.has(partition) ?? false
}
