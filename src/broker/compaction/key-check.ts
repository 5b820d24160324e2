/** Refuses records without key on their way to a compacted topic (KIP-467): nothing would ever supersede them. */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { BatchHeader } from '../../wire/records/batch-header.ts'
import { findKeyless } from '../../wire/records/records.ts'
import type { RecordProblem } from '../record-problem.ts'

/** As many errors as Kafka repeats in its message. */
const SHOWN_MAX = 3

/** Where a batch goes. */
export interface PartitionName {
  readonly topicName: string
  readonly index: number
}

/** `records` are those of the batch, unpacked. Fault `corrupt` when they cannot be read. */
export function findKeyProblem(
  { topicName, index }: PartitionName,
  header: BatchHeader,
  records: Buffer
): RecordProblem | undefined {
  const places = findKeyless(header, records)
  if (places.length === 0) return undefined
  const what = `Compacted topic cannot accept message without key in topic partition ${topicName}-${index}.`
  const recordErrors = places.map((batchIndex) => ({ batchIndex, batchIndexErrorMessage: what }))
  const shown = recordErrors.slice(0, SHOWN_MAX).map((e) => `${e.batchIndex}: ${e.batchIndexErrorMessage}`)
  const message = `${places.length} records were rejected, among them ${shown.join(', ')}`
  return { errorCode: ErrorCode.INVALID_RECORD, message, recordErrors }
}
