/**
 * Cluster metadata: what exists (topics, partitions, streams, objects) and who may write it.
 * Kept in SQL; every change is one transaction that checks the epochs it relies on. Readers use the in-memory
 * image, which follows the change feed: it holds a change before the call that made it resolves.
 *
 * It knows rows per topic, partition, stream, object and object range: never per record or per batch.
 * All methods throw `Fault`: `conflict` (exists already), `missing`, `fenced` (epoch), `invalid`, `unavailable`.
 */

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
  readonly image: MetadataImage

  /** Brings the image up to date with what other processes changed. One small SELECT when nothing did. */
  poll(): Promise<void>
  /** Registers the node's start and returns its new epoch (1, 2, …). Leases come on top of this later. */
  registerNode(nodeId: number): Promise<number>

  /** Tells all nodes where this one is, and in which state. Fault `fenced` when it has started again since `nodeEpoch`. */
  announceNode(nodeId: number, nodeEpoch: number, state: NodeState, place: NodePlace): Promise<void>

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
   * Takes over the given partitions' streams for `nodeId`, in one transaction: each stream's epoch and the
   * partition's leader epoch grow by one. Returns the latest snapshot of each stream that has one. The epochs are those
   * of the image, as long as it names `nodeId` the leader: otherwise somebody has taken over already. Fault `fenced`
   * when the node has started again since `nodeEpoch`: a call that comes late must not take from the node's next life.
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
