/** Share groups as records of `__consumer_offsets`, laid out as Kafka 4.3 does (key versions 10 to 15). */
import {
  ShareGroupCurrentMemberAssignmentKey,
  ShareGroupCurrentMemberAssignmentValue,
  ShareGroupMemberMetadataKey,
  ShareGroupMemberMetadataValue,
  ShareGroupMetadataKey,
  ShareGroupMetadataValue,
  ShareGroupStatePartitionMetadataKey,
  ShareGroupStatePartitionMetadataValue,
  ShareGroupTargetAssignmentMemberKey,
  ShareGroupTargetAssignmentMemberValue,
  ShareGroupTargetAssignmentMetadataKey,
  ShareGroupTargetAssignmentMetadataValue
} from '../../../wire/messages/share-group-records.ts'
import { decodeVersioned, encodeVersioned, versionOf } from '../../../wire/versioned.ts'
import type { LogRecord } from '../../record-log.ts'
import type { ShareRecord } from './share-group-state.ts'

const MEMBER = 10
const GROUP = 11
const ASSIGNMENT = 12
const TARGET = 13
const CURRENT = 14
const STATE_TOPICS = 15

export function encodeShareRecord(groupId: string, record: ShareRecord): LogRecord {
  switch (record.kind) {
    case 'group':
      return {
        key: encodeVersioned(ShareGroupMetadataKey, GROUP, { groupId }),
        value: record.value && encodeVersioned(ShareGroupMetadataValue, 0, record.value)
      }
    case 'assignment':
      return {
        key: encodeVersioned(ShareGroupTargetAssignmentMetadataKey, ASSIGNMENT, { groupId }),
        value: record.value && encodeVersioned(ShareGroupTargetAssignmentMetadataValue, 0, record.value)
      }
    case 'stateTopics':
      return {
        key: encodeVersioned(ShareGroupStatePartitionMetadataKey, STATE_TOPICS, { groupId }),
        value: record.value && encodeVersioned(ShareGroupStatePartitionMetadataValue, 0, record.value)
      }
    case 'member':
      return {
        key: encodeVersioned(ShareGroupMemberMetadataKey, MEMBER, { groupId, memberId: record.memberId }),
        value: record.value && encodeVersioned(ShareGroupMemberMetadataValue, 0, record.value)
      }
    case 'target':
      return {
        key: encodeVersioned(ShareGroupTargetAssignmentMemberKey, TARGET, { groupId, memberId: record.memberId }),
        value: record.value && encodeVersioned(ShareGroupTargetAssignmentMemberValue, 0, record.value)
      }
    case 'current':
      return {
        key: encodeVersioned(ShareGroupCurrentMemberAssignmentKey, CURRENT, { groupId, memberId: record.memberId }),
        value: record.value && encodeVersioned(ShareGroupCurrentMemberAssignmentValue, 0, record.value)
      }
  }
}

/** Undefined for a record of another protocol. Throws Fault `invalid` for bytes that are none. */
export function decodeShareRecord({ key, value }: LogRecord): { groupId: string; record: ShareRecord } | undefined {
  switch (versionOf(key)) {
    case GROUP: {
      const { groupId } = decodeVersioned(ShareGroupMetadataKey, key)
      return { groupId, record: { kind: 'group', value: value && decodeVersioned(ShareGroupMetadataValue, value) } }
    }
    case ASSIGNMENT: {
      const { groupId } = decodeVersioned(ShareGroupTargetAssignmentMetadataKey, key)
      const assignment = value && decodeVersioned(ShareGroupTargetAssignmentMetadataValue, value)
      return { groupId, record: { kind: 'assignment', value: assignment } }
    }
    case STATE_TOPICS: {
      const { groupId } = decodeVersioned(ShareGroupStatePartitionMetadataKey, key)
      const topics = value && decodeVersioned(ShareGroupStatePartitionMetadataValue, value)
      return { groupId, record: { kind: 'stateTopics', value: topics } }
    }
    case MEMBER: {
      const { groupId, memberId } = decodeVersioned(ShareGroupMemberMetadataKey, key)
      const metadata = value && decodeVersioned(ShareGroupMemberMetadataValue, value)
      return { groupId, record: { kind: 'member', memberId, value: metadata } }
    }
    case TARGET: {
      const { groupId, memberId } = decodeVersioned(ShareGroupTargetAssignmentMemberKey, key)
      const target = value && decodeVersioned(ShareGroupTargetAssignmentMemberValue, value)
      return { groupId, record: { kind: 'target', memberId, value: target } }
    }
    case CURRENT: {
      const { groupId, memberId } = decodeVersioned(ShareGroupCurrentMemberAssignmentKey, key)
      const current = value && decodeVersioned(ShareGroupCurrentMemberAssignmentValue, value)
      return { groupId, record: { kind: 'current', memberId, value: current } }
    }
    default:
      return undefined
  }
}
