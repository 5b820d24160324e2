/**
 * Builds record batches of format v2, for our own producers, for the broker's internal records, and for compaction,
 * which writes a batch again with fewer records but the same offsets and producer.
 *
 * The output is what Kafka's Java client writes for the same records, byte by byte (compressed bytes aside).
 * Reading is in `records.ts`.
 */
import { Fault } from '../../runtime/fault.ts'
import {
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_OVERHEAD,
  CONTROL_BIT,
  MAGIC_V2,
  NO_LEADER_EPOCH,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  NO_TIMESTAMP,
  TRANSACTIONAL_BIT,
  writeBatchHeader
} from './batch-header.ts'
import { type Codec, codecId, compress } from './compression.ts'
import type { RecordHeader } from './records.ts'
import { varintSize, writeVarint } from './varint.ts'

export interface NewRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** Milliseconds since the epoch, -1 for none. */
  readonly timestamp: number
  readonly headers?: readonly RecordHeader[]
  /** Absolute; rising from record to record. Default: one more than the record before. */
  readonly offset?: number
}

export interface BatchOptions {
  /** Default 0, as producers must send. */
  readonly baseOffset?: number
  /** Last offset the batch stands for, when compaction removed the record that had it. */
  readonly lastOffset?: number
  readonly leaderEpoch?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly transactional?: boolean
  readonly control?: boolean
}

/** What lengths and deltas need to know of all records before the first is written. */
interface Plan {
  readonly baseOffset: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly lastOffset: number
  readonly offsets: readonly number[]
  /** Per record, the value of its length field. */
  readonly lengths: readonly number[]
  readonly bytes: number
}

/** An uncompressed batch. Fault `invalid` when `records` is empty or an offset does not fit. */
export function buildBatch(records: readonly NewRecord[], options: BatchOptions = {}): Buffer {
  const plan = planRecords(records, options)
  const batch = Buffer.allocUnsafe(BATCH_HEADER_BYTES + plan.bytes)
  writeRecords(batch, BATCH_HEADER_BYTES, records, plan)
  return finishBatch(batch, records.length, plan, options, 'none')
}

/** As `buildBatch`, with the records compressed. */
export async function buildCompressedBatch(
  codec: Codec,
  records: readonly NewRecord[],
  options: BatchOptions = {}
): Promise<Buffer> {
  const plan = planRecords(records, options)
  const plain = Buffer.allocUnsafe(plan.bytes)
  writeRecords(plain, 0, records, plan)
  const batch = Buffer.concat([Buffer.alloc(BATCH_HEADER_BYTES), await compress(codec, plain)])
  return finishBatch(batch, records.length, plan, options, codec)
}

function planRecords(records: readonly NewRecord[], options: BatchOptions): Plan {
  const first = records[0]
  if (first === undefined) throw new Fault('invalid', 'A batch needs at least one record')
  const baseOffset = options.baseOffset ?? 0
  const offsets: number[] = []
  const lengths: number[] = []
  let bytes = 0
  let lastOffset = baseOffset - 1
  let maxTimestamp = NO_TIMESTAMP
  for (const record of records) {
    const offset = record.offset ?? lastOffset + 1
    if (offset <= lastOffset) throw new Fault('invalid', `Offset ${offset} does not follow ${lastOffset}`)
    const length = recordLength(record, record.timestamp - first.timestamp, offset - baseOffset)
    offsets.push(offset)
    lengths.push(length)
    bytes += varintSize(length) + length
    lastOffset = offset
    maxTimestamp = Math.max(maxTimestamp, record.timestamp)
  }
  if (options.lastOffset !== undefined && options.lastOffset < lastOffset) {
    throw new Fault('invalid', `A batch up to offset ${options.lastOffset} cannot hold a record at ${lastOffset}`)
  }
  lastOffset = options.lastOffset ?? lastOffset
  return { baseOffset, baseTimestamp: first.timestamp, maxTimestamp, lastOffset, offsets, lengths, bytes }
}

function recordLength(record: NewRecord, timestampDelta: number, offsetDelta: number): number {
  const headers = record.headers ?? []
  let length = 1 + varintSize(timestampDelta) + varintSize(offsetDelta)
  length += nullableSize(record.key) + nullableSize(record.value) + varintSize(headers.length)
  for (const header of headers) {
    const keyBytes = Buffer.byteLength(header.key)
    length += varintSize(keyBytes) + keyBytes + nullableSize(header.value)
  }
  return length
}

function writeRecords(buffer: Buffer, position: number, records: readonly NewRecord[], plan: Plan): void {
  let at = position
  records.forEach((record, index) => {
    const offset = plan.offsets[index] ?? 0
    at = writeVarint(buffer, at, plan.lengths[index] ?? 0)
    at = buffer.writeInt8(0, at)
    at = writeVarint(buffer, at, record.timestamp - plan.baseTimestamp)
    at = writeVarint(buffer, at, offset - plan.baseOffset)
    at = writeNullable(buffer, at, record.key)
    at = writeNullable(buffer, at, record.value)
    at = writeHeaders(buffer, at, record.headers ?? [])
  })
}

function writeHeaders(buffer: Buffer, position: number, headers: readonly RecordHeader[]): number {
  let at = writeVarint(buffer, position, headers.length)
  for (const header of headers) {
    at = writeVarint(buffer, at, Buffer.byteLength(header.key))
    at += buffer.write(header.key, at, 'utf8')
    at = writeNullable(buffer, at, header.value)
  }
  return at
}

function nullableSize(bytes: Buffer | null): number {
  return bytes === null ? 1 : varintSize(bytes.length) + bytes.length
}

function writeNullable(buffer: Buffer, position: number, bytes: Buffer | null): number {
  if (bytes === null) return writeVarint(buffer, position, -1)
  const at = writeVarint(buffer, position, bytes.length)
  return at + bytes.copy(buffer, at)
}

function finishBatch(batch: Buffer, recordCount: number, plan: Plan, options: BatchOptions, codec: Codec): Buffer {
  const flags = (options.transactional ? TRANSACTIONAL_BIT : 0) | (options.control ? CONTROL_BIT : 0)
  writeBatchHeader(batch, 0, {
    baseOffset: plan.baseOffset,
    batchLength: batch.length - BATCH_LENGTH_OVERHEAD,
    partitionLeaderEpoch: options.leaderEpoch ?? NO_LEADER_EPOCH,
    magic: MAGIC_V2,
    attributes: codecId(codec) | flags,
    lastOffsetDelta: plan.lastOffset - plan.baseOffset,
    baseTimestamp: plan.baseTimestamp,
    maxTimestamp: plan.maxTimestamp,
    producerId: options.producerId ?? NO_PRODUCER_ID,
    producerEpoch: options.producerEpoch ?? NO_PRODUCER_EPOCH,
    baseSequence: options.baseSequence ?? NO_SEQUENCE,
    recordCount,
    sizeInBytes: batch.length
  })
  return batch
}
