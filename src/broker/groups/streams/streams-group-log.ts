/** Streams groups as records of `__consumer_offsets`, laid out as Kafka 4.3 does (key versions 17 and 19 to 23). */
import {
  StreamsGroupCurrentMemberAssignmentKey,
  StreamsGroupCurrentMemberAssignmentValue,
  StreamsGroupMemberMetadataKey,
  StreamsGroupMemberMetadataValue,
  StreamsGroupMetadataKey,
  StreamsGroupMetadataValue,
  StreamsGroupTargetAssignmentMemberKey,
  StreamsGroupTargetAssignmentMemberValue,
  StreamsGroupTargetAssignmentMetadataKey,
  StreamsGroupTargetAssignmentMetadataValue,
  StreamsGroupTopologyKey,
  StreamsGroupTopologyValue
} from '../../../wire/messages/streams-group-records.ts'
import { decodeVersioned, encodeVersioned, versionOf } from '../../../wire/versioned.ts'
import type { LogRecord } from '../../record-log.ts'
import { MEMBER_STATES, type StreamsMember, type StreamsRecord } from './streams-group-state.ts'
import { type HeldTasks, listTasks, taskId } from './tasks.ts'

const GROUP = 17
const MEMBER = 19
const ASSIGNMENT = 20
const TARGET = 21
const CURRENT = 22
const TOPOLOGY = 23

export function encodeStreamsRecord(groupId: string, record: StreamsRecord): LogRecord {
  switch (record.kind) {
    case 'group':
      return {
        key: encodeVersioned(StreamsGroupMetadataKey, GROUP, { groupId }),
        value: record.value && encodeVersioned(StreamsGroupMetadataValue, 0, record.value)
      }
    case 'topology':
      return {
        key: encodeVersioned(StreamsGroupTopologyKey, TOPOLOGY, { groupId }),
        value: record.value && encodeVersioned(StreamsGroupTopologyValue, 0, record.value)
      }
    case 'assignment':
      return {
        key: encodeVersioned(StreamsGroupTargetAssignmentMetadataKey, ASSIGNMENT, { groupId }),
        value: record.value && encodeVersioned(StreamsGroupTargetAssignmentMetadataValue, 0, record.value)
      }
    default:
      return encodeOfMember(groupId, record)
  }
}

function encodeOfMember(groupId: string, record: Extract<StreamsRecord, { memberId: string }>): LogRecord {
  const { memberId } = record
  switch (record.kind) {
    case 'member':
      return {
        key: encodeVersioned(StreamsGroupMemberMetadataKey, MEMBER, { groupId, memberId }),
        value: record.value && encodeVersioned(StreamsGroupMemberMetadataValue, 0, record.value)
      }
    case 'target':
      return {
        key: encodeVersioned(StreamsGroupTargetAssignmentMemberKey, TARGET, { groupId, memberId }),
        value: record.value && encodeVersioned(StreamsGroupTargetAssignmentMemberValue, 0, record.value)
      }
    case 'current':
      return {
        key: encodeVersioned(StreamsGroupCurrentMemberAssignmentKey, CURRENT, { groupId, memberId }),
        value: record.value && encodeVersioned(StreamsGroupCurrentMemberAssignmentValue, 0, record.value)
      }
  }
}

/** Undefined for a record of another protocol. Throws Fault `invalid` for bytes that are none. */
export function decodeStreamsRecord({ key, value }: LogRecord): { groupId: string; record: StreamsRecord } | undefined {
  switch (versionOf(key)) {
    case GROUP: {
      const { groupId } = decodeVersioned(StreamsGroupMetadataKey, key)
      return { groupId, record: { kind: 'group', value: value && decodeVersioned(StreamsGroupMetadataValue, value) } }
    }
    case ASSIGNMENT: {
      const { groupId } = decodeVersioned(StreamsGroupTargetAssignmentMetadataKey, key)
      const assignment = value && decodeVersioned(StreamsGroupTargetAssignmentMetadataValue, value)
      return { groupId, record: { kind: 'assignment', value: assignment } }
    }
    case TOPOLOGY: {
      const { groupId } = decodeVersioned(StreamsGroupTopologyKey, key)
      const topology = value && decodeVersioned(StreamsGroupTopologyValue, value)
      return { groupId, record: { kind: 'topology', value: topology } }
    }
    default:
      return decodeOfMember(key, value)
  }
}

function decodeOfMember(key: Buffer, value: Buffer | null): { groupId: string; record: StreamsRecord } | undefined {
  switch (versionOf(key)) {
    case MEMBER: {
      const { groupId, memberId } = decodeVersioned(StreamsGroupMemberMetadataKey, key)
      const metadata = value && decodeVersioned(StreamsGroupMemberMetadataValue, value)
      return { groupId, record: { kind: 'member', memberId, value: metadata } }
    }
    case TARGET: {
      const { groupId, memberId } = decodeVersioned(StreamsGroupTargetAssignmentMemberKey, key)
      const target = value && decodeVersioned(StreamsGroupTargetAssignmentMemberValue, value)
      return { groupId, record: { kind: 'target', memberId, value: target } }
    }
    case CURRENT: {
      const { groupId, memberId } = decodeVersioned(StreamsGroupCurrentMemberAssignmentKey, key)
      const current = value && decodeVersioned(StreamsGroupCurrentMemberAssignmentValue, value)
      return { groupId, record: { kind: 'current', memberId, value: current } }
    }
    default:
      return undefined
  }
}

export function currentRecord(member: StreamsMember): StreamsRecord {
  const { memberId, epoch, previousEpoch, state, assigned, pendingRevocation } = member
  const value = {
    memberEpoch: epoch,
    previousMemberEpoch: previousEpoch,
    state: MEMBER_STATES[state],
    activeTasks: withEpochs(assigned.active),
    standbyTasks: withoutEpochs(assigned.standby),
    warmupTasks: withoutEpochs(assigned.warmup),
    activeTasksPendingRevocation: withEpochs(pendingRevocation.active),
    standbyTasksPendingRevocation: withoutEpochs(pendingRevocation.standby),
    warmupTasksPendingRevocation: withoutEpochs(pendingRevocation.warmup)
  }
  return { kind: 'current', memberId, value }
}

function withEpochs(tasks: HeldTasks['active']) {
  return listTasks(tasks.keys()).map(({ subtopologyId, partitions }) => ({
    subtopologyId,
    partitions,
    assignmentEpochs: partitions.map((partition) => tasks.get(taskId(subtopologyId, partition)) ?? 0)
  }))
}

function withoutEpochs(tasks: HeldTasks['standby']) {
  return listTasks(tasks).map((listed) => ({ ...listed, assignmentEpochs: null }))
}
