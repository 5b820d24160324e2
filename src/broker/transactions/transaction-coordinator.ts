/**
 * The transaction coordinator (KIP-98, KIP-664, KIP-890): finds the partition of `__transaction_state` that holds a
 * transactional id, and says what its producers and the leaders of partitions ask of it. All errors are error codes.
 */
import type { Clock } from '../../runtime/clock.ts'
import { isFault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { CoordinatorShards } from '../coordinator-shards.ts'
import type { LogProducer, RecordLogs } from '../record-log.ts'
import {
  addPartitions,
  complete,
  type Decision,
  endTransaction,
  type Initialisation,
  initProducer,
  isEnding,
  newTransaction,
  type Transaction,
  type TransactionVersion,
  verifyPartitions
} from './transaction.ts'
import type { TopicPartition, TransactionVerification, VerificationRequest } from './transaction-partitions.ts'
import { type Outcome, TransactionShard, type TransactionShardParts } from './transaction-shard.ts'

export interface TransactionCoordinatorParts extends TransactionShardParts {
  readonly clock: Clock
  readonly logs: RecordLogs
  readonly loadGraceMs: number
}

/** A producer's answer: what it goes on with, -1 and -1 with an error. */
export interface ProducerAnswer {
  readonly error: number
  readonly producer: LogProducer
}

export interface ListedTransactions {
  readonly error: number
  readonly transactions: readonly Transaction[]
}

/** Pause after a partition was given up or could not be read, before it is loaded again. */
const RELOAD_MS = 5_000
const NOBODY: LogProducer = { id: -1, epoch: -1 }

export class TransactionCoordinator implements TransactionVerification {
  readonly #parts: TransactionCoordinatorParts
  readonly #shards: CoordinatorShards<TransactionShard>
  /** By partition; each value cancels. */
  readonly #reloads = new Map<number, () => void>()
  #closed = false

  constructor(parts: TransactionCoordinatorParts) {
    this.#parts = parts
    const { clock, log, logs, loadGraceMs } = parts
    const make: ConstructorParameters<typeof CoordinatorShards<TransactionShard>>[0]['make'] = (
      partition,
      recordLog,
      onFailed
    ) => new TransactionShard(partition, recordLog, parts, onFailed, () => this.#reload(partition))
    this.#shards = new CoordinatorShards({ clock, log, logs, loadGraceMs, make })
  }

  /** See `CoordinatorShards`. */
  load(partition: number): Promise<void> {
    return this.#shards.load(partition)
  }

  unload(partition: number): void {
    this.#reloads.get(partition)?.()
    this.#reloads.delete(partition)
    this.#shards.unload(partition)
  }

  close(): void {
    this.#closed = true
    for (const cancel of this.#reloads.values()) cancel()
    this.#shards.close()
  }

  /** Nobody may come and ask for it, yet what is decided in it has to reach the partitions. */
  #reload(partition: number): void {
    if (this.#closed) return
    this.#reloads.get(partition)?.()
    const cancel = this.#parts.clock.after(RELOAD_MS, () => {
      this.#reloads.delete(partition)
      void this.#shards.load(partition)
    })
    this.#reloads.set(partition, cancel)
  }

  /** Loads what this broker leads, if there is anything: transactions that were left open end, whoever comes or not. */
  async loadAll(): Promise<void> {
    await this.#shards.all()
  }

  /** InitProducerId of a transactional producer. */
  async initProducer(
    transactionalId: string,
    { timeoutMs, expected }: Pick<Initialisation, 'timeoutMs' | 'expected'>
  ): Promise<ProducerAnswer> {
    if (transactionalId === '') return { error: ErrorCode.INVALID_REQUEST, producer: NOBODY }
    if (timeoutMs <= 0 || timeoutMs > this.#parts.settings.timeoutMsMax) {
      return { error: ErrorCode.INVALID_TRANSACTION_TIMEOUT, producer: NOBODY }
    }
    const fenceVersion = this.#parts.version()
    const { error, transaction } = await this.#perform(transactionalId, (known, freshProducerId) => {
      const now = this.#parts.clock.now()
      if (known === undefined && freshProducerId === undefined) return { error: 0, needsProducerId: true }
      const current = known ?? newTransaction(transactionalId, freshProducerId ?? -1, timeoutMs, now)
      return initProducer(current, { timeoutMs, expected, fenceVersion, now, freshProducerId })
    })
    if (error !== ErrorCode.NONE || transaction === undefined) return { error, producer: NOBODY }
    return { error, producer: producerOf(transaction) }
  }

  /** AddPartitionsToTxn, and AddOffsetsToTxn with the partition of the group. */
  async addPartitions(
    transactionalId: string,
    producer: LogProducer,
    partitions: readonly TopicPartition[],
    version: TransactionVersion
  ): Promise<number> {
    if (transactionalId === '') return ErrorCode.INVALID_REQUEST
    const { error } = await this.#perform(transactionalId, (transaction) =>
      addPartitions(transaction, { producer, partitions, version, now: this.#parts.clock.now() })
    )
    return error
  }

  /** As `TransactionVerification`; what is said of a transaction is durable. */
  async verify({ transactionalId, producer, partitions, add }: VerificationRequest): Promise<readonly number[]> {
    if (transactionalId === '') return partitions.map(() => ErrorCode.INVALID_REQUEST)
    if (add) {
      const error = await this.addPartitions(transactionalId, producer, partitions, 2)
      return partitions.map(() => error)
    }
    let codes: readonly number[] = []
    const { error } = await this.#perform(transactionalId, (transaction) => {
      codes = verifyPartitions(transaction, producer, partitions)
      return { error: ErrorCode.NONE }
    })
    return error === ErrorCode.NONE ? codes : partitions.map(() => error)
  }

  /** EndTxn: answered once the outcome is decided for good; the partitions hear of it afterwards. */
  async end(
    transactionalId: string,
    producer: LogProducer,
    committed: boolean,
    version: TransactionVersion
  ): Promise<ProducerAnswer> {
    if (transactionalId === '') return { error: ErrorCode.INVALID_REQUEST, producer: NOBODY }
    const { error, transaction } = await this.#perform(transactionalId, (current, freshProducerId) =>
      endTransaction(current, { producer, committed, version, now: this.#parts.clock.now(), freshProducerId })
    )
    if (error !== ErrorCode.NONE || transaction === undefined || version !== 2) return { error, producer: NOBODY }
    const next = isEnding(transaction) ? complete(transaction, this.#parts.clock.now()) : transaction
    return { error, producer: producerOf(next) }
  }

  /** DescribeTransactions of one id. */
  async describe(transactionalId: string): Promise<Outcome> {
    if (transactionalId === '') return { error: ErrorCode.INVALID_REQUEST, transaction: undefined }
    const outcome = await this.#perform(transactionalId, () => ({ error: ErrorCode.NONE }))
    if (outcome.error !== ErrorCode.NONE || outcome.transaction !== undefined) return outcome
    return { error: ErrorCode.TRANSACTIONAL_ID_NOT_FOUND, transaction: undefined }
  }

  /** Those of the partitions that this broker leads. */
  async list(): Promise<ListedTransactions> {
    const transactions: Transaction[] = []
    try {
      for (const route of await this.#shards.all()) {
        if (route === 'COORDINATOR_LOAD_IN_PROGRESS') return { error: ErrorCode[route], transactions: [] }
        if (typeof route !== 'string') transactions.push(...(await route.durable()))
      }
    } catch (error) {
      if (!isFault(error)) throw error
      return { error: ErrorCode.COORDINATOR_NOT_AVAILABLE, transactions: [] }
    }
    return { error: ErrorCode.NONE, transactions }
  }

  async #perform(
    transactionalId: string,
    decide: (transaction: Transaction | undefined, freshProducerId: number | undefined) => Decision
  ): Promise<Outcome> {
    try {
      const route = await this.#shards.route(transactionalId)
      if (typeof route === 'string') return { error: ErrorCode[route], transaction: undefined }
      return await route.perform(transactionalId, decide)
    } catch (error) {
      if (!isFault(error)) throw error
      return { error: ErrorCode.COORDINATOR_NOT_AVAILABLE, transaction: undefined }
    }
  }
}

function producerOf({ producerId, producerEpoch }: Transaction): LogProducer {
  return { id: producerId, epoch: producerEpoch }
}
