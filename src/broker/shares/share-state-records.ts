/**
 * The state of share partitions as records of `__share_group_state`, laid out as Kafka 4.3 does: ShareSnapshot (key v0)
 * holds all of it, ShareUpdate (key v1) what changed since the last one before it. A snapshot's tombstone ends the state.
 */
import { Fault } from '../../runtime/fault.ts'
import {
  ShareSnapshotKey,
  ShareSnapshotValue,
  ShareUpdateKey,
  ShareUpdateValue
} from '../../wire/messages/share-state-records.ts'
import { decodeVersioned, encodeVersioned, versionOf } from '../../wire/versioned.ts'
import type { LogRecord } from '../record-log.ts'
import type { ShareStateKey } from './share-state.ts'

const SNAPSHOT = 0
const UPDATE = 1

export type ShareStateRecord =
  | { readonly kind: 'snapshot'; readonly key: ShareStateKey; readonly snapshot: ShareSnapshotValue }
  | { readonly kind: 'update'; readonly key: ShareStateKey; readonly update: ShareUpdateValue }
  | { readonly kind: 'tombstone'; readonly key: ShareStateKey }

export function encodeStateRecord(record: ShareStateRecord): LogRecord {
  switch (record.kind) {
    case 'snapshot':
      return { key: snapshotKey(record.key), value: encodeVersioned(ShareSnapshotValue, 0, record.snapshot) }
    case 'update':
      return {
        key: encodeVersioned(ShareUpdateKey, UPDATE, record.key),
        value: encodeVersioned(ShareUpdateValue, 0, record.update)
      }
    case 'tombstone':
      return { key: snapshotKey(record.key), value: null }
  }
}

/** Undefined for a kind of record that is not known. Fault `invalid` for bytes that are none. */
export function decodeStateRecord({ key, value }: LogRecord): ShareStateRecord | undefined {
  switch (versionOf(key)) {
    case SNAPSHOT: {
      const decoded = decodeVersioned(ShareSnapshotKey, key)
      if (value === null) return { kind: 'tombstone', key: decoded }
      return { kind: 'snapshot', key: decoded, snapshot: decodeVersioned(ShareSnapshotValue, value) }
    }
    case UPDATE: {
      if (value === null) throw new Fault('invalid', 'a ShareUpdate has no value')
      return {
        kind: 'update',
        key: decodeVersioned(ShareUpdateKey, key),
        update: decodeVersioned(ShareUpdateValue, value)
      }
    }
    default:
      return undefined
  }
}

function snapshotKey(key: ShareStateKey): Buffer {
  return encodeVersioned(ShareSnapshotKey, SNAPSHOT, key)
}
