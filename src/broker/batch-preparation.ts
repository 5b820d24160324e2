/**
 * What a topic's settings ask of a produced batch beyond its header: judged, or made anew, before it is appended. The one
 * place that looks into records on their way in; a topic that asks for nothing never comes here with more than a few
 * comparisons.
 *
 * Batches that must be unpacked take turns, so that what that needs in memory is bounded. Which batch of a partition goes
 * first is not decided here: `append-order.ts` does that.
 */
import { isFault } from '../runtime/fault.ts'
import { ErrorCode } from '../wire/error-codes.ts'
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  compressionCodec,
  type RecordBatch
} from '../wire/records/batch-header.ts'
import { decompressRecords } from '../wire/records/records.ts'
import { findKeyProblem, type PartitionName } from './compaction/key-check.ts'
import { needsRecompression, recompress } from './recompression.ts'
import type { RecordProblem } from './record-problem.ts'
import { findTimestampProblem, mayBeMistimed } from './record-timestamps.ts'
import type { TopicSettings } from './topic-settings.ts'

/** A batch that grows beyond this when it is unpacked is refused; a producer's batch size keeps it far below. */
const UNPACKED_BYTES_MAX = 64 * 1024 * 1024

/** The batch to append instead; undefined: the batch as it is. Told apart by `isProblem`. */
export type Prepared = RecordBatch | RecordProblem | undefined

export function isProblem(prepared: Prepared): prepared is RecordProblem {
  return prepared !== undefined && 'errorCode' in prepared
}

export class BatchPreparation {
  /** Ends when nobody unpacks any more. */
  #turn: Promise<unknown> = Promise.resolve()

  /**
   * Immediate unless records must be unpacked or packed. Never rejects but for bugs. Called for every produced batch, so
   * what needs nothing must cost nothing. `nowMs`: wall time of the request.
   */
  prepare(
    partition: PartitionName,
    settings: TopicSettings,
    batch: RecordBatch,
    nowMs: number
  ): Prepared | Promise<Prepared> {
    const recompressed = needsRecompression(batch, settings.compression)
    if (!recompressed && !settings.compact && !mayBeMistimed(batch.header, settings, nowMs)) return undefined
    // The partition refuses it; it must not cost anything before.
    if (batch.bytes.length > settings.maxMessageBytes) return undefined
    if (recompressed || compressionCodec(batch.header) !== 0) {
      return this.#inTurn(() => prepareUnpacked(partition, settings, batch, nowMs))
    }
    try {
      const records = batch.bytes.subarray(BATCH_HEADER_BYTES, batch.header.sizeInBytes)
      return findProblem(partition, settings, batch.header, records, nowMs)
    } catch (error) {
      return unreadable(error)
    }
  }

  /** `work` never rejects but for bugs. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done
    return done
  }
}

async function prepareUnpacked(
  partition: PartitionName,
  settings: TopicSettings,
  batch: RecordBatch,
  nowMs: number
): Promise<Prepared> {
  try {
    const records = await decompressRecords(batch, UNPACKED_BYTES_MAX)
    const problem = findProblem(partition, settings, batch.header, records, nowMs)
    const { compression } = settings
    if (problem !== undefined || compression === undefined || !needsRecompression(batch, compression)) return problem
    return await recompress(batch, records, compression)
  } catch (error) {
    return unreadable(error)
  }
}

/** Of a record without key and out of time the missing key is told; that any is out of time decides the answer, as in Kafka. */
function findProblem(
  partition: PartitionName,
  settings: TopicSettings,
  header: BatchHeader,
  records: Buffer,
  nowMs: number
): RecordProblem | undefined {
  const keyProblem = settings.compact ? findKeyProblem(partition, header, records) : undefined
  const timeProblem = findTimestampProblem(header, records, settings, nowMs)
  if (keyProblem === undefined || timeProblem === undefined) return keyProblem ?? timeProblem
  const keyless = new Set(keyProblem.recordErrors.map(({ batchIndex }) => batchIndex))
  const mistimed = timeProblem.recordErrors.filter(({ batchIndex }) => !keyless.has(batchIndex))
  if (mistimed.length === 0) return keyProblem
  const recordErrors = [...keyProblem.recordErrors, ...mistimed].sort((a, b) => a.batchIndex - b.batchIndex)
  return { ...timeProblem, recordErrors }
}

/** Kafka refuses a batch whose records it cannot read, whatever the topic. */
function unreadable(error: unknown): RecordProblem {
  if (!isFault(error)) throw error
  return { errorCode: ErrorCode.INVALID_RECORD, message: error.message, recordErrors: [] }
}
