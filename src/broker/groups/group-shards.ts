/**
 * The partitions of `__consumer_offsets` that this broker leads, as shards. Every coordinator of groups, whatever their
 * type, asks here.
 */
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import { CoordinatorShards } from '../coordinator-shards.ts'
import type { RecordLogs } from '../record-log.ts'
import { GroupShard, type ShardSettings } from './group-shard.ts'
import type { AnyRules } from './hosted-group.ts'

export type GroupShards = CoordinatorShards<GroupShard>

export interface GroupShardsOptions {
  readonly clock: Clock
  readonly log: Log
  readonly logs: RecordLogs
  readonly settings: ShardSettings
  /** The protocols besides the classic one. */
  readonly rules: readonly AnyRules[]
  /** See `CoordinatorShardsParts`. */
  readonly loadGraceMs: number
}

export function createGroupShards(options: GroupShardsOptions): GroupShards {
  const { clock, log, logs, loadGraceMs } = options
  return new CoordinatorShards<GroupShard>({
    clock,
    log,
    logs,
    loadGraceMs,
    make: (partition, recordLog, onFailed) => new GroupShard(partition, recordLog, options, onFailed)
  })
}
