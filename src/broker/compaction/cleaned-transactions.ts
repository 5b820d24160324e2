/**
 * What the transactions met on a way through a partition say about each batch: whether its transaction was aborted, and
 * whether anything is left of the transaction that a marker ends. Pure; batches must be passed in offset order.
 *
 * A marker may only go after the last batch of its transaction has gone, or a reader would take what it still finds of it
 * for part of the producer's next one.
 */
import { type BatchHeader, isTransactional, lastOffset, type RecordBatch } from '../../wire/records/batch-header.ts'
import { readEndMarker } from '../../wire/records/end-marker.ts'
import type { AbortedTransaction } from '../partition/aborted-note.ts'

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
    if (header.recordCount === 0) return true
    const end = readEndMarker(batch)
    if (end === undefined) return false
    if (end.committed) return !this.#committing.delete(header.producerId)
    const aborted = this.#abortedOf(header)
    this.#aborted.delete(header.producerId)
    if (aborted === undefined) return true
    if (this.#withData.delete(aborted)) return false
    this.vanished.push(aborted)
    return true
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
