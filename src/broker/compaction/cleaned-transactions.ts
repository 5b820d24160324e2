/**
 * What the transactions met on a way through a partition say about each batch: whether its transaction was aborted, and
 * whether anything is left of the transaction that a marker ends. Pure; batches must be passed in offset order.
 *
 * A marker may only go after the last batch of its transaction has gone, or a reader would take what it still finds of it
 * for part of the producer's next one.
 */
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  isTransactional,
  lastOffset,
  type RecordBatch
} from '../../wire/records/batch-header.ts'
import { readRecords } from '../../wire/records/records.ts'

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
  /** Offset of its marker. */
  readonly lastOffset: number
}

/** `EndTransactionMarker` types, the second int16 of a control record's key (KIP-98). */
const ABORT = 0
const COMMIT = 1
const CONTROL_TYPE_POSITION = 2

export class CleanedTransactions {
  /** Aborted transactions whose marker has been passed without a batch of theirs: readers need not know them any more. */
  readonly vanished: AbortedTransaction[] = []
  /** Not reached yet, by first offset. */
  readonly #ahead: AbortedTransaction[]
  /** By producer. */
  readonly #aborted = new Map<number, AbortedTransaction>()
  readonly #withData = new Set<AbortedTransaction>()
  /** Producers of whom a batch has been passed since their last marker, and whose transaction was not aborted. */
  readonly #committing = new Set<number>()

  constructor(aborted: Iterable<AbortedTransaction>) {
    this.#ahead = [...aborted].sort((a, b) => b.firstOffset - a.firstOffset)
  }

  /** Passes a batch of data; whether it belongs to an aborted transaction. */
  passData(header: BatchHeader): boolean {
    this.#reach(lastOffset(header))
    if (!isTransactional(header)) return false
    const aborted = this.#abortedOf(header)
    if (aborted === undefined) this.#committing.add(header.producerId)
    else this.#withData.add(aborted)
    return aborted !== undefined
  }

  /** Passes a control batch; whether nothing is left of what it ends. One that was emptied before ends nothing. */
  passMarker(batch: RecordBatch): boolean {
    const { header } = batch
    this.#reach(lastOffset(header))
    switch (controlType(batch)) {
      case undefined:
        return true
      case ABORT: {
        const aborted = this.#abortedOf(header)
        this.#aborted.delete(header.producerId)
        if (aborted === undefined) return true
        if (this.#withData.delete(aborted)) return false
        this.vanished.push(aborted)
        return true
      }
      case COMMIT:
        return !this.#committing.delete(header.producerId)
      default:
        return false
    }
  }

  #reach(offset: number): void {
    for (let next = this.#ahead.at(-1); next !== undefined && next.firstOffset <= offset; next = this.#ahead.at(-1)) {
      this.#ahead.pop()
      this.#aborted.set(next.producerId, next)
    }
  }

  /** Nothing behind its marker belongs to a transaction, also when the marker is gone. */
  #abortedOf(header: BatchHeader): AbortedTransaction | undefined {
    const aborted = this.#aborted.get(header.producerId)
    return aborted !== undefined && header.baseOffset <= aborted.lastOffset ? aborted : undefined
  }
}

/** `undefined` for a control batch that holds no record any more. */
function controlType({ header, bytes }: RecordBatch): number | undefined {
  const [record] = readRecords(header, bytes.subarray(BATCH_HEADER_BYTES, header.sizeInBytes))
  return record === undefined ? undefined : record.key?.readInt16BE(CONTROL_TYPE_POSITION)
}
