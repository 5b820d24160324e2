/**
 * Stores a batch with another codec than it was sent with (topic setting `compression.type`).
 *
 * Invariant: only the block of records is packed anew. Records, offsets, sequences, producer and timestamps stay byte for
 * byte what the producer sent; the length, the codec in the attributes and the CRC change.
 */
import {
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_OVERHEAD,
  CODEC_MASK,
  compressionCodec,
  parseBatchHeader,
  type RecordBatch,
  writeBatchHeader
} from '../wire/records/batch-header.ts'
import { codecId, compress } from '../wire/records/compression.ts'
import type { Compression } from './topic-settings.ts'

/** Whether the batch is stored otherwise than it was sent; a level alone does not matter, as in Kafka. */
export function needsRecompression(batch: RecordBatch, compression: Compression | undefined): boolean {
  return compression !== undefined && compressionCodec(batch.header) !== codecId(compression.codec)
}

/** `records`: those of the batch, unpacked. Returns another batch; the given one stays as it is. */
export async function recompress(
  { header }: RecordBatch,
  records: Buffer,
  { codec, level }: Compression
): Promise<RecordBatch> {
  const packed = await compress(codec, records, level)
  const bytes = Buffer.allocUnsafe(BATCH_HEADER_BYTES + packed.length)
  packed.copy(bytes, BATCH_HEADER_BYTES)
  const attributes = (header.attributes & ~CODEC_MASK) | codecId(codec)
  const sizeInBytes = bytes.length
  writeBatchHeader(bytes, 0, { ...header, attributes, sizeInBytes, batchLength: sizeInBytes - BATCH_LENGTH_OVERHEAD })
  return { header: parseBatchHeader(bytes, 0), bytes }
}
