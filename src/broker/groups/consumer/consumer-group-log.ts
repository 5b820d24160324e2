/**
 * A consumer group as records of `__consumer_offsets`, laid out as Kafka 4.3 does (KIP-848): one record for each thing
 * that changes by itself, and what each of them does to the group.
 */
import {
  ConsumerGroupCurrentMemberAssignmentKey,
  ConsumerGroupCurrentMemberAssignmentValue,
  ConsumerGroupMemberMetadataKey,
  ConsumerGroupMemberMetadataValue,
  ConsumerGroupMetadataKey,
  ConsumerGroupMetadataValue,
  ConsumerGroupPartitionMetadataKey,
  ConsumerGroupRegularExpressionKey,
  ConsumerGroupRegularExpressionValue,
  ConsumerGroupTargetAssignmentMemberKey,
  ConsumerGroupTargetAssignmentMemberValue,
  ConsumerGroupTargetAssignmentMetadataKey,
  ConsumerGroupTargetAssignmentMetadataValue
} from '../../../wire/messages/consumer-group-records.ts'
import { decodeVersioned, encodeVersioned, versionOf } from '../../../wire/versioned.ts'
import type { LogRecord } from '../../record-log.ts'
import type { Assignment, EpochAssignment } from './assignment.ts'
import {
  type ConsumerGroup,
  type ConsumerMember,
  type MemberState,
  newMember,
  newProgress,
  type Progress,
  type ResolvedRegex,
  type Subscription
} from './consumer-group.ts'

/** One record. `value` is null where it is a tombstone. */
export type ConsumerRecord =
  | { readonly kind: 'group'; readonly value: { readonly epoch: number; readonly metadataHash: number } | null }
  | { readonly kind: 'subscription'; readonly memberId: string; readonly value: Subscription | null }
  | { readonly kind: 'progress'; readonly memberId: string; readonly value: Progress | null }
  | { readonly kind: 'targetEpoch'; readonly value: { readonly epoch: number; readonly timestamp: number } | null }
  | { readonly kind: 'target'; readonly memberId: string; readonly value: Assignment | null }
  | { readonly kind: 'regex'; readonly regex: string; readonly value: ResolvedRegex | null }
  /** The topics of the group, as Kafka before 4.1 stored them: only ever deleted. */
  | { readonly kind: 'topics'; readonly value: null }

/** A working copy, which may be changed in place. */
export interface MutableConsumerGroup extends ConsumerGroup {
  epoch: number
  metadataHash: number
  assignmentEpoch: number
  assignmentTimestamp: number
  readonly members: Map<string, ConsumerMember>
  readonly targets: Map<string, Assignment>
  readonly regexes: Map<string, ResolvedRegex>
}

export function mutableCopy(group: ConsumerGroup): MutableConsumerGroup {
  return {
    ...group,
    members: new Map(group.members),
    targets: new Map(group.targets),
    regexes: new Map(group.regexes)
  }
}

/** What the record does to the group, except for ending it: the tombstone of `group` changes nothing here. */
export function applyRecord(group: MutableConsumerGroup, record: ConsumerRecord): void {
  switch (record.kind) {
    case 'group':
      if (record.value !== null) Object.assign(group, record.value)
      break
    case 'subscription': {
      const { memberId, value } = record
      if (value === null) group.members.delete(memberId)
      else group.members.set(memberId, { ...(group.members.get(memberId) ?? newMember(memberId)), ...value })
      break
    }
    case 'progress': {
      const member = group.members.get(record.memberId)
      if (member !== undefined) group.members.set(record.memberId, { ...member, ...(record.value ?? newProgress) })
      break
    }
    case 'targetEpoch':
      group.assignmentEpoch = record.value?.epoch ?? 0
      group.assignmentTimestamp = record.value?.timestamp ?? 0
      break
    case 'target':
      setOrDelete(group.targets, record.memberId, record.value)
      break
    case 'regex':
      setOrDelete(group.regexes, record.regex, record.value)
      break
    case 'topics':
  }
}

function setOrDelete<Value>(map: Map<string, Value>, key: string, value: Value | null): void {
  if (value === null) map.delete(key)
  else map.set(key, value)
}

/** Everything that makes a group, in an order in which it can be replayed. */
export function recordsOf(group: ConsumerGroup): ConsumerRecord[] {
  const members = [...group.members.values()]
  return [
    ...members.map((value) => ({ kind: 'subscription', memberId: value.memberId, value }) as const),
    { kind: 'group', value: { epoch: group.epoch, metadataHash: group.metadataHash } },
    ...[...group.targets].map(([memberId, value]) => ({ kind: 'target', memberId, value }) as const),
    { kind: 'targetEpoch', value: { epoch: group.assignmentEpoch, timestamp: group.assignmentTimestamp } },
    ...members.map((value) => ({ kind: 'progress', memberId: value.memberId, value }) as const),
    ...[...group.regexes].map(([regex, value]) => ({ kind: 'regex', regex, value }) as const)
  ]
}

/** What deletes a group; the record of the group itself comes last. */
export function tombstonesOf(group: ConsumerGroup): ConsumerRecord[] {
  const memberIds = [...group.members.keys()]
  const targetIds = new Set([...memberIds, ...group.targets.keys()])
  return [
    ...memberIds.map((memberId) => ({ kind: 'progress', memberId, value: null }) as const),
    ...[...targetIds].map((memberId) => ({ kind: 'target', memberId, value: null }) as const),
    { kind: 'targetEpoch', value: null },
    ...memberIds.map((memberId) => ({ kind: 'subscription', memberId, value: null }) as const),
    ...[...group.regexes.keys()].map((regex) => ({ kind: 'regex', regex, value: null }) as const),
    { kind: 'topics', value: null },
    { kind: 'group', value: null }
  ]
}

const memberStates: readonly MemberState[] = ['stable', 'unrevoked', 'unreleased']
const UNKNOWN_STATE = 127

export function encodeConsumerRecord(groupId: string, record: ConsumerRecord): LogRecord {
  switch (record.kind) {
    case 'group': {
      const key = encodeVersioned(ConsumerGroupMetadataKey, 3, { groupId })
      return { key, value: record.value && encodeVersioned(ConsumerGroupMetadataValue, 0, record.value) }
    }
    case 'topics':
      return { key: encodeVersioned(ConsumerGroupPartitionMetadataKey, 4, { groupId }), value: null }
    case 'subscription': {
      const key = encodeVersioned(ConsumerGroupMemberMetadataKey, 5, { groupId, memberId: record.memberId })
      return { key, value: record.value && encodeSubscription(record.value) }
    }
    case 'targetEpoch': {
      const key = encodeVersioned(ConsumerGroupTargetAssignmentMetadataKey, 6, { groupId })
      if (record.value === null) return { key, value: null }
      const { epoch: assignmentEpoch, timestamp: assignmentTimestamp } = record.value
      const value = { assignmentEpoch, assignmentTimestamp }
      return { key, value: encodeVersioned(ConsumerGroupTargetAssignmentMetadataValue, 0, value) }
    }
    case 'target': {
      const key = encodeVersioned(ConsumerGroupTargetAssignmentMemberKey, 7, { groupId, memberId: record.memberId })
      if (record.value === null) return { key, value: null }
      const topicPartitions = [...record.value].map(([topicId, set]) => ({ topicId, partitions: ascending(set) }))
      return { key, value: encodeVersioned(ConsumerGroupTargetAssignmentMemberValue, 0, { topicPartitions }) }
    }
    case 'progress': {
      const key = encodeVersioned(ConsumerGroupCurrentMemberAssignmentKey, 8, { groupId, memberId: record.memberId })
      return { key, value: record.value && encodeProgress(record.value) }
    }
    case 'regex': {
      const { regex: regularExpression, value } = record
      const key = encodeVersioned(ConsumerGroupRegularExpressionKey, 16, { groupId, regularExpression })
      return { key, value: value && encodeVersioned(ConsumerGroupRegularExpressionValue, 0, value) }
    }
  }
}

function encodeSubscription(member: Subscription): Buffer {
  const { instanceId, rackId, clientId, clientHost, rebalanceTimeoutMs, classic } = member
  return encodeVersioned(ConsumerGroupMemberMetadataValue, 0, {
    instanceId,
    rackId,
    clientId,
    clientHost,
    subscribedTopicNames: member.topicNames,
    subscribedTopicRegex: member.topicRegex,
    rebalanceTimeoutMs,
    serverAssignor: member.assignor,
    classicMemberMetadata: classic && {
      sessionTimeoutMs: classic.sessionTimeoutMs,
      supportedProtocols: classic.protocols
    }
  })
}

function encodeProgress(progress: Progress): Buffer {
  const state = memberStates.indexOf(progress.state)
  return encodeVersioned(ConsumerGroupCurrentMemberAssignmentValue, 0, {
    memberEpoch: progress.epoch,
    previousMemberEpoch: progress.previousEpoch,
    state: state === -1 ? UNKNOWN_STATE : state,
    assignedPartitions: encodeEpochs(progress.assigned),
    partitionsPendingRevocation: encodeEpochs(progress.pendingRevocation)
  })
}

function encodeEpochs(assignment: EpochAssignment) {
  return [...assignment].map(([topicId, epochs]) => {
    const partitions = ascending(epochs.keys())
    return { topicId, partitions, assignmentEpochs: partitions.map((partition) => epochs.get(partition) ?? 0) }
  })
}

function ascending(numbers: Iterable<number>): number[] {
  return [...numbers].sort((a, b) => a - b)
}

export interface DecodedRecord {
  readonly groupId: string
  readonly record: ConsumerRecord
}

/** Undefined for a record that is none of a consumer group. Throws Fault `invalid` for bytes that are none at all. */
export function decodeConsumerRecord({ key, value }: LogRecord): DecodedRecord | undefined {
  switch (versionOf(key)) {
    case 3: {
      const { groupId } = decodeVersioned(ConsumerGroupMetadataKey, key)
      return { groupId, record: { kind: 'group', value: value && decodeVersioned(ConsumerGroupMetadataValue, value) } }
    }
    case 5: {
      const { groupId, memberId } = decodeVersioned(ConsumerGroupMemberMetadataKey, key)
      return {
        groupId,
        record: { kind: 'subscription', memberId, value: value && decodeSubscription(memberId, value) }
      }
    }
    case 6: {
      const { groupId } = decodeVersioned(ConsumerGroupTargetAssignmentMetadataKey, key)
      if (value === null) return { groupId, record: { kind: 'targetEpoch', value } }
      const stored = decodeVersioned(ConsumerGroupTargetAssignmentMetadataValue, value)
      const { assignmentEpoch: epoch, assignmentTimestamp: timestamp } = stored
      return { groupId, record: { kind: 'targetEpoch', value: { epoch, timestamp } } }
    }
    case 7: {
      const { groupId, memberId } = decodeVersioned(ConsumerGroupTargetAssignmentMemberKey, key)
      return { groupId, record: { kind: 'target', memberId, value: value && decodeTarget(value) } }
    }
    case 8: {
      const { groupId, memberId } = decodeVersioned(ConsumerGroupCurrentMemberAssignmentKey, key)
      return { groupId, record: { kind: 'progress', memberId, value: value && decodeProgress(value) } }
    }
    case 16: {
      const { groupId, regularExpression: regex } = decodeVersioned(ConsumerGroupRegularExpressionKey, key)
      const resolved = value && decodeVersioned(ConsumerGroupRegularExpressionValue, value)
      // Resolved by another process, whose version of the directory means nothing here.
      return { groupId, record: { kind: 'regex', regex, value: resolved && { ...resolved, version: -1 } } }
    }
    default:
      return undefined
  }
}

function decodeSubscription(memberId: string, bytes: Buffer): Subscription {
  const stored = decodeVersioned(ConsumerGroupMemberMetadataValue, bytes)
  const { instanceId, rackId, clientId, clientHost, rebalanceTimeoutMs, classicMemberMetadata: classic } = stored
  return {
    memberId,
    instanceId,
    rackId,
    clientId,
    clientHost,
    rebalanceTimeoutMs,
    topicNames: stored.subscribedTopicNames,
    topicRegex: stored.subscribedTopicRegex ?? '',
    assignor: stored.serverAssignor,
    classic: classic && { sessionTimeoutMs: classic.sessionTimeoutMs, protocols: classic.supportedProtocols }
  }
}

function decodeTarget(bytes: Buffer): Assignment {
  const { topicPartitions } = decodeVersioned(ConsumerGroupTargetAssignmentMemberValue, bytes)
  return new Map(topicPartitions.map(({ topicId, partitions }) => [topicId, new Set(partitions)]))
}

function decodeProgress(bytes: Buffer): Progress {
  const stored = decodeVersioned(ConsumerGroupCurrentMemberAssignmentValue, bytes)
  return {
    epoch: stored.memberEpoch,
    previousEpoch: stored.previousMemberEpoch,
    state: memberStates[stored.state] ?? 'unknown',
    assigned: decodeEpochs(stored.assignedPartitions, stored.memberEpoch),
    pendingRevocation: decodeEpochs(stored.partitionsPendingRevocation, stored.memberEpoch)
  }
}

type StoredPartitions = { topicId: string; partitions: readonly number[]; assignmentEpochs: readonly number[] | null }[]

/** Records of before Kafka 4.3 have no epochs of single partitions. */
function decodeEpochs(stored: StoredPartitions, memberEpoch: number): EpochAssignment {
  return new Map(
    stored.map(({ topicId, partitions, assignmentEpochs }) => [
      topicId,
      new Map(partitions.map((partition, i) => [partition, assignmentEpochs?.[i] ?? memberEpoch]))
    ])
  )
}
