/**
 * Cluster metadata: what exists (topics, partitions, streams, objects) and who may write it.
 * Kept in SQL; every change is one transaction that checks the epochs it relies on. Readers use the in-memory
 * image, which follows the change feed: it holds a change before the call that made it resolves.
 *
 * It knows rows per topic, partition, stream, object and object range: never per record or per batch.
 * All methods throw `Fault`: `conflict` (exists already), `missing`, `fenced` (epoch), `invalid`, `unavailable`.
 */

/** Topic ids are UUIDs as Kafka prints them: 22 characters of unpadded base64url. */
export type TopicId = string

export interface Partition {
  readonly topicId: TopicId
  readonly index: number
  readonly streamId: number
  /** Node id of the leader. */
  readonly leader: number
  readonly leaderEpoch: number
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
}

export interface Stream {
  readonly id: number
  readonly epoch: number
  /** First offset that may be read. */
  readonly startOffset: number
  /** Offset after the last one that committed objects hold. */
  readonly endOffset: number
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
  /** Node that leads all partitions at first. */
  readonly leader: number
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

/** The ranges of each stream, over all objects, cover the stream's [startOffset, endOffset) without gap or overlap. */
export interface Upload {
  readonly nodeId: number
  readonly objects: readonly UploadedObject[]
  readonly streams: readonly UploadedStream[]
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
   * An array that is held may grow at its end while it is; nothing else in it ever changes.
   */
  ranges(streamId: number): readonly ObjectRange[]
}

export interface Metadata {
  readonly clusterId: string
  readonly image: MetadataImage

  /** Registers the node's start and returns its new epoch (1, 2, …). Leases come on top of this later. */
  registerNode(nodeId: number): Promise<number>

  createTopic(topic: NewTopic): Promise<Topic>
  /** Grows the topic to `total` partitions; Fault `invalid` when it has as many already. */
  createPartitions(topicId: TopicId, total: number, leader: number): Promise<Topic>
  /** Removes the topic, its partitions and streams; objects that hold nothing else become destroyed. */
  deleteTopic(topicId: TopicId): Promise<void>
  /** Sets settings; `undefined` removes one. */
  setTopicConfigs(topicId: TopicId, changes: Readonly<Record<string, string | undefined>>): Promise<Topic>

  /**
   * Takes over the given partitions' streams for `nodeId`, in one transaction: each stream's epoch and the
   * partition's leader epoch grow by one. Returns the latest snapshot of each stream that has one. The epochs are those
   * of the image, as long as it names `nodeId` the leader: otherwise somebody has taken over already.
   */
  openStreams(nodeId: number, streamIds: readonly number[]): Promise<ReadonlyMap<number, Snapshot>>
  /**
   * Moves the first readable offset forward, past the committed end if asked; never back. Objects that hold nothing
   * readable any more become destroyed.
   */
  trimStream(streamId: number, epoch: number, startOffset: number): Promise<void>

  /** Announces an object before it is stored, so that a crash leaves a trace and not an orphan. */
  prepareObject(profile: string): Promise<StoredObject>
  /**
   * Commits stored objects: checks each stream's epoch and end, moves the ends, saves snapshots. Streams that were
   * deleted meanwhile are left out silently. Fault `fenced` when an epoch is no longer ours, `conflict` when an end moved,
   * `missing` when an object was given up (see `expiredObjects`). After an unknown outcome call it again with the same
   * objects, ranges and offsets: if it had happened, that is a success and changes nothing.
   */
  commitUpload(upload: Upload): Promise<void>
  /**
   * Objects destroyed, or prepared and never committed, since before `before` (wall milliseconds). The latter are given
   * up by this call and can be committed no more, so that the caller may delete the bytes of everything it returns.
   */
  expiredObjects(before: number): Promise<readonly StoredObject[]>
  /** Forgets objects once they are physically gone; Fault `invalid` when one of them is committed. */
  forgetObjects(objectIds: readonly number[]): Promise<void>

  /** Reserves `count` producer ids that nobody else will get; returns the first. */
  allocateProducerIds(count: number): Promise<number>

  close(): Promise<void>
}
