/**
 * The transactional ids of one partition of `__transaction_state`: performs what `transaction.ts` decides, stores it, and
 * sees to it that every transaction whose end is decided gets its markers.
 *
 * Invariants: memory never runs behind the log: if an append fails, the shard gives up and whoever leads the partition
 * loads it anew. An answer leaves only after every record of its transactional id is durable; markers are written only
 * after the decision is, and the end is recorded only after every marker is.
 */
import { type Clock, sleep } from '../../runtime/clock.ts'
import { isFault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import { ErrorCode, errorName } from '../../wire/error-codes.ts'
import { type ClosedError, type CoordinatorShard, storageError } from '../coordinator-shards.ts'
import type { LogRecord, RecordLog, TransactionEnd } from '../record-log.ts'
import {
  complete,
  type Decision,
  fence,
  hasExpired,
  hasTimedOut,
  isCommit,
  isEnding,
  type Transaction,
  type TransactionVersion
} from './transaction.ts'
import type { TopicPartition, TransactionEnds } from './transaction-partitions.ts'
import { decodeTransaction, encodeTransaction, encodeTransactionTombstone } from './transaction-records.ts'

/** By Kafka's names, with its defaults. */
export interface TransactionSettings {
  /** `transaction.max.timeout.ms` */
  readonly timeoutMsMax: number
  /** `transactional.id.expiration.ms` */
  readonly expirationMs: number
  /** `transaction.abort.timed.out.transaction.cleanup.interval.ms` */
  readonly timeoutIntervalMs: number
  /** `transaction.remove.expired.transaction.cleanup.interval.ms` */
  readonly expirationIntervalMs: number
}

export const DEFAULT_TRANSACTION_SETTINGS: TransactionSettings = {
  timeoutMsMax: 900_000,
  expirationMs: 604_800_000,
  timeoutIntervalMs: 10_000,
  expirationIntervalMs: 3_600_000
}

export interface TransactionShardParts {
  readonly clock: Clock
  readonly log: Log
  readonly settings: TransactionSettings
  readonly ends: TransactionEnds
  readonly nextProducerId: () => Promise<number>
  /** What the coordinator's own aborts are done by: the level of the feature `transaction.version`. */
  readonly version: () => TransactionVersion
}

/** What `perform` leads to: an error code, and the state that it was judged by or that followed. */
export interface Outcome {
  readonly error: number
  readonly transaction: Transaction | undefined
}

interface Entry {
  transaction: Transaction | undefined
  /** Settles when the last record written is durable; undefined when it is. */
  stored: Promise<void> | undefined
}

const MARKER_RETRY_MS_MIN = 20
const MARKER_RETRY_MS_MAX = 2_000

export class TransactionShard implements CoordinatorShard {
  readonly #partition: number
  readonly #recordLog: RecordLog
  readonly #parts: TransactionShardParts
  readonly #onFailed: () => void
  readonly #loadAgain: () => void
  readonly #entries = new Map<string, Entry>()
  readonly #closing = new AbortController()
  readonly #cancels = new Map<string, () => void>()
  #closedBecause: ClosedError = 'NOT_COORDINATOR'

  /** `onFailed`: the shard has given up. `loadAgain`: it has given up for a reason that may pass, with its work undone. */
  constructor(
    partition: number,
    recordLog: RecordLog,
    parts: TransactionShardParts,
    onFailed: () => void,
    loadAgain: () => void
  ) {
    this.#partition = partition
    this.#recordLog = recordLog
    this.#parts = parts
    this.#onFailed = onFailed
    this.#loadAgain = loadAgain
  }

  async load(): Promise<void> {
    await this.#recordLog.readAll({
      records: (records) => {
        for (const record of records) this.#replay(record)
      },
      end: () => undefined
    })
    for (const { transaction } of this.#entries.values()) {
      if (transaction !== undefined && isEnding(transaction)) this.#finish(transaction)
    }
    const { timeoutIntervalMs, expirationIntervalMs } = this.#parts.settings
    this.#every('timeouts', timeoutIntervalMs, () => this.#abortTimedOut())
    this.#every('expiry', expirationIntervalMs, () => this.#expire())
    this.#parts.log.info({ partition: this.#partition, ids: this.#entries.size }, 'transaction partition loaded')
  }

  /** All there are, once they are durable. Throws `Fault` when they do not become so. */
  async durable(): Promise<readonly Transaction[]> {
    const transactions = this.#transactions()
    await Promise.all([...this.#entries.values()].map(({ stored }) => stored))
    return transactions
  }

  #transactions(): Transaction[] {
    return [...this.#entries.values()].flatMap(({ transaction }) => transaction ?? [])
  }

  /** Does what is decided about a transactional id; resolves once that is durable, and all that it rests on. */
  async perform(
    transactionalId: string,
    decide: (transaction: Transaction | undefined, freshProducerId: number | undefined) => Decision
  ): Promise<Outcome> {
    try {
      let freshProducerId: number | undefined
      for (;;) {
        if (this.#closing.signal.aborted) return { error: ErrorCode[this.#closedBecause], transaction: undefined }
        const entry = this.#entries.get(transactionalId)
        const decision = decide(entry?.transaction, freshProducerId)
        if (decision.needsProducerId) {
          // Others may come first meanwhile: it is decided anew.
          freshProducerId = await this.#parts.nextProducerId()
          continue
        }
        const { next = entry?.transaction } = decision
        if (decision.next !== undefined) this.#become(decision.next)
        await this.#entries.get(transactionalId)?.stored
        return { error: decision.error, transaction: next }
      }
    } catch (error) {
      if (!isFault(error)) throw error
      return { error: ErrorCode[storageError(error)], transaction: undefined }
    }
  }

  close(error: ClosedError): void {
    if (this.#closing.signal.aborted) return
    this.#closedBecause = error
    this.#closing.abort()
    for (const cancel of this.#cancels.values()) cancel()
    if (error === 'COORDINATOR_NOT_AVAILABLE') this.#loadAgain()
  }

  #replay(record: LogRecord): void {
    try {
      const stored = decodeTransaction(record)
      if (stored === undefined) return
      const { transactionalId, transaction } = stored
      if (transaction === undefined) this.#entries.delete(transactionalId)
      else this.#entries.set(transactionalId, { transaction, stored: undefined })
    } catch (error) {
      if (!isFault(error, 'invalid')) throw error
      const { log } = this.#parts
      log.warn({ partition: this.#partition, error }, 'a record of __transaction_state is unreadable and was skipped')
    }
  }

  #become(next: Transaction): void {
    this.#store(next.transactionalId, next, encodeTransaction(next))
    if (isEnding(next)) this.#finish(next)
  }

  #store(transactionalId: string, transaction: Transaction | undefined, record: LogRecord): void {
    const entry: Entry = this.#entries.get(transactionalId) ?? { transaction, stored: undefined }
    this.#entries.set(transactionalId, entry)
    entry.transaction = transaction
    const stored = this.#recordLog.append([record]).then(() => {
      if (entry.stored !== stored) return
      entry.stored = undefined
      if (entry.transaction === undefined) this.#entries.delete(transactionalId)
    })
    entry.stored = stored
    stored.catch((error: unknown) => this.#fail(error))
  }

  /** Brings the outcome to the partitions, however long it takes, and records that it has arrived. */
  #finish(transaction: Transaction): void {
    this.#writeMarkers(transaction).catch((error: unknown) => {
      // Whoever loads the partition next goes on.
      if (!isFault(error)) throw error
    })
  }

  async #writeMarkers(transaction: Transaction): Promise<void> {
    const { transactionalId, producerId, producerEpoch, version } = transaction
    await this.#entries.get(transactionalId)?.stored
    const end = {
      producer: { id: producerId, epoch: producerEpoch },
      committed: isCommit(transaction),
      coordinatorEpoch: this.#recordLog.leaderEpoch,
      transactionVersion: version
    }
    const { signal } = this.#closing
    let left: readonly TopicPartition[] = [...transaction.partitions.values()]
    let delayMs = MARKER_RETRY_MS_MIN
    // Once it is closed, whoever loads the partition next may know of the end already, and of more.
    while (left.length > 0 && !signal.aborted) {
      const codes = await this.#tell(end, left)
      left = left.filter((partition, place) => !this.#hasArrived(transaction, partition, codes[place]))
      if (left.length > 0 && delayMs === MARKER_RETRY_MS_MAX) {
        const fields = { transactionalId, partitions: left.length, first: left[0] }
        this.#parts.log.warn(fields, 'partitions do not take the end of a transaction; going on')
      }
      if (left.length > 0) await sleep(this.#parts.clock, delayMs, signal)
      delayMs = Math.min(delayMs * 2, MARKER_RETRY_MS_MAX)
    }
    if (signal.aborted) return
    this.#become(complete(transaction, this.#parts.clock.now()))
  }

  async #tell(end: TransactionEnd, partitions: readonly TopicPartition[]): Promise<readonly number[]> {
    try {
      return await this.#parts.ends.end(end, partitions)
    } catch (error) {
      if (!isFault(error)) throw error
      this.#parts.log.warn({ producer: end.producer, error }, 'partitions could not be told the end of a transaction')
      return partitions.map(() => ErrorCode.KAFKA_STORAGE_ERROR)
    }
  }

  /**
   * Partitions that are gone need no marker; one that knows a newer producer must not get it. One that knows a newer
   * coordinator is asked again, with pauses: if there is one, our own log will tell us, and if somebody only said so with a
   * marker of his own, the other transactional ids must not suffer for it.
   */
  #hasArrived({ transactionalId }: Transaction, partition: TopicPartition, code: number | undefined): boolean {
    switch (code) {
      case ErrorCode.NONE:
      case ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
        return true
      case ErrorCode.INVALID_PRODUCER_EPOCH:
      case ErrorCode.PRODUCER_FENCED: {
        const fields = { transactionalId, ...partition, error: errorName(code) }
        this.#parts.log.error(fields, 'a partition refuses the end of a transaction, and knows a newer producer')
        return true
      }
      default:
        return false
    }
  }

  #abortTimedOut(): void {
    const now = this.#parts.clock.now()
    for (const transaction of this.#transactions()) {
      if (!hasTimedOut(transaction, now)) continue
      const { transactionalId } = transaction
      this.#parts.log.info({ transactionalId }, 'a transaction has timed out and is aborted')
      void this.perform(transactionalId, (current, freshProducerId) => {
        if (current === undefined || !hasTimedOut(current, now)) return { error: ErrorCode.NONE }
        return fence(current, { version: this.#parts.version(), now, freshProducerId })
      })
    }
  }

  #expire(): void {
    const now = this.#parts.clock.now()
    for (const transaction of this.#transactions()) {
      const { transactionalId } = transaction
      if (!hasExpired(transaction, this.#parts.settings.expirationMs, now)) continue
      this.#store(transactionalId, undefined, encodeTransactionTombstone(transactionalId))
    }
  }

  #every(name: string, intervalMs: number, work: () => void): void {
    const cancel = this.#parts.clock.after(intervalMs, () => {
      work()
      if (!this.#closing.signal.aborted) this.#every(name, intervalMs, work)
    })
    this.#cancels.set(name, cancel)
  }

  /** After a lost append nobody knows what the log holds: give up the memory of it, so that it is read again. */
  #fail(error: unknown): void {
    if (this.#closing.signal.aborted) return
    this.#parts.log.warn({ partition: this.#partition, error }, 'transaction partition is given up and loaded anew')
    const reason = storageError(error)
    this.close(reason)
    this.#onFailed()
    // Refused for good, or only while the partition was to be handed over: whether it has gone will be seen then.
    if (reason === 'NOT_COORDINATOR') this.#loadAgain()
  }
}
