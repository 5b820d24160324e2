/**
 * Cluster metadata: what exists (topics, partitions, streams, objects) and who may write it.
 * Kept in SQL; every change is one transaction that checks the epochs it relies on. Readers use the in-memory
 * image, which follows the change feed: it holds a change before the call that made it resolves.
 *
 * It knows rows per topic, partition, stream, object and object range: never per record or per batch.
 * All methods throw `Fault`: `conflict` (exists already), `missing`, `fenced` (epoch), `invalid`, `unavailable`.
 */

import type { Failover } from './failovers.ts'
import type { NodeState } from './schema.ts'

/** Topic ids are UUIDs as Kafka prints them: 22 characters of unpadded base64url. */
export type TopicId = string

export interface Partition {
  readonly topicId: TopicId
  readonly index: number
  readonly streamId: number
  /** Node id of the leader. */
  readonly leader: number
  readonly leaderEpoch: number
  /** The node that the leader is to hand the partition over to; null when it stays. */
  readonly target: number | null
}

export interface Topic {
  readonly id: TopicId
  readonly name: string
  readonly internal: boolean
  /** Settings that differ from the default, by Kafka's names. */
  readonly configs: Readonly<Record<string, string>>
  /** By partition index. */
  readonly partitions: readonly Partition[]
}

/** What has settings and is no topic; a broker by its node id, all brokers by an empty name. */
export type ConfiguredType = 'broker' | 'group' | 'client-metrics'

/** Settings that are set, by Kafka's names. */
export type ConfigValues = Readonly<Record<string, string>>

/** A part of a stream that one object holds: offsets [startOffset, endOffset). */
export interface ObjectRange {
  readonly objectId: number
  readonly streamId: number
  readonly startOffset: number
  readonly endOffset: number
  /** Payload bytes of this range. */
  readonly bytes: number
  /** Largest record timestamp in the range, milliseconds; -1 when unknown. */
  readonly maxTimestamp: number
}

export interface StoredObject {
  readonly id: number
  readonly key: string
  readonly bytes: number
  /** Name of the object-store profile that holds it. */
  readonly profile: string
  /** When its state last changed, wall milliseconds: of a committed object, when it was committed. */
  readonly since: number
}

export interface Stream {
  readonly id: number
  readonly epoch: number
  /** Epoch with which its present leader got it: what a log holds of an earlier one is in objects, or never was anything. */
  readonly tenure: number
  /** First offset that may be read. */
  readonly startOffset: number
  /** Offset after the last one that committed objects hold. */
  readonly endOffset: number
  /** Entries before this offset were compacted by key (`Compaction.cleanedTo`); 0 when none were. */
  readonly cleanedOffset: number
}

/** Opaque state of a stream's owner, true as of `offset` (everything before it is accounted for). */
export interface Snapshot {
  readonly offset: number
  readonly bytes: Buffer
}

export interface NewTopic {
  readonly name: string
  readonly partitions: number
  readonly configs: Readonly<Record<string, string>>
  readonly internal: boolean
  /** Nodes that lead the partitions at first, taken in turn. */
  readonly leaders: readonly number[]
}

/** Where clients and other nodes find a node. */
export interface NodePlace {
  readonly host: string
  readonly port: number
  readonly rack: string | null
  /** Its `--wal`, for whoever recovers its log. */
  readonly wal: string
}

export interface ClusterNode extends NodePlace {
  readonly id: number
  /** Of its present life. */
  readonly epoch: number
  readonly state: NodeState
}

/** One life of a node. */
export interface NodeIdentity {
  readonly id: number
  /** From `registerNode`. */
  readonly epoch: number
}

export interface NodeLease extends NodeIdentity {
  readonly state: NodeState
  /** Milliseconds until the lease runs out by the database's clock; negative when it has. */
  readonly remainingMs: number
}

/** Who decides what nodes cannot decide for themselves. */
export interface ControllerLease {
  /** Whether it is the one that asked. */
  readonly held: boolean
  /** Grows with each controller; guards what it decides. 0 when there never was one. */
  readonly epoch: number
  /** -1 when there never was one. */
  readonly nodeId: number
  /** By the database's clock; not above 0 when it has run out. */
  readonly remainingMs: number
}

/** Rates of one partition, per second. */
export interface PartitionLoad {
  readonly streamId: number
  /** Payload bytes that were appended. */
  readonly bytesIn: number
  /** Payload bytes that consumers got. */
  readonly bytesOut: number
  /** Appends, and fetches that got something. */
  readonly requests: number
}

/** What a node measured of itself and of the partitions it leads. */
export interface NodeLoad {
  /** By how much its event loop is late, 99th percentile. */
  readonly eventLoopDelayMs: number
  /** How long appends take to become durable, 99th percentile. */
  readonly appendDelayMs: number
  /** Those that were measured long enough to tell; others are not in it. */
  readonly partitions: readonly PartitionLoad[]
}

export interface ReportedLoad extends NodeLoad {
  readonly nodeId: number
  /** Of the life that measured it. */
  readonly nodeEpoch: number
  /** By the database's clock. */
  readonly ageMs: number
}

export interface PartitionTarget {
  readonly topicId: TopicId
  readonly index: number
  /** Null: it stays where it is. */
  readonly node: number | null
}

/** Streams that their owner gives away: everything that was appended is in objects, and their state is saved. */
export interface HandOver {
  readonly nodeId: number
  /** From `registerNode`. */
  readonly nodeEpoch: number
  readonly streams: readonly {
    readonly streamId: number
    readonly epoch: number
    /** Must equal the stream's end as committed. */
    readonly endOffset: number
    readonly to: number
  }[]
}

export interface UploadedObject {
  /** From `prepareObject`. */
  readonly objectId: number
  readonly bytes: number
  readonly ranges: readonly Omit<ObjectRange, 'objectId'>[]
}

export interface UploadedStream {
  readonly streamId: number
  readonly epoch: number
  /** Must equal the stream's end as committed so far. */
  readonly startOffset: number
  readonly endOffset: number
  /** State as of `endOffset`; undefined leaves the last one in place. May come alone, with nothing uploaded. */
  readonly snapshot: Buffer | undefined
}

export interface WalMark {
  /** From `Wal.mark`. */
  readonly mark: string
  /** From `registerNode`: the mark of an earlier life must not move that of a later one back. */
  readonly nodeEpoch: number
}

/** The ranges of each stream, over all objects, cover the stream's [startOffset, endOffset) without gap or overlap. */
export interface Upload {
  readonly nodeId: number
  readonly objects: readonly UploadedObject[]
  readonly streams: readonly UploadedStream[]
  /** Where the node's write-ahead log may be trimmed to once this is committed; undefined leaves it. */
  readonly walMark?: WalMark
}

/**
 * Puts new objects in the place of ranges that older ones hold. What is replaced never changes, so no epoch guards it:
 * of two that replace the same range, the second is refused.
 */
export interface Compaction {
  /** From `prepareObject`, stored. Their ranges of a stream cover exactly what `removed` covers of it; a range may hold no entry. */
  readonly objects: readonly UploadedObject[]
  /** Ranges as the image shows them; those of one stream are adjacent. Objects left without a range become destroyed. */
  readonly removed: readonly ObjectRange[]
  /** By stream: entries before the offset are compacted by key now. */
  readonly cleanedTo?: ReadonlyMap<number, number>
}

/**
 * Whom a client quota is for: a name for each of one or two entity types (`user`, `client-id`, `ip`). Null is the default
 * of the type.
 */
export type QuotaEntity = Readonly<Record<string, string | null>>

export interface ClientQuota {
  readonly entity: QuotaEntity
  /** By Kafka's names: `producer_byte_rate`, … Never empty. */
  readonly values: Readonly<Record<string, number>>
}

export interface ClientQuotaChange {
  readonly entity: QuotaEntity
  /** Undefined removes the value. */
  readonly values: Readonly<Record<string, number | undefined>>
}

/** Levels of features that were set; the others have the level that the code gives them. */
export interface FeatureLevels {
  /** Grows with every change; 0 before the first. */
  readonly epoch: number
  readonly levels: ReadonlyMap<string, number>
}

/** What is known of a node that has started at least once. */
export interface NodeLife {
  /** From `registerNode`. */
  readonly epoch: number
  /** Changes of the metadata so far, by all nodes: the number of the newest. */
  readonly changes: number
}

/** Everything a broker reads without waiting. Values are immutable; a change replaces them (but see `ranges`). */
export interface MetadataImage {
  topic(name: string): Topic | undefined
  topicById(id: TopicId): Topic | undefined
  topics(): Iterable<Topic>
  /** Grows whenever a topic appears, changes (also in who leads its partitions) or goes. */
  readonly topicsRevision: number
  stream(streamId: number): Stream | undefined
  streams(): Iterable<Stream>
  /** Committed objects only. */
  object(objectId: number): StoredObject | undefined
  objects(): Iterable<StoredObject>
  /**
   * Committed ranges of a stream, by offset; contiguous from the first that still matters to the stream's end.
   * An array that is held may grow at its end while it is; nothing else in it ever changes. Compaction replaces it.
   */
  ranges(streamId: number): readonly ObjectRange[]
  /** Ranges that an object holds, by stream and offset; none when it is not committed. */
  rangesOf(objectId: number): readonly ObjectRange[]
  /** The first range of a stream that ends after `fromOffset` and whose largest timestamp is at least `timestamp`. Logarithmic. */
  findTimestamp(streamId: number, timestamp: number, fromOffset: number): ObjectRange | undefined
  /** Largest timestamp of the ranges that end after `fromOffset`; -1 when there is none. Logarithmic. */
  maxTimestamp(streamId: number, fromOffset: number): number
  /** By entity key (`quotaEntityKey`). The same map until a quota changes. */
  clientQuotas(): ReadonlyMap<string, ClientQuota>
  featureLevels(): FeatureLevels
  /**
   * Resources of a type that have settings, by name. The same map until one of them changes, so that who derives
   * something from it can tell a change by comparing references.
   */
  configs(type: ConfiguredType): ReadonlyMap<string, ConfigValues>
  /** Nodes that have announced themselves, by id. The same map until one of them changes. */
  nodes(): ReadonlyMap<number, ClusterNode>
}

export interface Metadata {
  readonly clusterId: string
  /** By which nodes of the cluster know each other; whoever can read the database has it. */
  readonly clusterSecret: string
  readonly image: MetadataImage

  /** Runs `listener`, which must not throw, whenever the image has changed, by whomever; returns how to stop. */
  subscribe(listener: () => void): () => void
  /** Brings the image up to date with what other processes changed. One small SELECT when nothing did. */
  poll(): Promise<void>
  /**
   * Registers the node's start and returns its new epoch (1, 2, …). Its state stays as it was until it announces itself,
   * and its lease until it renews it; the controller lease of its earlier life ends.
   */
  registerNode(nodeId: number): Promise<number>

  /** Tells all nodes where this one is, and in which state. Fault `fenced` when it has started again since `nodeEpoch`. */
  announceNode(nodeId: number, nodeEpoch: number, state: NodeState, place: NodePlace): Promise<void>

  /**
   * Sets the node's lease to end in `ms` from now by the database's clock; 0 gives it back. False when this life of it is
   * over: it was fenced, or has started again. Waits for no other change, and tells nobody. The caller judges its lease
   * by a monotonic clock, from before the call.
   */
  renewNodeLease(node: NodeIdentity, ms: number): Promise<boolean>
  /** The leases of all nodes that have ever started, by id, straight from the database. */
  leases(): Promise<readonly NodeLease[]>
  /**
   * Takes the controller lease when it is free or has run out (its epoch grows then, also for the same node), renews it
   * when it is the node's own; 0 ms gives it back. In any case tells who has it. A life that is over holds nothing.
   */
  holdController(node: NodeIdentity, ms: number): Promise<ControllerLease>
  /**
   * Declares a life of a node over: its state becomes `fenced` and its epoch grows, so that nothing that guards itself by
   * that epoch can be done in its name any more. Fencing a fenced node under its present epoch does the same to whoever
   * acts in its name. False, and no effect, while its lease has not run out by the database's clock, or when that life is
   * over already. Fault `fenced` when `controllerEpoch` is not the newest.
   */
  fenceNode(node: NodeIdentity, controllerEpoch: number): Promise<boolean>

  /** Who has the controller lease; takes nothing. */
  controllerLease(): Promise<ControllerLease>
  /** Remembers a failover that has ended, see `failovers`. */
  recordFailover(failover: Failover): Promise<void>
  /** The last hundred that were recorded, newest last, straight from the database. */
  failovers(): Promise<readonly Failover[]>
  /** Replaces what the node reported before. False when this life of it is over. Waits for no other change, and tells nobody. */
  reportLoad(node: NodeIdentity, load: NodeLoad): Promise<boolean>
  /** What each node reported last, by id, straight from the database. */
  nodeLoads(): Promise<readonly ReportedLoad[]>

  /** Says where partitions are to go, all or none; their leaders do it. Fault `invalid` for a node that is not running. */
  setTargets(targets: readonly PartitionTarget[]): Promise<void>
  /**
   * Makes other nodes the leaders of streams: leader epoch and stream epoch grow by one. Streams that were deleted meanwhile
   * are left out silently. Fault `fenced` when an epoch is no longer ours, `conflict` when objects do not hold everything,
   * `invalid` when a receiver is not running.
   */
  handOver(handOver: HandOver): Promise<void>

  createTopic(topic: NewTopic): Promise<Topic>
  /** Grows the topic to `total` partitions; Fault `invalid` when it has as many already. */
  createPartitions(topicId: TopicId, total: number, leaders: readonly number[]): Promise<Topic>
  /** Removes the topic, its partitions and streams; objects that hold nothing else become destroyed. */
  deleteTopic(topicId: TopicId): Promise<void>
  /** Sets settings; `undefined` removes one. */
  setTopicConfigs(topicId: TopicId, changes: Readonly<Record<string, string | undefined>>): Promise<Topic>
  /** Sets settings of a resource, whether or not anything of that name exists; `undefined` removes one. */
  setResourceConfigs(
    type: ConfiguredType,
    name: string,
    changes: Readonly<Record<string, string | undefined>>
  ): Promise<void>

  /**
   * Begins to write streams that `nodeId` leads, in one transaction: each stream's epoch and the partition's leader epoch
   * grow by one. Returns the latest snapshot of each stream that has one. Fault `fenced` when another node leads one of
   * them, and when the node has started again since `nodeEpoch`: a call that comes late must not take from its next life.
   */
  openStreams(nodeId: number, streamIds: readonly number[], nodeEpoch?: number): Promise<ReadonlyMap<number, Snapshot>>
  /**
   * Moves the first readable offset forward, past the committed end if asked; never back. Objects that hold nothing
   * readable any more become destroyed.
   */
  trimStream(streamId: number, epoch: number, startOffset: number): Promise<void>

  /** Announces an object before it is stored, so that a crash leaves a trace and not an orphan. */
  prepareObject(profile: string): Promise<StoredObject>
  /** Announced objects count as announced just now: they are still being stored. Others stay as they are. */
  renewObjects(objectIds: readonly number[]): Promise<void>
  /**
   * Commits stored objects: checks each stream's epoch and end, moves the ends, saves snapshots. Streams that were
   * deleted meanwhile are left out silently. Fault `fenced` when an epoch (of a stream, or of the node that sets a mark) is
   * no longer ours, `conflict` when an end moved,
   * `missing` when an object was given up (see `expiredObjects`). After an unknown outcome call it again with the same
   * objects, ranges and offsets: if it had happened, that is a success and changes nothing.
   */
  commitUpload(upload: Upload): Promise<void>
  /**
   * Commits a compaction. Streams that were deleted and ranges that were trimmed meanwhile are left out silently; an
   * object without a range that matters is destroyed at once. Fault `conflict` when a removed range is no longer there,
   * `missing` when an object was given up. Repeating it after an unknown outcome is a success and changes nothing.
   */
  commitCompaction(compaction: Compaction): Promise<void>
  /** What the node's last commit said of its write-ahead log; undefined before the first that did. */
  walMark(nodeId: number): Promise<string | undefined>
  /**
   * Objects destroyed, or prepared and never committed, since before `before` (wall milliseconds). The latter are given
   * up by this call and can be committed no more, so that the caller may delete the bytes of everything it returns. At
   * most `limit` of them, oldest first.
   */
  expiredObjects(before: number, limit: number): Promise<readonly StoredObject[]>
  /** Those of the given objects that the metadata knows, in whatever state. An id that was given out and is not known is free to delete. */
  knownObjects(objectIds: readonly number[]): Promise<ReadonlySet<number>>
  /** Forgets objects once they are physically gone; Fault `invalid` when one of them is committed. */
  forgetObjects(objectIds: readonly number[]): Promise<void>

  /** Sets and removes client quotas, all or none. What a quota may be is not checked here. */
  alterClientQuotas(changes: readonly ClientQuotaChange[]): Promise<void>
  /** Sets levels of features, all or none. Which ones there may be is not checked here. */
  setFeatureLevels(levels: ReadonlyMap<string, number>): Promise<void>
  /** Undefined when the node has never started. */
  nodeLife(nodeId: number): Promise<NodeLife | undefined>

  /** Reserves `count` producer ids that nobody else will get; returns the first. */
  allocateProducerIds(count: number): Promise<number>

  close(): Promise<void>
}
