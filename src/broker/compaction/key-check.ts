/**
 * Refuses records without key on their way to a compacted topic (KIP-467): nothing would ever supersede them.
 *
 * Invariant: batches go on in the order in which they came, although only compressed ones have to wait until they are
 * unpacked. They are unpacked one at a time, so that what that needs in memory is bounded.
 */
import { isFault } from '../../runtime/fault.ts'
import { BATCH_HEADER_BYTES, compressionCodec, type RecordBatch } from '../../wire/records/batch-header.ts'
import { decompressRecords, findKeyless } from '../../wire/records/records.ts'
import type { Partition } from '../partition/partition.ts'

/** A batch that grows beyond this when it is unpacked is refused; a producer's batch size keeps it far below. */
const UNPACKED_BYTES_MAX = 64 * 1024 * 1024
/** As many errors as Kafka repeats in its message. */
const SHOWN_MAX = 3

export interface RecordError {
  /** Place of the record in its batch. */
  readonly batchIndex: number
  readonly batchIndexErrorMessage: string
}

export interface KeyProblem {
  readonly message: string
  readonly recordErrors: readonly RecordError[]
}

type PartitionName = Pick<Partition, 'topicName' | 'index'>

export class KeyCheck {
  /** Ends when all that came so far has gone on. */
  #before: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /** What `goOn` makes of the batch, told what is wrong with its keys: at once when nothing must be unpacked before. */
  check<T>(partition: PartitionName, batch: RecordBatch, goOn: (problem: KeyProblem | undefined) => T): T | Promise<T> {
    if (this.#waiting === 0 && compressionCodec(batch.header) === 0) return goOn(findProblem(partition, batch))
    this.#waiting++
    const checked = this.#before.then(async () => goOn(await findProblemPacked(partition, batch)))
    const done = () => {
      this.#waiting--
    }
    this.#before = checked.then(done, done)
    return checked
  }
}

async function findProblemPacked(partition: PartitionName, batch: RecordBatch): Promise<KeyProblem | undefined> {
  try {
    return findProblem(partition, batch, await decompressRecords(batch, UNPACKED_BYTES_MAX))
  } catch (error) {
    return unreadable(error)
  }
}

function findProblem(
  { topicName, index }: PartitionName,
  { header, bytes }: RecordBatch,
  records = bytes.subarray(BATCH_HEADER_BYTES, header.sizeInBytes)
): KeyProblem | undefined {
  try {
    const places = findKeyless(header, records)
    if (places.length === 0) return undefined
    const what = `Compacted topic cannot accept message without key in topic partition ${topicName}-${index}.`
    const recordErrors = places.map((batchIndex) => ({ batchIndex, batchIndexErrorMessage: what }))
    const shown = recordErrors.slice(0, SHOWN_MAX).map((e) => `${e.batchIndex}: ${e.batchIndexErrorMessage}`)
    return { message: `${places.length} records were rejected, among them ${shown.join(', ')}`, recordErrors }
  } catch (error) {
    return unreadable(error)
  }
}

/** Kafka refuses a batch whose records it cannot read, whatever the topic. */
function unreadable(error: unknown): KeyProblem {
  if (!isFault(error)) throw error
  return { message: error.message, recordErrors: [] }
}
