/**
 * The log of a shard as its memory sees it: what is appended is applied once it and everything before it is durable.
 * After an append failed nobody knows what the log holds, so none follows it: the shard is loaded anew.
 */
import { Fault } from '../../runtime/fault.ts'
import { storageError } from '../coordinator-shards.ts'
import { BatchRefused, type LogProducer, type LogRecord, type RecordLog, type TransactionEnd } from '../record-log.ts'

/** What clients are told of a write: NONE, or to look for the coordinator again. */
export type StorageAnswer = 'NONE' | 'NOT_COORDINATOR' | 'COORDINATOR_NOT_AVAILABLE'

/** Throws `BatchRefused` on. */
export function outcome(stored: Promise<void>): Promise<StorageAnswer> {
  return stored.then(
    () => 'NONE',
    (error: unknown) => {
      if (error instanceof BatchRefused) throw error
      return storageError(error)
    }
  )
}

/** Told when something is durable; `position` rises with the place in the log. */
type Apply = (position: number) => void

export class ShardLog {
  readonly #recordLog: RecordLog
  readonly #onFailed: (error: unknown) => void
  /** Of the last batch. */
  #position = 0
  /** Settles when everything appended so far is durable and applied. */
  #tail: Promise<void> = Promise.resolve()
  #closed = false

  constructor(recordLog: RecordLog, onFailed: (error: unknown) => void) {
    this.#recordLog = recordLog
    this.#onFailed = onFailed
  }

  /** Hands over everything that is durable, oldest first. */
  readAll(visitor: {
    records: (records: readonly LogRecord[], transaction: LogProducer | undefined, position: number) => void
    end: (producer: LogProducer, committed: boolean) => void
  }): Promise<void> {
    return this.#recordLog.readAll({
      records: (records, transaction) => visitor.records(records, transaction, ++this.#position),
      end: ({ producer, committed }) => visitor.end(producer, committed)
    })
  }

  append(records: readonly LogRecord[], apply: Apply): Promise<void> {
    return this.#track(async () => {
      try {
        await this.#recordLog.append(records)
      } catch (error) {
        // Memory is ahead of the log already.
        throw error instanceof BatchRefused ? new Fault('unavailable', error.message, { cause: error }) : error
      }
    }, apply)
  }

  /** Throws `BatchRefused` when the producer may not write; nothing has happened then. */
  appendPending(records: readonly LogRecord[], producer: LogProducer, apply: Apply): Promise<void> {
    return this.#track(() => this.#recordLog.append(records, producer), apply)
  }

  /** Throws `BatchRefused` when the coordinator is fenced; nothing has happened then. */
  appendEnd(transactionEnd: TransactionEnd, apply: Apply): Promise<void> {
    return this.#track(() => this.#recordLog.appendEnd(transactionEnd), apply)
  }

  /** Resolves when everything appended so far is durable and applied. */
  settled(): Promise<void> {
    return this.#tail
  }

  /** Takes nothing more; what was appended may still become durable. */
  close(): void {
    this.#closed = true
  }

  #track(append: () => Promise<void>, apply: Apply): Promise<void> {
    if (this.#closed) return Promise.reject(new Fault('closed', 'the group partition is closed'))
    const before = this.#tail
    const position = ++this.#position
    const applied = Promise.all([before, append()]).then(() => apply(position))
    this.#tail = applied.catch((error: unknown) => {
      if (!(error instanceof BatchRefused)) throw error
      return before
    })
    this.#tail.catch((error: unknown) => {
      if (!this.#closed) this.#onFailed(error)
    })
    return applied
  }
}
