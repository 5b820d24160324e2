/**
 * `Metadata` on an SQL database: one transaction per call, then the image catches up before the call resolves.
 * The queries stand by subject in `topics.ts`, `streams.ts`, `objects.ts`, `commit-upload.ts`
 * and `commit-compaction.ts`.
 *
 * It owns the database it was given and closes it. A Fault `unavailable` leaves open whether the change happened.
 */
import type { Clock } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import type { Random } from '../runtime/random.ts'
import { appendChanges, ChangeSet, lastSeq, lockFeed } from './change-feed.ts'
import { alterClientQuotas } from './client-quotas.ts'
import { commitCompaction } from './commit-compaction.ts'
import { commitUpload } from './commit-upload.ts'
import type { Database, Tx } from './database.ts'
import { setFeatureLevels } from './feature-levels.ts'
import { ImageFollower } from './image-follower.ts'
import type {
  ClientQuotaChange,
  Compaction,
  ConfiguredType,
  HandOver,
  Metadata,
  MetadataImage,
  NewTopic,
  NodeLife,
  NodePlace,
  PartitionTarget,
  Snapshot,
  StoredObject,
  Topic,
  TopicId,
  Upload
} from './metadata.ts'
import { announceNode, requireNodeEpoch } from './nodes.ts'
import { expiredObjects, forgetObjects, knownObjects, prepareObject, renewObjects } from './objects.ts'
import { handOver, setTargets } from './partition-targets.ts'
import { setResourceConfigs } from './resource-configs.ts'
import type { NodeState } from './schema.ts'
import { allocate } from './sequences.ts'
import { openStreams, trimStream } from './streams.ts'
import { createPartitions, createTopic, deleteTopic, randomId, setTopicConfigs } from './topics.ts'

export interface SqlMetadataParts {
  /** From `openDatabase`. Others may use it until `close`. */
  readonly database: Database
  readonly clock: Clock
  readonly random: Random
}

export class SqlMetadata implements Metadata {
  readonly clusterId: string
  readonly #database: Database
  readonly #clock: Clock
  readonly #random: Random
  readonly #follower: ImageFollower

  private constructor(parts: SqlMetadataParts, clusterId: string, follower: ImageFollower) {
    this.clusterId = clusterId
    this.#database = parts.database
    this.#clock = parts.clock
    this.#random = parts.random
    this.#follower = follower
  }

  /** Reads the image; on the first use of the database gives the cluster its id. */
  static async open(parts: SqlMetadataParts): Promise<SqlMetadata> {
    const clusterId = await parts.database.write((tx) => establishClusterId(tx, randomId(parts.random)))
    const follower = new ImageFollower(parts.database)
    await follower.catchUp()
    return new SqlMetadata(parts, clusterId, follower)
  }

  get image(): MetadataImage {
    return this.#follower.image
  }

  /** Takes in what other processes changed; call it on a timer. One small SELECT when nothing did. */
  poll(): Promise<void> {
    return this.#follower.catchUp()
  }

  registerNode(nodeId: number): Promise<number> {
    return this.#write(async (tx) => {
      const row = await tx
        .insertInto('node')
        .values({ id: nodeId, epoch: 1 })
        .onConflict((conflict) => conflict.column('id').doUpdateSet((eb) => ({ epoch: eb('node.epoch', '+', 1) })))
        .returning('epoch')
        .executeTakeFirstOrThrow()
      return row.epoch
    })
  }

  announceNode(nodeId: number, nodeEpoch: number, state: NodeState, place: NodePlace): Promise<void> {
    return this.#write((tx, changes) => announceNode(tx, changes, { id: nodeId, epoch: nodeEpoch, state, place }))
  }

  setTargets(targets: readonly PartitionTarget[]): Promise<void> {
    return this.#write((tx, changes) => setTargets(tx, changes, targets))
  }

  handOver(parts: HandOver): Promise<void> {
    return this.#write((tx, changes) => handOver(tx, changes, parts))
  }

  async createTopic(topic: NewTopic): Promise<Topic> {
    const id = randomId(this.#random)
    await this.#write((tx, changes) => createTopic(tx, changes, topic, id))
    return this.#topic(id)
  }

  async createPartitions(topicId: TopicId, total: number, leaders: readonly number[]): Promise<Topic> {
    await this.#write((tx, changes) => createPartitions(tx, changes, topicId, total, leaders))
    return this.#topic(topicId)
  }

  deleteTopic(topicId: TopicId): Promise<void> {
    return this.#write((tx, changes) => deleteTopic(tx, changes, topicId, this.#clock.now()))
  }

  async setTopicConfigs(topicId: TopicId, configs: Readonly<Record<string, string | undefined>>): Promise<Topic> {
    await this.#write((tx, changes) => setTopicConfigs(tx, changes, topicId, configs))
    return this.#topic(topicId)
  }

  setResourceConfigs(
    type: ConfiguredType,
    name: string,
    values: Readonly<Record<string, string | undefined>>
  ): Promise<void> {
    return this.#write((tx, changes) => setResourceConfigs(tx, changes, type, name, values))
  }

  openStreams(
    nodeId: number,
    streamIds: readonly number[],
    nodeEpoch?: number
  ): Promise<ReadonlyMap<number, Snapshot>> {
    return this.#write(async (tx, changes) => {
      if (nodeEpoch !== undefined) await requireNodeEpoch(tx, nodeId, nodeEpoch)
      return openStreams(tx, changes, nodeId, streamIds)
    })
  }

  trimStream(streamId: number, epoch: number, startOffset: number): Promise<void> {
    const now = this.#clock.now()
    return this.#write((tx, changes) => trimStream(tx, changes, { streamId, epoch, startOffset, now }))
  }

  prepareObject(profile: string): Promise<StoredObject> {
    return this.#write((tx) => prepareObject(tx, profile, this.#clock.now()))
  }

  renewObjects(objectIds: readonly number[]): Promise<void> {
    return this.#write((tx) => renewObjects(tx, objectIds, this.#clock.now()))
  }

  commitUpload(upload: Upload): Promise<void> {
    return this.#write((tx, changes) => commitUpload(tx, changes, upload, this.#clock.now()))
  }

  commitCompaction(compaction: Compaction): Promise<void> {
    return this.#write((tx, changes) => commitCompaction(tx, changes, compaction, this.#clock.now()))
  }

  async walMark(nodeId: number): Promise<string | undefined> {
    const row = await this.#database.read((tx) =>
      tx.selectFrom('node').select('wal_mark').where('id', '=', nodeId).executeTakeFirst()
    )
    return row?.wal_mark ?? undefined
  }

  expiredObjects(before: number, limit: number): Promise<readonly StoredObject[]> {
    return this.#write((tx) => expiredObjects(tx, before, limit))
  }

  knownObjects(objectIds: readonly number[]): Promise<ReadonlySet<number>> {
    return this.#database.read((tx) => knownObjects(tx, objectIds))
  }

  forgetObjects(objectIds: readonly number[]): Promise<void> {
    return this.#write((tx) => forgetObjects(tx, objectIds))
  }

  alterClientQuotas(alterations: readonly ClientQuotaChange[]): Promise<void> {
    return this.#write((tx, changes) => alterClientQuotas(tx, changes, alterations))
  }

  setFeatureLevels(levels: ReadonlyMap<string, number>): Promise<void> {
    return this.#write((tx, changes) => setFeatureLevels(tx, changes, levels))
  }

  nodeLife(nodeId: number): Promise<NodeLife | undefined> {
    return this.#database.read(async (tx) => {
      const node = await tx.selectFrom('node').select('epoch').where('id', '=', nodeId).executeTakeFirst()
      return node === undefined ? undefined : { epoch: node.epoch, changes: await lastSeq(tx) }
    })
  }

  async allocateProducerIds(count: number): Promise<number> {
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new Fault('invalid', `cannot reserve ${count} producer ids: ask for at least 1`)
    }
    return this.#database.write((tx) => allocate(tx, 'producer', count))
  }

  close(): Promise<void> {
    return this.#database.close()
  }

  async #write<T>(work: (tx: Tx, changes: ChangeSet) => Promise<T>): Promise<T> {
    const changes = new ChangeSet()
    const result = await this.#database.write(async (tx) => {
      await lockFeed(tx)
      const result = await work(tx, changes)
      await appendChanges(tx, changes)
      return result
    })
    // Also when nothing changed: the call may repeat one whose answer was lost before the image heard of its changes.
    await this.#follower.catchUp()
    return result
  }

  #topic(id: TopicId): Topic {
    const topic = this.#follower.image.topicById(id)
    // Only when somebody else deleted it between our commit and the image's catching up.
    if (topic === undefined) throw new Fault('missing', `topic ${id} was deleted meanwhile`)
    return topic
  }
}

async function establishClusterId(tx: Tx, candidate: string): Promise<string> {
  await tx
    .insertInto('cluster')
    .values({ singleton: 1, id: candidate })
    .onConflict((conflict) => conflict.column('singleton').doNothing())
    .execute()
  const row = await tx.selectFrom('cluster').select('id').executeTakeFirstOrThrow()
  return row.id
}
