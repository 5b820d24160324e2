/**
 * The share coordinator (KIP-932): keeps the states of share partitions in `__share_group_state`, in the partition that the
 * key of each belongs to. Answers for those whose partition this broker leads.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import { CoordinatorShards } from '../coordinator-shards.ts'
import type { PrunableRecordLog, PrunableRecordLogs } from '../record-log.ts'
import type {
  ReadState,
  ShareStateKey,
  ShareStateStore,
  StateChange,
  StateOutcome,
  StateSummary
} from './share-state.ts'
import { type ShardParts, type ShareStateSettings, ShareStateShard } from './share-state-shard.ts'
import type { ShareStateTable, Verdict } from './share-state-table.ts'

/** Kafka's defaults. */
export const DEFAULT_SHARE_STATE_SETTINGS: ShareStateSettings = { updatesPerSnapshot: 500, pruneIntervalMs: 300_000 }
/** See `CoordinatorShardsParts`. */
const LOAD_GRACE_MS = 200

export interface ShareCoordinatorParts extends Omit<ShardParts, 'isGone'> {
  readonly logs: PrunableRecordLogs
  /** Undefined when there is no topic of that id. */
  readonly partitionCount: (topicId: string) => number | undefined
}

export class ShareCoordinator implements ShareStateStore {
  readonly #parts: ShareCoordinatorParts
  readonly #shards: CoordinatorShards<ShareStateShard, PrunableRecordLog>

  constructor(parts: ShareCoordinatorParts) {
    this.#parts = parts
    const { clock, log, logs, partitionCount } = parts
    const shardParts = { ...parts, isGone: (topicId: string) => partitionCount(topicId) === undefined }
    this.#shards = new CoordinatorShards<ShareStateShard, PrunableRecordLog>({
      clock,
      log,
      logs,
      loadGraceMs: LOAD_GRACE_MS,
      make: (partition, recordLog, onFailed) => new ShareStateShard(partition, recordLog, shardParts, onFailed)
    })
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

  /** See `CoordinatorShards`. */
  load(partition: number): Promise<void> {
    return this.#shards.load(partition)
  }

  unload(partition: number): void {
    this.#shards.unload(partition)
  }

  close(): void {
    this.#shards.close()
  }

  async #change(key: ShareStateKey, judge: (table: ShareStateTable, now: number) => Verdict): Promise<StateOutcome> {
    const { groupId, topicId, partition } = key
    if (groupId === '') return refused(ErrorCode.INVALID_GROUP_ID, 'the group id is empty')
    if (partition < 0) return refused(ErrorCode.INVALID_REQUEST, `partition ${partition} is negative`)
    const route = await this.#shards.route(`${groupId}:${topicId}:${partition}`)
    if (typeof route === 'string') return refused(ErrorCode[route], 'this broker does not keep the share state now')
    const verdict = judge(route.table, this.#parts.clock.now())
    if (verdict.errorCode === ErrorCode.NONE && partition >= (this.#parts.partitionCount(topicId) ?? 0)) {
      return refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `there is no partition ${partition} of ${topicId}`)
    }
    return route.perform(verdict)
  }
}

function refused(errorCode: number, errorMessage: string): StateOutcome {
  return { errorCode, errorMessage }
}
