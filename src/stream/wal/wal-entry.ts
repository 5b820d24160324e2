/**
 * One entry of the write-ahead log: a header, then the payload. Layout, big-endian (docs/formats/wal.md):
 *
 *     0  magic         u32  "LHE" and the version, 1
 *     4  length        u32  bytes of the payload
 *     8  sequence      u32  of the segment that the entry was written to
 *    12  salt          u32  of that segment
 *    16  position      i64  place of the entry's first byte in the log
 *    24  syncedTo      i64  everything before this position was durable before the entry was written
 *    32  streamId      i64
 *    40  epoch         i64
 *    48  baseOffset    i64
 *    56  lastOffset    i64
 *    64  maxTimestamp  i64  milliseconds, -1 when the payload carries none
 *    72  crc           u32  CRC-32C of bytes [0, 72), then of the payload
 *    76  payload
 *
 * Sequence, salt and position tell an entry from what the file held before; `syncedTo` tells a torn tail from damage.
 * Pure: no I/O in here.
 */
import { crc32c } from '@node-rs/crc32'
import { readInt64, writeInt64 } from '../../runtime/int64.ts'
import type { WalPosition, WalRecord } from './wal.ts'

export const ENTRY_HEADER_BYTES = 76
const MAGIC = 0x4c484501
const CRC_AT = 72

/** What the entries of one round (one write and sync) share. */
export interface EntryStamp {
  readonly sequence: number
  readonly salt: number
  readonly syncedTo: WalPosition
}

export interface WalEntry {
  readonly head: EntryHead
  readonly record: WalRecord
}

/** Bytes that a record takes in the log. */
export function entryBytes(record: WalRecord): number {
  return ENTRY_HEADER_BYTES + record.entry.payload.length
}

/** Writes the header of `record` into `target` at `at`; the payload follows it in the log. */
export function encodeEntryHeader(
  target: Buffer,
  at: number,
  record: WalRecord,
  position: WalPosition,
  stamp: EntryStamp
): void {
  const { entry } = record
  target.writeUInt32BE(MAGIC, at)
  target.writeUInt32BE(entry.payload.length, at + 4)
  target.writeUInt32BE(stamp.sequence, at + 8)
  target.writeUInt32BE(stamp.salt, at + 12)
  writeInt64(target, position, at + 16)
  writeInt64(target, stamp.syncedTo, at + 24)
  writeInt64(target, record.streamId, at + 32)
  writeInt64(target, record.epoch, at + 40)
  writeInt64(target, entry.baseOffset, at + 48)
  writeInt64(target, entry.lastOffset, at + 56)
  writeInt64(target, entry.maxTimestamp, at + 64)
  const crc = crc32c(entry.payload, crc32c(target.subarray(at, at + CRC_AT)))
  target.writeUInt32BE(crc, at + CRC_AT)
}

export interface EntryHead extends EntryStamp {
  readonly position: WalPosition
  /** Header and payload. */
  readonly bytes: number
}

/** What seems to be an entry's header at `at`, not verified by any checksum; undefined when none begins there. */
export function peekEntry(source: Buffer, at: number): EntryHead | undefined {
  if (at + ENTRY_HEADER_BYTES > source.length || source.readUInt32BE(at) !== MAGIC) return undefined
  return {
    bytes: ENTRY_HEADER_BYTES + source.readUInt32BE(at + 4),
    sequence: source.readUInt32BE(at + 8),
    salt: source.readUInt32BE(at + 12),
    position: readInt64(source, at + 16),
    syncedTo: readInt64(source, at + 24)
  }
}

/** The entry at `at`, its payload a slice of `source`; undefined when no intact entry lies there completely. */
export function decodeEntry(source: Buffer, at: number): WalEntry | undefined {
  const head = peekEntry(source, at)
  if (head === undefined || at + head.bytes > source.length) return undefined
  const payload = source.subarray(at + ENTRY_HEADER_BYTES, at + head.bytes)
  const crc = crc32c(payload, crc32c(source.subarray(at, at + CRC_AT)))
  if (crc !== source.readUInt32BE(at + CRC_AT)) return undefined
  return {
    head,
    record: {
      streamId: readInt64(source, at + 32),
      epoch: readInt64(source, at + 40),
      entry: {
        baseOffset: readInt64(source, at + 48),
        lastOffset: readInt64(source, at + 56),
        maxTimestamp: readInt64(source, at + 64),
        payload
      }
    }
  }
}

const MAGIC_BYTES = Buffer.alloc(4)
MAGIC_BYTES.writeUInt32BE(MAGIC)

/** The next place at or after `from` where an entry may begin; undefined when there is none. */
export function findEntryMagic(source: Buffer, from: number): number | undefined {
  const at = source.indexOf(MAGIC_BYTES, from)
  return at === -1 ? undefined : at
}
