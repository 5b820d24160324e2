/**
 * The SQL tables, one interface per table, with what a row means. The tables themselves are made by `migrations/`.
 *
 * Invariant: the same names and value types on every engine. 64-bit integers hold values below 2^53 and are JS numbers
 * (a PostgreSQL driver must parse int8 as a number), bytes are `Buffer`, booleans are 0 or 1, times are wall milliseconds.
 */
import type { Generated } from 'kysely'

/** One row: the identity that all nodes on this database share. */
interface ClusterTable {
  /** Always 1; keeps the table at one row. */
  singleton: number
  id: string
  /** By which nodes know each other. Null until a node of the version that needs it has started. */
  secret: string | null
}

/**
 * `running`: leads partitions and takes more. `draining`: leads what it has until that has moved away. `stopped`: ended by
 * itself, its log may hold records. `fenced`: counts as dead, and another node recovers its log or has recovered it.
 */
export type NodeState = 'running' | 'draining' | 'stopped' | 'fenced'

/** A node that has started at least once. */
interface NodeTable {
  id: number
  /** Grows with each start, and when another node takes its log over; guards what it writes of itself. */
  epoch: number
  state: Generated<NodeState>
  /** Where its Kafka listener is; null before its first start as part of a cluster. */
  host: string | null
  port: number | null
  rack: string | null
  /** Its `--wal`, for whoever recovers its log. */
  wal: string | null
  /** By the database's clock: until then nobody may take from it what it leads. */
  lease_until: Generated<number>
  /** Where a replay of its write-ahead log may begin (`Upload.walMark`). Null before its first commit that said so. */
  wal_mark: string | null
}

interface TopicTable {
  /** See `TopicId`. */
  id: string
  name: string
  internal: number
}

/** A setting of a topic that differs from the default. */
interface TopicConfigTable {
  topic_id: string
  name: string
  value: string
}

/** A partition: a stream with a leader. */
interface PartitionTable {
  topic_id: string
  partition_index: number
  stream_id: number
  leader: number
  leader_epoch: number
  /** The node that the leader is to hand the partition over to; null when it stays. */
  target: number | null
}

interface StreamTable {
  id: number
  /** Grows whenever a node takes the stream over; guards every write to the stream. */
  epoch: number
  /**
   * Epoch with which its present leader got it. Whatever a log holds of an earlier epoch is in objects, or was never
   * acknowledged.
   */
  tenure: number
  start_offset: number
  end_offset: number
  /** Entries before it are compacted by key; 0 when none are. */
  cleaned_offset: number
}

/** Latest saved state of a stream's owner, true as of `at_offset`. */
interface StreamSnapshotTable {
  stream_id: number
  at_offset: number
  bytes: Buffer
}

/**
 * `prepared`: announced, perhaps stored. `committed`: holds at least one range that matters. `destroyed`: holds none
 * any more, or was prepared and given up; waits for its physical deletion, then the row goes.
 */
export type ObjectState = 'prepared' | 'committed' | 'destroyed'

interface ObjectTable {
  id: number
  key: string
  /** Name of the object-store profile. */
  profile: string
  /** 0 until committed. */
  bytes: number
  state: ObjectState
  state_changed_at: number
  /** Digest of the upload or compaction that committed the object: how a repeated commit is recognised. Null until then. */
  upload_digest: string | null
}

/** The part [start_offset, end_offset) of a stream that an object holds. Ranges of a stream never overlap. */
interface StreamRangeTable {
  object_id: number
  stream_id: number
  start_offset: number
  end_offset: number
  bytes: number
  max_timestamp: number
}

/** What numbers are handed out from; `next` has not been given to anybody. */
interface SequenceTable {
  name: string
  next: number
}

/** The change feed, see `change-feed.ts`. */
interface ChangeTable {
  seq: number
  kind: string
  /** Id of what changed, as text. */
  subject: string
}

/** A device that may connect to the gateway. Written and read by `fleet`, kept here so that one database holds all. */
interface DeviceTable {
  tenant: string
  id: string
  /** Lower-case hex of the SHA-256 of the device's token; the token itself is nowhere. */
  token_sha256: string
  enabled: number
  created_at: number
  /** JSON object. */
  attributes: string
}

/** A counter of what a node has asked of an object store since the beginning, see `storage-use.ts`. */
interface StorageUseTable {
  node_id: number
  profile: string
  counter: string
  value: number
}

/** One value of a client quota. */
interface ClientQuotaTable {
  /** Whom it is for, see `quotaEntityKey`. */
  entity: string
  /** Kafka's name of the quota: `producer_byte_rate`, … */
  quota: string
  value: number
}

/** The level of a feature that was set; one that never was has the level that the code gives it. */
interface FeatureLevelTable {
  name: string
  level: number
}

/** A setting of a resource that is no topic, by Kafka's names; see `resource-configs.ts`. */
interface ResourceConfigTable {
  /** `ConfiguredType`; readers skip types they do not know. */
  resource_type: string
  /** Of a broker its node id, or nothing for all of them. */
  resource_name: string
  name: string
  value: string
}

/** One row once there has been a controller: who decides what nodes cannot decide for themselves. */
interface ControllerTable {
  /** Always 1; keeps the table at one row. */
  singleton: number
  node_id: number
  /** Grows with each controller; guards what it decides. */
  epoch: number
  /** By the database's clock. */
  lease_until: number
}

/** What a node measured of the partitions it leads, see `node-loads.ts`. */
interface NodeLoadTable {
  node_id: number
  /** Of the life that measured it. */
  node_epoch: number
  /** By the database's clock. */
  reported_at: number
  load: Buffer
}

/** A failover that has ended; the newest ones. */
interface FailoverTable {
  node_id: number
  /** That the fence gave the node. */
  node_epoch: number
  /** Wall milliseconds of the controller at which it began. */
  since: number
  /** JSON object, see `failovers.ts`. */
  entry: string
}

/** Names of the migrations that have run. */
interface MigrationTable {
  name: string
}

export interface Tables {
  cluster: ClusterTable
  node: NodeTable
  topic: TopicTable
  topic_config: TopicConfigTable
  partition: PartitionTable
  stream: StreamTable
  stream_snapshot: StreamSnapshotTable
  object: ObjectTable
  stream_range: StreamRangeTable
  sequence: SequenceTable
  change: ChangeTable
  device: DeviceTable
  storage_use: StorageUseTable
  resource_config: ResourceConfigTable
  client_quota: ClientQuotaTable
  feature_level: FeatureLevelTable
  controller: ControllerTable
  node_load: NodeLoadTable
  failover: FailoverTable
  migration: MigrationTable
}
