/**
 * Looks into the record batches that streams hold: frame, CRC-32C, offsets, and every record after decompression.
 * The storage engine never does: to it a batch is opaque.
 */
import { isFault } from '../../runtime/fault.ts'
import type { Entry } from '../../stream/entry.ts'
import { computeBatchCrc, lastOffset, type RecordBatch } from '../../wire/records/batch-header.ts'
import { decompressRecords, readBatches, readRecords } from '../../wire/records/records.ts'
import type { CheckedEntry } from './object-check.ts'

/** Records of one batch, decompressed. Far beyond what a broker accepts compressed. */
export const DECOMPRESSED_BYTES_MAX = 512 * 1024 * 1024

export async function checkRecords(entry: Entry): Promise<CheckedEntry> {
  try {
    const [batch, ...more] = [...readBatches(entry.payload)]
    if (batch === undefined || batch.bytes.length + more.length !== entry.payload.length) {
      return { records: 0, problem: `its ${entry.payload.length} bytes are not exactly one record batch` }
    }
    const records = await countRecords(batch)
    return { records, problem: headerProblem(entry, batch) }
  } catch (error) {
    if (!isFault(error, 'corrupt') && !isFault(error, 'invalid')) throw error
    return { records: 0, problem: `its record batch is damaged: ${error.message}` }
  }
}

function headerProblem(entry: Entry, { header, bytes }: RecordBatch): string | undefined {
  const crc = computeBatchCrc(bytes, 0, header.sizeInBytes)
  if (crc !== header.crc)
    return `its record batch has CRC-32C ${header.crc.toString(16)}, its bytes give ${crc.toString(16)}`
  if (header.baseOffset !== entry.baseOffset || lastOffset(header) !== entry.lastOffset) {
    return `its record batch says offsets ${header.baseOffset} to ${lastOffset(header)}, the entry ${entry.baseOffset} to ${entry.lastOffset}`
  }
  // Compaction leaves some batches without records; their time says nothing any more.
  if (header.recordCount > 0 && header.maxTimestamp !== entry.maxTimestamp) {
    return `its record batch says ${header.maxTimestamp} as largest timestamp, the entry ${entry.maxTimestamp}`
  }
  return undefined
}

/** Decodes every record; Fault `corrupt` when one contradicts its length, offset or number. */
async function countRecords(batch: RecordBatch): Promise<number> {
  let records = 0
  let previous = -1
  for (const record of readRecords(batch.header, await decompressRecords(batch, DECOMPRESSED_BYTES_MAX))) {
    if (record.offset <= previous) return records
    previous = record.offset
    records++
  }
  return records
}
