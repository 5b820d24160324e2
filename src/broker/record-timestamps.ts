/**
 * Whether the timestamps of a batch lie where its topic takes them (`message.timestamp.before.max.ms` and `.after.max.ms`,
 * KIP-937). Topics that stamp records themselves (LogAppendTime) take any; a record without a timestamp passes.
 *
 * How late a batch is, its header tells: with the defaults the check is two comparisons. How early, only its records do.
 */
import { ErrorCode } from '../wire/error-codes.ts'
import { type BatchHeader, NO_TIMESTAMP } from '../wire/records/batch-header.ts'
import { RecordCursor } from '../wire/records/records.ts'
import type { RecordError, RecordProblem } from './record-problem.ts'
import type { TopicSettings } from './topic-settings.ts'

export type TimestampBounds = Pick<TopicSettings, 'logAppendTime' | 'timestampBeforeMaxMs' | 'timestampAfterMaxMs'>

/** Whether the records must be looked into: because one is too late for certain, or one may be too early. */
export function mayBeMistimed(header: BatchHeader, bounds: TimestampBounds, nowMs: number): boolean {
  return (isTooLate(header, bounds, nowMs) || bounds.timestampBeforeMaxMs <= nowMs) && !bounds.logAppendTime
}

/** `records`: those of the batch, unpacked. Fault `corrupt` when they cannot be read. */
export function findTimestampProblem(
  header: BatchHeader,
  records: Buffer,
  bounds: TimestampBounds,
  nowMs: number
): RecordProblem | undefined {
  if (!mayBeMistimed(header, bounds, nowMs)) return undefined
  const recordErrors = findMistimed(
    header,
    records,
    nowMs - bounds.timestampBeforeMaxMs,
    nowMs + bounds.timestampAfterMaxMs
  )
  // A header that says more than its records do is refused too: what is stored would be taken for that late.
  if (recordErrors.length === 0 && !isTooLate(header, bounds, nowMs)) return undefined
  const message = 'One or more records have been rejected due to invalid timestamp'
  return { errorCode: ErrorCode.INVALID_TIMESTAMP, message, recordErrors }
}

function isTooLate(header: BatchHeader, bounds: TimestampBounds, nowMs: number): boolean {
  return header.maxTimestamp - nowMs > bounds.timestampAfterMaxMs
}

function findMistimed(header: BatchHeader, records: Buffer, earliest: number, latest: number): RecordError[] {
  const found: RecordError[] = []
  const cursor = new RecordCursor(header, records)
  for (let batchIndex = 0; cursor.next(); batchIndex++) {
    const { timestamp } = cursor
    if (timestamp === NO_TIMESTAMP || (timestamp >= earliest && timestamp <= latest)) continue
    const batchIndexErrorMessage = `Timestamp ${timestamp} is out of range: the topic takes those from ${earliest} to ${latest}.`
    found.push({ batchIndex, batchIndexErrorMessage })
  }
  return found
}
