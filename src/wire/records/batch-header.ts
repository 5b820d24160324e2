/**
 * The 61-byte header of a Kafka record batch, format v2 (magic 2): reading it, its attribute bits, and the few fields
 * a broker may change in place. This is all the hot path knows of a batch; the records behind it stay opaque.
 *
 * Invariant: base offset, length, leader epoch, magic and CRC itself lie outside the checksum, everything from the
 * attributes on lies inside. So patching the former is free, and any change to the latter must renew the CRC.
 *
 * Parsing does not validate: `batch-validation.ts` does, for what clients send.
 *
 *   position  size  field
 *          0     8  base offset
 *          8     4  batch length: bytes after this field
 *         12     4  partition leader epoch
 *         16     1  magic
 *         17     4  CRC-32C of everything after it
 *         21     2  attributes
 *         23     4  last offset delta
 *         27     8  base timestamp
 *         35     8  max timestamp
 *         43     8  producer id
 *         51     2  producer epoch
 *         53     4  base sequence
 *         57     4  record count
 *         61        records, compressed as one block when the attributes name a codec
 *
 * Source: https://kafka.apache.org/documentation/#recordbatch (KIP-98, KIP-32, KIP-534).
 */
import { crc32c } from '@node-rs/crc32'
import { Fault } from '../../runtime/fault.ts'
import { readInt64, writeInt64 } from '../../runtime/int64.ts'

export const BATCH_HEADER_BYTES = 61
/** Base offset and batch length: what a batch has beyond its batch length. */
export const BATCH_LENGTH_OVERHEAD = 12
export const MAGIC_V2 = 2

export const BATCH_LENGTH_POSITION = 8
export const MAGIC_POSITION = 16
const CRC_POSITION = 17
const ATTRIBUTES_POSITION = 21
const MAX_TIMESTAMP_POSITION = 35

export const NO_TIMESTAMP = -1
export const NO_PRODUCER_ID = -1
export const NO_PRODUCER_EPOCH = -1
export const NO_SEQUENCE = -1
export const NO_LEADER_EPOCH = -1

export const CODEC_MASK = 0x07
const LOG_APPEND_TIME_BIT = 0x08
export const TRANSACTIONAL_BIT = 0x10
export const CONTROL_BIT = 0x20
export const DELETE_HORIZON_BIT = 0x40

const SEQUENCE_MAX = 0x7fff_ffff

/**
 * The header's fields by Kafka's names. 64-bit fields are numbers: exact within ±(2⁵³ − 1), rounded beyond;
 * validation refuses batches whose fields lie beyond. Timestamps are milliseconds since the epoch, -1 for none.
 */
export interface BatchHeader {
  readonly baseOffset: number
  readonly batchLength: number
  readonly partitionLeaderEpoch: number
  readonly magic: number
  readonly crc: number
  readonly attributes: number
  readonly lastOffsetDelta: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
  /** The whole batch, header included. */
  readonly sizeInBytes: number
}

/** A batch in memory: its parsed header and all of its bytes, header included. */
export interface RecordBatch {
  readonly header: BatchHeader
  readonly bytes: Buffer
}

/** Reads the header at `position`. Fault `corrupt` when fewer than 61 bytes are left; checks nothing else. */
export function parseBatchHeader(buffer: Buffer, position: number): BatchHeader {
  if (position < 0 || buffer.length - position < BATCH_HEADER_BYTES) {
    throw new Fault('corrupt', `A record batch needs ${BATCH_HEADER_BYTES} bytes, ${buffer.length - position} are left`)
  }
  const batchLength = buffer.readInt32BE(position + BATCH_LENGTH_POSITION)
  return {
    baseOffset: readInt64(buffer, position),
    batchLength,
    partitionLeaderEpoch: buffer.readInt32BE(position + 12),
    magic: buffer.readInt8(position + MAGIC_POSITION),
    crc: buffer.readUInt32BE(position + CRC_POSITION),
    attributes: buffer.readInt16BE(position + ATTRIBUTES_POSITION),
    lastOffsetDelta: buffer.readInt32BE(position + 23),
    baseTimestamp: readInt64(buffer, position + 27),
    maxTimestamp: readInt64(buffer, position + MAX_TIMESTAMP_POSITION),
    producerId: readInt64(buffer, position + 43),
    producerEpoch: buffer.readInt16BE(position + 51),
    baseSequence: buffer.readInt32BE(position + 53),
    recordCount: buffer.readInt32BE(position + 57),
    sizeInBytes: batchLength + BATCH_LENGTH_OVERHEAD
  }
}

/** Writes a header and the CRC over it and the records, which must stand behind it already. */
export function writeBatchHeader(buffer: Buffer, position: number, header: Omit<BatchHeader, 'crc'>): void {
  writeInt64(buffer, header.baseOffset, position)
  buffer.writeInt32BE(header.batchLength, position + BATCH_LENGTH_POSITION)
  buffer.writeInt32BE(header.partitionLeaderEpoch, position + 12)
  buffer.writeInt8(header.magic, position + MAGIC_POSITION)
  buffer.writeInt16BE(header.attributes, position + ATTRIBUTES_POSITION)
  buffer.writeInt32BE(header.lastOffsetDelta, position + 23)
  writeInt64(buffer, header.baseTimestamp, position + 27)
  writeInt64(buffer, header.maxTimestamp, position + MAX_TIMESTAMP_POSITION)
  writeInt64(buffer, header.producerId, position + 43)
  buffer.writeInt16BE(header.producerEpoch, position + 51)
  buffer.writeInt32BE(header.baseSequence, position + 53)
  buffer.writeInt32BE(header.recordCount, position + 57)
  buffer.writeUInt32BE(computeBatchCrc(buffer, position, header.sizeInBytes), position + CRC_POSITION)
}

/** Gives the batch at `position` its place in the log. In place; the CRC covers neither field. */
export function patchBatchHeader(buffer: Buffer, position: number, baseOffset: number, leaderEpoch: number): void {
  writeInt64(buffer, baseOffset, position)
  buffer.writeInt32BE(leaderEpoch, position + 12)
}

/**
 * Stamps the batch at `position` with the broker's time, as `message.timestamp.type=LogAppendTime` asks (KIP-32).
 * In place, and renews the CRC: the one change to a client's batch that costs a pass over its bytes.
 */
export function patchLogAppendTime(buffer: Buffer, position: number, timestamp: number): void {
  const sizeInBytes = buffer.readInt32BE(position + BATCH_LENGTH_POSITION) + BATCH_LENGTH_OVERHEAD
  const attributes = buffer.readInt16BE(position + ATTRIBUTES_POSITION)
  buffer.writeInt16BE(attributes | LOG_APPEND_TIME_BIT, position + ATTRIBUTES_POSITION)
  writeInt64(buffer, timestamp, position + MAX_TIMESTAMP_POSITION)
  buffer.writeUInt32BE(computeBatchCrc(buffer, position, sizeInBytes), position + CRC_POSITION)
}

/** CRC-32C of the batch's bytes from the attributes on. Copies nothing. */
export function computeBatchCrc(buffer: Buffer, position: number, sizeInBytes: number): number {
  return crc32c(buffer.subarray(position + ATTRIBUTES_POSITION, position + sizeInBytes))
}

/** Codec id: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; 5 to 7 are unknown. */
export function compressionCodec(header: BatchHeader): number {
  return header.attributes & CODEC_MASK
}

/** Whether record timestamps are the producer's, or the batch's max timestamp is the broker's and stands for all. */
export function timestampType(header: BatchHeader): 'create-time' | 'log-append-time' {
  return (header.attributes & LOG_APPEND_TIME_BIT) === 0 ? 'create-time' : 'log-append-time'
}

export function isTransactional(header: BatchHeader): boolean {
  return (header.attributes & TRANSACTIONAL_BIT) !== 0
}

/** Whether the bytes begin with the header of a transactional batch; looks at nothing else and allocates nothing. */
export function startsTransactional(bytes: Buffer): boolean {
  if (bytes.length < BATCH_HEADER_BYTES || bytes.readInt8(MAGIC_POSITION) !== MAGIC_V2) return false
  return (bytes.readInt16BE(ATTRIBUTES_POSITION) & TRANSACTIONAL_BIT) !== 0
}

/** Control batches carry markers of the transaction protocol, not data. */
export function isControl(header: BatchHeader): boolean {
  return (header.attributes & CONTROL_BIT) !== 0
}

/** When set, the base timestamp is the time from which compaction may drop the batch's tombstones (KIP-534). */
export function hasDeleteHorizon(header: BatchHeader): boolean {
  return (header.attributes & DELETE_HORIZON_BIT) !== 0
}

/** Milliseconds; `undefined` when compaction has not given the batch a delete horizon. */
export function deleteHorizonMs(header: BatchHeader): number | undefined {
  return hasDeleteHorizon(header) ? header.baseTimestamp : undefined
}

export function hasProducerId(header: BatchHeader): boolean {
  return header.producerId > NO_PRODUCER_ID
}

export function lastOffset(header: BatchHeader): number {
  return header.baseOffset + header.lastOffsetDelta
}

/** Sequence of the batch's last record; -1 when the producer is not idempotent. */
export function lastSequence(header: BatchHeader): number {
  if (header.baseSequence === NO_SEQUENCE) return NO_SEQUENCE
  return incrementSequence(header.baseSequence, header.lastOffsetDelta)
}

/** Sequence that the producer's next batch starts with; -1 when the producer is not idempotent. */
export function nextSequence(header: BatchHeader): number {
  if (header.baseSequence === NO_SEQUENCE) return NO_SEQUENCE
  return incrementSequence(lastSequence(header), 1)
}

/** Sequences run from 0 to 2³¹ − 1 and start again at 0. */
export function incrementSequence(sequence: number, increment: number): number {
  const free = SEQUENCE_MAX - sequence
  return increment > free ? increment - free - 1 : sequence + increment
}

export function decrementSequence(sequence: number, decrement: number): number {
  return decrement > sequence ? SEQUENCE_MAX - (decrement - sequence) + 1 : sequence - decrement
}
