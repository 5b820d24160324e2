/**
 * The first pass of cleaning: which offset is the last of each key that was written since the last cleaning.
 *
 * Only what counts for readers is mapped: records with a key that are not of an aborted transaction. It ends where the map
 * is full, and where records are too young to be compacted (KIP-58).
 */

import type { StreamRewriting } from '../../stream/compaction/stream-rewriting.ts'
import type { Entry } from '../../stream/entry.ts'
import { isControl, parseBatchHeader, type RecordBatch } from '../../wire/records/batch-header.ts'
import { decompressRecords, RecordCursor } from '../../wire/records/records.ts'
import { CleanedTransactions } from './cleaned-transactions.ts'
import type { CompactedLog } from './compacted-log.ts'
import type { OffsetMap } from './offset-map.ts'
import type { Pace } from './pace.ts'

/** A batch that grows beyond this when it is decompressed cannot be compacted. */
export const DECOMPRESSED_BYTES_MAX = 256 * 1024 * 1024

export interface MappedKeys {
  /** Every batch before this offset is in the map. */
  readonly endOffset: number
  /** Payload bytes that were mapped. */
  readonly bytes: number
  readonly mapFull: boolean
}

export interface Mapping {
  readonly log: CompactedLog
  readonly rewriting: StreamRewriting
  readonly fromOffset: number
  readonly toOffset: number
  /** Batches with younger records are left for later, wall milliseconds. */
  readonly newestMs: number
  readonly map: OffsetMap
  readonly pace: Pace
}

export async function mapDirtyKeys(mapping: Mapping): Promise<MappedKeys> {
  const { log, rewriting, fromOffset, toOffset, map, newestMs, pace } = mapping
  const transactions = new CleanedTransactions(await log.abortedTransactions(fromOffset, toOffset))
  let endOffset = fromOffset
  let bytes = 0
  for await (const entries of rewriting.scan(log.streamId, fromOffset, toOffset)) {
    for (const entry of entries) {
      if (entry.lastOffset < fromOffset) continue
      if (entry.lastOffset >= toOffset || entry.maxTimestamp > newestMs) return { endOffset, bytes, mapFull: false }
      if (!(await mapBatch(entry, fromOffset, transactions, map))) return { endOffset, bytes, mapFull: true }
      endOffset = entry.lastOffset + 1
      bytes += entry.payload.length
      await pace.worked(entry.payload.length)
    }
  }
  return { endOffset: toOffset, bytes, mapFull: false }
}

/** False when the map is full. Keys that were mapped before it was do no harm: they are newer than all that is cleaned. */
async function mapBatch(
  { payload }: Entry,
  fromOffset: number,
  transactions: CleanedTransactions,
  map: OffsetMap
): Promise<boolean> {
  const batch: RecordBatch = { header: parseBatchHeader(payload, 0), bytes: payload }
  if (isControl(batch.header)) {
    transactions.passMarker(batch)
    return true
  }
  if (transactions.passData(batch.header)) return true
  const cursor = new RecordCursor(batch.header, await decompressRecords(batch, DECOMPRESSED_BYTES_MAX))
  while (cursor.next()) {
    if (!cursor.hasKey || cursor.offset < fromOffset) continue
    if (!map.put(cursor.key() as Buffer, cursor.offset)) return false
  }
  return true
}
