/**
 * A batch without some of its records, as compaction leaves it: the records that stay keep their offsets, the batch keeps
 * its offsets, producer, sequence, leader epoch and codec, so that readers and producers' sequences see no difference
 * beyond the gaps.
 *
 * Invariant: what stays is byte for byte what the producer sent, but for timestamp deltas when the batch gets its delete
 * horizon (KIP-534), and that only once. A batch in which nothing changes is given back as it came, the same Buffer.
 * It does not decide what stays: `broker/compaction/` does.
 *
 * Unlike Kafka, which builds the batch anew, the base timestamp is left alone even when the first record goes.
 */
import {
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_OVERHEAD,
  type BatchHeader,
  CODEC_MASK,
  compressionCodec,
  DELETE_HORIZON_BIT,
  hasDeleteHorizon,
  NO_TIMESTAMP,
  type RecordBatch,
  timestampType,
  writeBatchHeader
} from './batch-header.ts'
import { codecById, compress } from './compression.ts'
import { decompressRecords, RecordCursor } from './records.ts'
import { varintSize, writeVarint } from './varint.ts'

export interface BatchFilter {
  /** Judges the record on which the cursor stands; asked once for each, in order. */
  readonly keeps: (record: RecordCursor) => boolean
  /** When no record stays: whether the batch remains, empty. */
  readonly keepsEmpty: boolean
  /** Time from which on tombstones may go, wall milliseconds: for a batch that holds one and has no such time yet. */
  readonly deleteHorizonMs: number
  /** Whether the batch gets that time even without a tombstone, as a transaction marker does. */
  readonly expires: boolean
}

interface Filtered {
  /** Record bytes that stay, in pieces. */
  readonly pieces: Buffer[]
  readonly count: number
  readonly maxTimestamp: number
  readonly hasTombstone: boolean
}

/**
 * What is left of the batch; `undefined` when nothing is. Faults as those of `decompress`; `decompressedBytesMax` bounds
 * what is held of the batch at once.
 */
export async function filterBatch(
  batch: RecordBatch,
  filter: BatchFilter,
  decompressedBytesMax: number
): Promise<Buffer | undefined> {
  const { header, bytes } = batch
  const records = await decompressRecords(batch, decompressedBytesMax)
  const left = filterRecords(header, records, filter.keeps)
  if (left.count === 0) return filter.keepsEmpty ? emptyBatch(batch) : undefined
  const getsHorizon = (filter.expires || left.hasTombstone) && !hasDeleteHorizon(header)
  if (left.count === header.recordCount && !getsHorizon) return bytes
  const kept = { ...header, recordCount: left.count }
  if (timestampType(header) === 'create-time') kept.maxTimestamp = left.maxTimestamp
  if (!getsHorizon) return assemble(kept, left.pieces)
  const retimed = retime(kept, Buffer.concat(left.pieces), filter.deleteHorizonMs)
  kept.attributes |= DELETE_HORIZON_BIT
  kept.baseTimestamp = filter.deleteHorizonMs
  return assemble(kept, [retimed])
}

function filterRecords(header: BatchHeader, records: Buffer, keeps: BatchFilter['keeps']): Filtered {
  const pieces: Buffer[] = []
  let pieceStart = 0
  let count = 0
  let maxTimestamp = NO_TIMESTAMP
  let hasTombstone = false
  const cursor = new RecordCursor(header, records)
  while (cursor.next()) {
    if (keeps(cursor)) {
      count++
      if (cursor.timestamp > maxTimestamp) maxTimestamp = cursor.timestamp
      hasTombstone ||= cursor.isTombstone()
    } else {
      if (cursor.start > pieceStart) pieces.push(records.subarray(pieceStart, cursor.start))
      pieceStart = cursor.end
    }
  }
  if (records.length > pieceStart) pieces.push(records.subarray(pieceStart))
  return { pieces, count, maxTimestamp, hasTombstone }
}

/** The same records with their timestamps told from another base. */
function retime(header: BatchHeader, records: Buffer, baseTimestamp: number): Buffer {
  const pieces: Buffer[] = []
  const cursor = new RecordCursor(header, records)
  while (cursor.next()) {
    const delta = cursor.timestamp - baseTimestamp
    const timeless = records.subarray(cursor.timelessStart, cursor.end)
    const length = 1 + varintSize(delta) + timeless.length
    const front = Buffer.alloc(varintSize(length) + 1 + varintSize(delta))
    // The byte between the two is the record's attributes, which no version uses.
    writeVarint(front, writeVarint(front, 0, length) + 1, delta)
    pieces.push(front, timeless)
  }
  return Buffer.concat(pieces)
}

async function assemble(header: BatchHeader, pieces: readonly Buffer[]): Promise<Buffer> {
  const codec = codecById(compressionCodec(header))
  const records = codec === 'none' ? pieces : [await compress(codec, Buffer.concat(pieces))]
  return withHeader(header, records)
}

/** A batch of no records keeps the place and the sequence of those it had. */
function emptyBatch({ header, bytes }: RecordBatch): Buffer {
  if (header.recordCount === 0) return bytes
  const attributes = header.attributes & ~(CODEC_MASK | DELETE_HORIZON_BIT)
  return withHeader({ ...header, attributes, baseTimestamp: NO_TIMESTAMP, recordCount: 0 }, [])
}

function withHeader(header: BatchHeader, records: readonly Buffer[]): Buffer {
  const batch = Buffer.concat([Buffer.alloc(BATCH_HEADER_BYTES), ...records])
  const sizeInBytes = batch.length
  writeBatchHeader(batch, 0, { ...header, sizeInBytes, batchLength: sizeInBytes - BATCH_LENGTH_OVERHEAD })
  return batch
}
