/**
 * Groups and offsets as records of `__consumer_offsets`, laid out as Kafka 4.3 does, so that its tools can read them:
 * OffsetCommit key v1 with value v4 (v1 when the offset has a time to expire), GroupMetadata key v2 with value v3.
 * Reads every version Kafka ever wrote of these; records of newer group protocols are passed over.
 */
import {
  GroupMetadataKey,
  GroupMetadataValue,
  OffsetCommitKey,
  OffsetCommitValue
} from '../../wire/messages/offset-records.ts'
import { decodeVersioned, encodeVersioned, versionOf } from '../../wire/versioned.ts'
import type { LogRecord } from '../record-log.ts'
import { noAssignment } from './group-draft.ts'
import type { ClassicGroup, Member } from './group-state.ts'
import type { CommittedOffset, OffsetWrite } from './offset-table.ts'
import { subscribedTopics } from './subscription.ts'

export type StoredRecord =
  | { readonly kind: 'offset'; readonly write: OffsetWrite }
  | { readonly kind: 'group'; readonly groupId: string; readonly group: ClassicGroup | null }

export function encodeGroup(group: ClassicGroup): LogRecord {
  const members = [...group.members.values()].map((member) => ({
    memberId: member.memberId,
    groupInstanceId: member.instanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    rebalanceTimeout: member.rebalanceTimeoutMs,
    sessionTimeout: member.sessionTimeoutMs,
    subscription: member.protocols.find((protocol) => protocol.name === group.protocol)?.metadata ?? noAssignment,
    assignment: member.assignment
  }))
  const value = {
    protocolType: group.protocolType ?? '',
    generation: group.generation,
    protocol: group.protocol,
    leader: group.leader,
    currentStateTimestamp: group.stateSince,
    members
  }
  return { key: groupKey(group.groupId), value: encodeVersioned(GroupMetadataValue, 3, value) }
}

export function encodeGroupTombstone(groupId: string): LogRecord {
  return { key: groupKey(groupId), value: null }
}

function groupKey(groupId: string): Buffer {
  return encodeVersioned(GroupMetadataKey, 2, { group: groupId })
}

export function encodeOffset(write: OffsetWrite): LogRecord {
  const { groupId, topic, partition, committed } = write
  const key = encodeVersioned(OffsetCommitKey, 1, { group: groupId, topic, partition })
  if (committed === null) return { key, value: null }
  return { key, value: encodeVersioned(OffsetCommitValue, committed.expireTimestamp === -1 ? 4 : 1, committed) }
}

/** Undefined for a kind of record that belongs to another protocol. Throws Fault `invalid` for bytes that are none. */
export function decodeRecord(key: Buffer, value: Buffer | null): StoredRecord | undefined {
  const version = versionOf(key)
  if (version === 0 || version === 1) {
    const { group, topic, partition } = decodeVersioned(OffsetCommitKey, key)
    const committed: CommittedOffset | null = value === null ? null : decodeVersioned(OffsetCommitValue, value)
    return { kind: 'offset', write: { groupId: group, topic, partition, committed } }
  }
  if (version === 2) {
    const groupId = decodeVersioned(GroupMetadataKey, key).group
    return { kind: 'group', groupId, group: value === null ? null : decodeGroup(groupId, value) }
  }
  return undefined
}

function decodeGroup(groupId: string, bytes: Buffer): ClassicGroup {
  const value = decodeVersioned(GroupMetadataValue, bytes)
  const protocolType = value.protocolType === '' ? null : value.protocolType
  const members = new Map<string, Member>()
  const staticMembers = new Map<string, string>()
  for (const stored of value.members) {
    const { memberId, groupInstanceId, clientId, clientHost, assignment } = stored
    if (groupInstanceId !== null) staticMembers.set(groupInstanceId, memberId)
    members.set(memberId, {
      memberId,
      instanceId: groupInstanceId,
      clientId,
      clientHost,
      rebalanceTimeoutMs: stored.rebalanceTimeout === -1 ? stored.sessionTimeout : stored.rebalanceTimeout,
      sessionTimeoutMs: stored.sessionTimeout,
      // Only the chosen protocol is stored; a member that rejoins with its full list therefore rebalances the group.
      protocols: [{ name: value.protocol ?? '', metadata: stored.subscription }],
      assignment,
      awaitingJoin: null,
      awaitingSync: null,
      isNew: false
    })
  }
  const protocol = members.size === 0 ? value.protocol : (value.protocol ?? '')
  const leader = value.leader !== null && members.has(value.leader) ? value.leader : members.keys().next().value
  return {
    groupId,
    state: members.size === 0 ? 'Empty' : 'Stable',
    stateSince: value.currentStateTimestamp,
    generation: value.generation,
    protocolType,
    protocol,
    leader: leader ?? null,
    members,
    staticMembers,
    pendingMembers: new Set(),
    pendingSync: new Set(),
    initialRebalance: null,
    subscribedTopics: subscribedTopics({ protocolType, protocol, members })
  }
}
