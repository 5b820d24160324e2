/**
 * Groups that change their protocol while they run (KIP-848): a classic group of consumers as a consumer group whose
 * members all speak the classic protocol, and back. Epoch and generation are the same number. Undefined when what the
 * members say cannot be carried over.
 */
import { isFault } from '../../../runtime/fault.ts'
import { ConsumerProtocolAssignment, ConsumerProtocolSubscription } from '../../../wire/messages/consumer-protocol.ts'
import { decodeVersionedOrNewer, encodeVersioned, versionOf } from '../../../wire/versioned.ts'
import { chosenProtocol } from '../group-draft.ts'
import { type ClassicGroup, emptyGroup, type GroupProtocol, type Member } from '../group-state.ts'
import { subscribedTopics } from '../subscription.ts'
import type { TopicDirectory } from '../topic-directory.ts'
import { hashTopics } from '../topic-hash.ts'
import { type Assignment, noPartitions, withEpoch } from './assignment.ts'
import {
  allSubscribedTopics,
  type ConsumerGroup,
  type ConsumerMember,
  emptyConsumerGroup,
  newMember
} from './consumer-group.ts'

/** What a member of the classic protocol says in its JoinGroup. Fault `invalid` for bytes that are no such thing. */
export function subscriptionOf(protocols: readonly GroupProtocol[]): ConsumerProtocolSubscription {
  return decodeVersionedOrNewer(ConsumerProtocolSubscription, protocols[0]?.metadata ?? Buffer.alloc(0))
}

/** Partitions by topic name, as topic ids; of topics that exist. */
export function partitionsById(
  topics: TopicDirectory,
  named: readonly { readonly topic: string; readonly partitions: readonly number[] }[]
): Assignment {
  const found = new Map<string, Set<number>>()
  for (const { topic, partitions } of named) {
    const topicId = topics.topicId(topic)
    if (topicId !== undefined) found.set(topicId, new Set(partitions))
  }
  return found
}

/** The assignment in the form that SyncGroup gives it, in the version that the member's subscription has. */
export function encodeAssignment(
  topics: TopicDirectory,
  assignment: Assignment | ReadonlyMap<string, ReadonlyMap<number, unknown>>,
  metadata: Buffer
): Buffer {
  const assignedPartitions = [...assignment].flatMap(([topicId, partitions]) => {
    const topic = topics.topicName(topicId)
    return topic === undefined ? [] : { topic, partitions: [...partitions.keys()].sort((a, b) => a - b) }
  })
  const version = Math.min(versionOf(metadata), ConsumerProtocolAssignment.maxVersion)
  return encodeVersioned(ConsumerProtocolAssignment, version, { assignedPartitions, userData: null })
}

/** A classic group of consumers as a consumer group: everybody owns what the leader assigned last. */
export function consumerGroupOf(group: ClassicGroup, topics: TopicDirectory): ConsumerGroup | undefined {
  const members = new Map<string, ConsumerMember>()
  const targets = new Map<string, Assignment>()
  const { groupId, generation } = group
  for (const member of group.members.values()) {
    const converted = readable(() => consumerMemberOf(group, member, topics))
    if (converted === undefined) return undefined
    members.set(member.memberId, converted.member)
    targets.set(member.memberId, converted.target)
  }
  const converted = {
    ...emptyConsumerGroup(groupId),
    epoch: generation,
    assignmentEpoch: generation,
    members,
    targets
  }
  return { ...converted, metadataHash: hashTopics(topics, allSubscribedTopics(converted)) }
}

function consumerMemberOf(
  group: ClassicGroup,
  member: Member,
  topics: TopicDirectory
): { member: ConsumerMember; target: Assignment } | undefined {
  const chosen = member.protocols.filter(({ name }) => name === group.protocol)
  const subscription = subscriptionOf(chosen.length > 0 ? chosen : member.protocols)
  let target = noPartitions
  if (member.assignment.length > 0) {
    const assignment = decodeVersionedOrNewer(ConsumerProtocolAssignment, member.assignment)
    // An assignor of its own keeps what it must know there; it would be lost.
    if (assignment.userData !== null && assignment.userData.length > 0) return undefined
    target = partitionsById(topics, assignment.assignedPartitions)
  }
  return {
    target,
    member: {
      ...newMember(member.memberId),
      instanceId: member.instanceId,
      rackId: subscription.rackId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      topicNames: subscription.topics,
      classic: { sessionTimeoutMs: member.sessionTimeoutMs, protocols: member.protocols },
      epoch: group.generation,
      previousEpoch: group.generation,
      assigned: withEpoch(target, group.generation)
    }
  }
}

/** A consumer group as a classic one of `members`, which all speak the classic protocol; each has its target. */
export function classicGroupOf(
  group: ConsumerGroup,
  members: readonly ConsumerMember[],
  topics: TopicDirectory,
  now: number
): ClassicGroup | undefined {
  const protocol = chosenProtocol(members.map((member) => ({ protocols: member.classic?.protocols ?? [] })))
  const converted = readable(() =>
    members.map((member) =>
      classicMemberOf(member, protocol, group.targets.get(member.memberId) ?? noPartitions, topics)
    )
  )
  const leader = members[0]?.memberId ?? null
  if (converted === undefined || protocol === null) return undefined
  const byId = new Map(converted.map((member) => [member.memberId, member]))
  const protocolType = 'consumer'
  return {
    ...emptyGroup(group.groupId, now),
    state: 'Stable',
    generation: group.epoch,
    protocolType,
    protocol,
    leader,
    members: byId,
    staticMembers: new Map(
      converted.flatMap(({ instanceId, memberId }) => (instanceId === null ? [] : [[instanceId, memberId] as const]))
    ),
    subscribedTopics: subscribedTopics({ protocolType, protocol, members: byId })
  }
}

function classicMemberOf(
  member: ConsumerMember,
  protocol: string | null,
  target: Assignment,
  topics: TopicDirectory
): Member {
  const { memberId, instanceId, clientId, clientHost, rebalanceTimeoutMs } = member
  const protocols = member.classic?.protocols ?? []
  const metadata = protocols.find(({ name }) => name === protocol)?.metadata ?? Buffer.alloc(0)
  return {
    memberId,
    instanceId,
    clientId,
    clientHost,
    rebalanceTimeoutMs,
    sessionTimeoutMs: member.classic?.sessionTimeoutMs ?? 0,
    protocols,
    assignment: encodeAssignment(topics, target, metadata),
    awaitingJoin: null,
    awaitingSync: null,
    isNew: false
  }
}

function readable<Value>(convert: () => Value): Value | undefined {
  try {
    return convert()
  } catch (error) {
    if (isFault(error, 'invalid')) return undefined
    throw error
  }
}
