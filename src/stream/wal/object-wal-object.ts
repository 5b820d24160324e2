/**
 * One object of the write-ahead log: a batch of entries, or the fence that ends a log and names the next one.
 * Layout, big-endian (docs/formats/object-wal.md):
 *
 *     0  magic      u32  "LHW" and the version, 1
 *     4  kind       u32  1 batch, 2 fence
 *     8  nodeId     i64
 *    16  epoch      i64  of the log that the object lies in
 *    24  sequence   i64  of the object
 *    32  nonce      8 bytes, random per writer
 *    40  batch: durableTo i64, every object before this sequence was durable when the batch was made
 *        fence: epoch i64 of the next log
 *    48  batch: count i64, entries
 *        fence: sequence i64 that the next log begins with
 *    56  bodyCrc    u32  CRC-32C of bytes [64, end)
 *    60  crc        u32  CRC-32C of bytes [0, 60)
 *    64  entries         each: length u32, streamId i64, epoch i64, baseOffset i64, lastOffset i64, maxTimestamp i64, payload
 *
 * A fence is exactly 64 bytes long, a batch always longer. Equal headers mean equal objects: the nonce tells writers
 * apart, the checksum covers the rest. Pure: no I/O in here.
 */
import { crc32c } from '@node-rs/crc32'
import { Fault } from '../../runtime/fault.ts'
import { readInt64, writeInt64 } from '../../runtime/int64.ts'
import { keyOf, type LogPlace } from './object-wal-place.ts'
import type { WalRecord } from './wal.ts'

export const OBJECT_HEADER_BYTES = 64
const ENTRY_HEADER_BYTES = 44
const MAGIC = 0x4c485701
const BATCH = 1
const FENCE = 2
const HEADER_CRC_AT = 60
/** Payloads up to this are copied beside their headers: a vector of many small buffers costs more than the copy. */
const COPIED_BYTES_MAX = 2048
const EMPTY_CRC = crc32c(Buffer.alloc(0))

/** Who writes, and where. */
export interface ObjectIdentity {
  readonly nodeId: number
  readonly place: LogPlace
  /** 8 bytes that no other writer has. */
  readonly nonce: Buffer
}

/** An object as it is stored: `header` is the first part. */
export interface EncodedObject {
  readonly header: Buffer
  readonly parts: readonly Buffer[]
  readonly bytes: number
}

export type ObjectHeader =
  | { readonly kind: 'batch'; readonly durableTo: number; readonly count: number }
  | { readonly kind: 'fence'; readonly successor: LogPlace }

export type WalObject =
  | { readonly kind: 'batch'; readonly records: readonly WalRecord[] }
  | { readonly kind: 'fence'; readonly successor: LogPlace }

/** Bytes that a record takes in an object. */
export function storedBytes(record: WalRecord): number {
  return ENTRY_HEADER_BYTES + record.entry.payload.length
}

export function encodeFence(identity: ObjectIdentity, successor: LogPlace): EncodedObject {
  const header = encodeHeader(identity, FENCE, successor.epoch, successor.sequence, EMPTY_CRC)
  return { header, parts: [header], bytes: header.length }
}

/** Larger payloads are taken as they are, not copied: they must not change until the object is stored. */
export function encodeBatch(identity: ObjectIdentity, durableTo: number, records: readonly WalRecord[]): EncodedObject {
  let gatheredBytes = 0
  for (const { entry } of records) gatheredBytes += ENTRY_HEADER_BYTES + copiedBytes(entry.payload)
  const gathered = Buffer.allocUnsafe(gatheredBytes)
  const body: Buffer[] = []
  let from = 0
  let at = 0
  for (const record of records) {
    encodeEntryHeader(gathered, at, record)
    at += ENTRY_HEADER_BYTES
    const { payload } = record.entry
    if (copiedBytes(payload) > 0) {
      at += payload.copy(gathered, at)
    } else if (payload.length > 0) {
      body.push(gathered.subarray(from, at), payload)
      from = at
    }
  }
  if (at > from) body.push(gathered.subarray(from, at))
  let crc = EMPTY_CRC
  let bytes = OBJECT_HEADER_BYTES
  for (const part of body) {
    crc = crc32c(part, crc)
    bytes += part.length
  }
  const header = encodeHeader(identity, BATCH, durableTo, records.length, crc)
  return { header, parts: [header, ...body], bytes }
}

/** What a header says; `bytes` may go on behind it. Fault `corrupt` unless it is intact and was written for `place`. */
export function decodeObjectHeader(bytes: Buffer, nodeId: number, place: LogPlace): ObjectHeader {
  const damaged = (what: string) => new Fault('corrupt', `write-ahead log: object ${keyOf(nodeId, place)} ${what}`)
  if (bytes.length < OBJECT_HEADER_BYTES) throw damaged(`has only ${bytes.length} bytes`)
  if (bytes.readUInt32BE(0) !== MAGIC) throw damaged('does not begin with "LHW" and version 1')
  if (crc32c(bytes.subarray(0, HEADER_CRC_AT)) !== bytes.readUInt32BE(HEADER_CRC_AT)) {
    throw damaged('contradicts the checksum of its header')
  }
  const written = { epoch: readInt64(bytes, 16), sequence: readInt64(bytes, 24) }
  if (readInt64(bytes, 8) !== nodeId || written.epoch !== place.epoch || written.sequence !== place.sequence) {
    throw damaged(`was written as ${keyOf(readInt64(bytes, 8), written)}`)
  }
  const [first, second] = [readInt64(bytes, 40), readInt64(bytes, 48)]
  const kind = bytes.readUInt32BE(4)
  if (kind === BATCH) return { kind: 'batch', durableTo: first, count: second }
  if (kind === FENCE) return { kind: 'fence', successor: { epoch: first, sequence: second } }
  throw damaged(`is of the unknown kind ${kind}`)
}

/** A whole object; payloads are slices of `bytes`. Fault `corrupt` unless it is intact and was written for `place`. */
export function decodeObject(bytes: Buffer, nodeId: number, place: LogPlace): WalObject {
  const damaged = (what: string) => new Fault('corrupt', `write-ahead log: object ${keyOf(nodeId, place)} ${what}`)
  const header = decodeObjectHeader(bytes, nodeId, place)
  if (crc32c(bytes.subarray(OBJECT_HEADER_BYTES)) !== bytes.readUInt32BE(56)) {
    throw damaged('contradicts the checksum of its entries')
  }
  if (header.kind === 'fence') return header
  const records: WalRecord[] = []
  let at = OBJECT_HEADER_BYTES
  for (let i = 0; i < header.count; i++) {
    const payloadAt = at + ENTRY_HEADER_BYTES
    const end = payloadAt <= bytes.length ? payloadAt + bytes.readUInt32BE(at) : Number.POSITIVE_INFINITY
    if (end > bytes.length) throw damaged(`ends inside entry ${i} of ${header.count}`)
    records.push(decodeEntry(bytes, at, bytes.subarray(payloadAt, end)))
    at = end
  }
  if (at !== bytes.length) throw damaged(`has ${bytes.length - at} bytes after its ${header.count} entries`)
  return { kind: 'batch', records }
}

function copiedBytes(payload: Buffer): number {
  return payload.length <= COPIED_BYTES_MAX ? payload.length : 0
}

function encodeHeader(
  { nodeId, place, nonce }: ObjectIdentity,
  kind: number,
  first: number,
  second: number,
  bodyCrc: number
): Buffer {
  const header = Buffer.alloc(OBJECT_HEADER_BYTES)
  header.writeUInt32BE(MAGIC, 0)
  header.writeUInt32BE(kind, 4)
  writeInt64(header, nodeId, 8)
  writeInt64(header, place.epoch, 16)
  writeInt64(header, place.sequence, 24)
  nonce.copy(header, 32, 0, 8)
  writeInt64(header, first, 40)
  writeInt64(header, second, 48)
  header.writeUInt32BE(bodyCrc, 56)
  header.writeUInt32BE(crc32c(header.subarray(0, HEADER_CRC_AT)), HEADER_CRC_AT)
  return header
}

function encodeEntryHeader(target: Buffer, at: number, { streamId, epoch, entry }: WalRecord): void {
  target.writeUInt32BE(entry.payload.length, at)
  writeInt64(target, streamId, at + 4)
  writeInt64(target, epoch, at + 12)
  writeInt64(target, entry.baseOffset, at + 20)
  writeInt64(target, entry.lastOffset, at + 28)
  writeInt64(target, entry.maxTimestamp, at + 36)
}

function decodeEntry(source: Buffer, at: number, payload: Buffer): WalRecord {
  return {
    streamId: readInt64(source, at + 4),
    epoch: readInt64(source, at + 12),
    entry: {
      baseOffset: readInt64(source, at + 20),
      lastOffset: readInt64(source, at + 28),
      maxTimestamp: readInt64(source, at + 36),
      payload
    }
  }
}
