/**
 * The share coordinator (KIP-932): keeps the states of share partitions in `__share_group_state`, in the partition that the
 * key of each belongs to. Loads a partition when it is first asked for and gives it up when another broker leads it.
 */
import { isFault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { coordinatorPartition, type PrunableRecordLogs } from '../record-log.ts'
import type {
  ReadState,
  ShareStateKey,
  ShareStateStore,
  StateChange,
  StateOutcome,
  StateSummary
} from './share-state.ts'
import { type ShardParts, type ShareStateSettings, ShareStateShard, stateFailure } from './share-state-shard.ts'
import type { ShareStateTable, Verdict } from './share-state-table.ts'

/** Kafka's defaults. */
export const DEFAULT_SHARE_STATE_SETTINGS: ShareStateSettings = { updatesPerSnapshot: 500, pruneIntervalMs: 300_000 }

export interface ShareCoordinatorParts extends Omit<ShardParts, 'isGone'> {
  readonly logs: PrunableRecordLogs
  /** Undefined when there is no topic of that id. */
  readonly partitionCount: (topicId: string) => number | undefined
}

type Route = ShareStateShard | StateOutcome

export class ShareCoordinator implements ShareStateStore {
  readonly #parts: ShareCoordinatorParts
  readonly #routes = new Map<number, Promise<Route>>()
  #closed = false

  constructor(parts: ShareCoordinatorParts) {
    this.#parts = parts
  }

  initialize(key: ShareStateKey, start: { stateEpoch: number; startOffset: number }): Promise<StateOutcome> {
    return this.#change(key, (table, now) => table.initialize(key, start, now))
  }

  write(key: ShareStateKey, change: StateChange): Promise<StateOutcome> {
    return this.#change(key, (table, now) => table.write(key, change, now))
  }

  delete(key: ShareStateKey): Promise<StateOutcome> {
    return this.#change(key, (table) => table.delete(key))
  }

  async read(key: ShareStateKey, leaderEpoch: number): Promise<ReadState> {
    let state: ReadState | undefined
    const outcome = await this.#change(key, (table, now) => {
      state = table.state(key)
      return table.read(key, leaderEpoch, now)
    })
    return { stateEpoch: -1, startOffset: -1, stateBatches: [], ...state, ...outcome }
  }

  async readSummary(key: ShareStateKey): Promise<StateSummary> {
    let summary: StateSummary | undefined
    const outcome = await this.#change(key, (table) => {
      summary = table.summary(key)
      return { errorCode: ErrorCode.NONE, errorMessage: null, records: [] }
    })
    const none = { stateEpoch: 0, leaderEpoch: 0, startOffset: -1, deliveryCompleteCount: -1 }
    return { ...none, ...summary, ...outcome }
  }

  /** Loads a partition that this broker has come to lead; requests load partitions by themselves, this is earlier. */
  async load(partition: number): Promise<void> {
    await this.#shard(partition)
  }

  /** Gives a partition up, because another broker leads it now. */
  unload(partition: number): void {
    const route = this.#routes.get(partition)
    this.#routes.delete(partition)
    void route?.then((shard) => {
      if (shard instanceof ShareStateShard) shard.close()
    })
  }

  close(): void {
    this.#closed = true
    for (const partition of [...this.#routes.keys()]) this.unload(partition)
  }

  async #change(key: ShareStateKey, judge: (table: ShareStateTable, now: number) => Verdict): Promise<StateOutcome> {
    if (key.groupId === '') return refused(ErrorCode.INVALID_GROUP_ID, 'the group id is empty')
    if (key.partition < 0) return refused(ErrorCode.INVALID_REQUEST, `partition ${key.partition} is negative`)
    const route = await this.#route(key)
    if (!(route instanceof ShareStateShard)) return route
    const verdict = judge(route.table, this.#parts.clock.now())
    if (verdict.errorCode === ErrorCode.NONE && key.partition >= (this.#parts.partitionCount(key.topicId) ?? 0)) {
      return refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `there is no partition ${key.partition} of ${key.topicId}`)
    }
    return route.perform(verdict)
  }

  async #route({ groupId, topicId, partition }: ShareStateKey): Promise<Route> {
    try {
      const partitions = await this.#parts.logs.partitionCount()
      if (partitions === 0 || this.#closed) {
        return refused(ErrorCode.COORDINATOR_NOT_AVAILABLE, 'share states cannot be kept now')
      }
      return await this.#shard(coordinatorPartition(`${groupId}:${topicId}:${partition}`, partitions))
    } catch (error) {
      return stateFailure(error)
    }
  }

  #shard(partition: number): Promise<Route> {
    const known = this.#routes.get(partition)
    if (known !== undefined) return known
    const forget = () => {
      if (this.#routes.get(partition) === route) this.#routes.delete(partition)
    }
    const route: Promise<Route> = this.#loadShard(partition, forget).then((loaded) => {
      // Only shards are kept: the next request asks again who leads the partition.
      if (!(loaded instanceof ShareStateShard)) forget()
      return loaded
    })
    this.#routes.set(partition, route)
    return route
  }

  async #loadShard(partition: number, onFailed: () => void): Promise<Route> {
    const { logs, partitionCount } = this.#parts
    try {
      const recordLog = await logs.open(partition)
      if (recordLog === undefined) return refused(ErrorCode.NOT_COORDINATOR, 'another broker keeps this share state')
      const isGone = (topicId: string) => partitionCount(topicId) === undefined
      const shard = new ShareStateShard(partition, recordLog, { ...this.#parts, isGone }, onFailed)
      await shard.load()
      return shard
    } catch (error) {
      if (isFault(error)) this.#parts.log.warn({ partition, error }, 'share state partition could not be loaded')
      return stateFailure(error)
    }
  }
}

function refused(errorCode: number, errorMessage: string): StateOutcome {
  return { errorCode, errorMessage }
}
