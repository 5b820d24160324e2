/**
 * One partition of `__share_group_state` on the broker that leads it: its table of states, and the log that it is made of.
 *
 * Invariants: an answer leaves only after every record that it rests on is durable. If an append fails, nobody knows what
 * the log holds: the shard takes nothing more, and whoever still leads the partition loads it anew.
 */
import type { Clock } from '../../runtime/clock.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { type CoordinatorShard, storageError } from '../coordinator-shards.ts'
import type { LogRecord, PrunableRecordLog } from '../record-log.ts'
import type { StateOutcome } from './share-state.ts'
import { decodeStateRecord, encodeStateRecord, type ShareStateRecord } from './share-state-records.ts'
import { ShareStateTable, type Verdict } from './share-state-table.ts'

export interface ShareStateSettings {
  /** Kafka's `share.coordinator.snapshot.update.records.per.snapshot`. */
  readonly updatesPerSnapshot: number
  /** How often what has lost its meaning is dropped (Kafka's `share.coordinator.state.topic.prune.interval.ms`). */
  readonly pruneIntervalMs: number
}

export interface ShardParts {
  readonly clock: Clock
  readonly log: Log
  readonly settings: ShareStateSettings
  /** Whether a topic has been deleted. */
  readonly isGone: (topicId: string) => boolean
}

export class ShareStateShard implements CoordinatorShard {
  readonly table: ShareStateTable
  readonly #partition: number
  readonly #recordLog: PrunableRecordLog
  readonly #parts: ShardParts
  readonly #onFailed: () => void
  /** Settles when everything appended so far is durable. */
  #tail: Promise<unknown> = Promise.resolve()
  #prunedAt = 0
  #cancelPruning: () => void = () => undefined
  #closed = false

  /** `onFailed` runs once if an append fails. Call `load` before anything else. */
  constructor(partition: number, recordLog: PrunableRecordLog, parts: ShardParts, onFailed: () => void) {
    this.table = new ShareStateTable(parts.settings.updatesPerSnapshot)
    this.#partition = partition
    this.#recordLog = recordLog
    this.#parts = parts
    this.#onFailed = onFailed
  }

  async load(): Promise<void> {
    await this.#recordLog.readAll({
      records: (records, _transaction, offset) => {
        for (const record of records) this.#replay(record, offset)
      },
      end: () => undefined
    })
    this.#schedulePruning()
    this.#parts.log.info({ partition: this.#partition, states: this.table.size }, 'share state partition loaded')
  }

  /** Does what was judged; resolves when that is durable, and everything it rests on. */
  async perform({ errorCode, errorMessage, records }: Verdict): Promise<StateOutcome> {
    if (errorCode !== ErrorCode.NONE) return { errorCode, errorMessage }
    try {
      await (records.length > 0 ? this.#append(records) : this.#tail)
      return { errorCode, errorMessage }
    } catch (error) {
      return stateFailure(error)
    }
  }

  close(): void {
    this.#closed = true
    this.#cancelPruning()
  }

  /** Drops from the log what no state needs; states that nothing changes are written anew to make that possible. */
  async prune(): Promise<void> {
    const { clock, settings, isGone } = this.#parts
    const { nextOffset } = this.#recordLog
    if (nextOffset === this.#prunedAt) return
    const now = clock.now()
    const records = [...this.table.cleanUp(isGone), ...this.table.renewals(now - settings.pruneIntervalMs, now)]
    const stored = records.length > 0 ? this.#append(records) : this.#tail
    // Reckoned before it is waited for: what comes meanwhile may not be durable afterwards.
    const offset = this.table.redundantBefore(this.#recordLog.nextOffset)
    this.#prunedAt = this.#recordLog.nextOffset
    await stored
    await this.#recordLog.prune(offset)
  }

  #schedulePruning(): void {
    this.#cancelPruning = this.#parts.clock.after(this.#parts.settings.pruneIntervalMs, () => {
      this.prune().catch((error: unknown) => {
        if (!isFault(error)) throw error
        this.#parts.log.warn(
          { partition: this.#partition, error },
          'share state could not be pruned; tried again later'
        )
      })
      if (!this.#closed) this.#schedulePruning()
    })
  }

  /** Anybody with the right to produce to the topic can write nonsense into it; that must not stop the others. */
  #replay(record: LogRecord, offset: number): void {
    try {
      const decoded = decodeStateRecord(record)
      if (decoded !== undefined) this.table.apply(decoded, offset)
    } catch (error) {
      if (!isFault(error)) throw error
      const { log } = this.#parts
      log.warn({ partition: this.#partition, error }, 'a record of __share_group_state is unreadable and was skipped')
    }
  }

  #append(records: readonly ShareStateRecord[]): Promise<void> {
    if (this.#closed) return Promise.reject(new Fault('closed', `share state partition ${this.#partition} is closed`))
    const before = this.#tail
    const offset = this.#recordLog.nextOffset
    for (const record of records) this.table.apply(record, offset)
    const durable = this.#recordLog.append(records.map(encodeStateRecord))
    const stored = Promise.all([before, durable]).then(() => undefined)
    this.#tail = stored
    stored.catch((error: unknown) => this.#fail(error))
    return stored
  }

  #fail(error: unknown): void {
    if (this.#closed) return
    this.#parts.log.warn({ partition: this.#partition, error }, 'share state could not be written; unloading')
    this.close()
    this.#onFailed()
  }
}

/** What is told of a state whose log cannot be written. */
function stateFailure(error: unknown): StateOutcome {
  if (!isFault(error)) throw error
  return { errorCode: ErrorCode[storageError(error)], errorMessage: error.message }
}
