/**
 * A share group (KIP-932): its members, what each is to read and reads, and of which partitions the share state exists.
 * Pure, and made of its records alone: `afterRecords` is the only way to another state.
 */
import type {
  ShareGroupCurrentMemberAssignmentValue,
  ShareGroupMemberMetadataValue,
  ShareGroupMetadataValue,
  ShareGroupStatePartitionMetadataValue,
  ShareGroupTargetAssignmentMemberValue,
  ShareGroupTargetAssignmentMetadataValue
} from '../../../wire/messages/share-group-records.ts'
import type { HostedState } from '../hosted-group.ts'

/** Partitions by the id of their topic; no topic is without any. */
export type TopicPartitions = ReadonlyMap<string, readonly number[]>

export const NO_PARTITIONS: TopicPartitions = new Map()

export interface ShareMember {
  readonly memberId: string
  readonly metadata: ShareGroupMemberMetadataValue
  readonly epoch: number
  /** An answer that told the epoch may have been lost: the member may come with the one before. */
  readonly previousEpoch: number
  readonly assigned: TopicPartitions
}

export interface ShareGroup extends HostedState {
  readonly epoch: number
  readonly metadataHash: number
  readonly assignmentEpoch: number
  /** Wall milliseconds; 0: not known. */
  readonly assignedAt: number
  /** In the order in which they joined. */
  readonly members: ReadonlyMap<string, ShareMember>
  readonly targets: ReadonlyMap<string, TopicPartitions>
  readonly stateTopics: ShareGroupStatePartitionMetadataValue
}

export type ShareRecord =
  | { readonly kind: 'group'; readonly value: ShareGroupMetadataValue | null }
  | { readonly kind: 'assignment'; readonly value: ShareGroupTargetAssignmentMetadataValue | null }
  | { readonly kind: 'stateTopics'; readonly value: ShareGroupStatePartitionMetadataValue | null }
  | { readonly kind: 'member'; readonly memberId: string; readonly value: ShareGroupMemberMetadataValue | null }
  | { readonly kind: 'target'; readonly memberId: string; readonly value: ShareGroupTargetAssignmentMemberValue | null }
  | {
      readonly kind: 'current'
      readonly memberId: string
      readonly value: ShareGroupCurrentMemberAssignmentValue | null
    }

const NO_STATE_TOPICS: ShareGroupStatePartitionMetadataValue = {
  initializingTopics: [],
  initializedTopics: [],
  deletingTopics: []
}

/** Epochs of groups begin at 1, as in Kafka: whoever joins names 0, and is told another whatever it subscribes to. */
export function emptyShareGroup(groupId: string): ShareGroup {
  return {
    groupId,
    epoch: 1,
    metadataHash: 0,
    assignmentEpoch: 0,
    assignedAt: 0,
    members: new Map(),
    targets: new Map(),
    stateTopics: NO_STATE_TOPICS
  }
}

export function afterRecords(group: ShareGroup, records: readonly ShareRecord[]): ShareGroup {
  return records.reduce(afterRecord, group)
}

function afterRecord(group: ShareGroup, record: ShareRecord): ShareGroup {
  switch (record.kind) {
    case 'group': {
      const { epoch = 0, metadataHash = 0 } = record.value ?? {}
      return { ...group, epoch, metadataHash }
    }
    case 'assignment': {
      const { assignmentEpoch = 0, assignmentTimestamp = 0 } = record.value ?? {}
      return { ...group, assignmentEpoch, assignedAt: assignmentTimestamp }
    }
    case 'stateTopics':
      return { ...group, stateTopics: record.value ?? NO_STATE_TOPICS }
    case 'member': {
      const { memberId, value } = record
      const before = group.members.get(memberId) ?? newMember(memberId)
      return { ...group, members: changed(group.members, memberId, value && { ...before, metadata: value }) }
    }
    case 'target': {
      const { memberId, value } = record
      return { ...group, targets: changed(group.targets, memberId, value && toPartitions(value.topicPartitions)) }
    }
    case 'current': {
      const { memberId, value } = record
      const before = group.members.get(memberId)
      if (before === undefined) return group
      const { memberEpoch: epoch, previousMemberEpoch: previousEpoch } = value ?? BLANK_ASSIGNMENT
      const assigned = toPartitions(value?.assignedPartitions ?? [])
      return { ...group, members: changed(group.members, memberId, { ...before, epoch, previousEpoch, assigned }) }
    }
  }
}

/** A member leaves with its last record, the one of its metadata. */
const BLANK_ASSIGNMENT = { memberEpoch: 0, previousMemberEpoch: 0 }

function newMember(memberId: string): ShareMember {
  const metadata = { rackId: null, clientId: '', clientHost: '', subscribedTopicNames: [] }
  return { memberId, metadata, epoch: 0, previousEpoch: 0, assigned: NO_PARTITIONS }
}

function changed<Value>(map: ReadonlyMap<string, Value>, key: string, value: Value | null): ReadonlyMap<string, Value> {
  const copy = new Map(map)
  if (value === null) copy.delete(key)
  else copy.set(key, value)
  return copy
}

interface WirePartitions {
  readonly topicId: string
  readonly partitions: readonly number[]
}

export function toPartitions(topics: readonly WirePartitions[]): TopicPartitions {
  return new Map(topics.map(({ topicId, partitions }) => [topicId, partitions]))
}

export function fromPartitions(partitions: TopicPartitions): { topicId: string; partitions: number[] }[] {
  return [...partitions].map(([topicId, indexes]) => ({ topicId, partitions: [...indexes] }))
}

/** Both in rising order of partitions. */
export function samePartitions(a: TopicPartitions, b: TopicPartitions): boolean {
  return a.size === b.size && [...a].every(([topicId, partitions]) => sameNumbers(partitions, b.get(topicId) ?? []))
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((number, place) => number === b[place])
}

export function subscribedTopics(group: ShareGroup): ReadonlySet<string> {
  return new Set([...group.members.values()].flatMap(({ metadata }) => metadata.subscribedTopicNames))
}
