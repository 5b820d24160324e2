/**
 * `Metadata` on an SQL database: one transaction per call, then the image catches up before the call resolves.
 * The queries stand by subject in `topics.ts`, `streams.ts`, `objects.ts`, `commit-upload.ts`
 * and `commit-compaction.ts`.
 *
 * It owns the database it was given and closes it. A Fault `unavailable` leaves open whether the change happened.
 */
import type { Clock } from '../runtime/clock.ts'
import { assert, Fault, isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import { appendChanges, ChangeSet, lastSeq } from './change-feed.ts'
import { alterClientQuotas } from './client-quotas.ts'
import { commitCompaction } from './commit-compaction.ts'
import { commitUpload } from './commit-upload.ts'
import type { Database, Tx } from './database.ts'
import { type Failover, loadFailovers, recordFailover } from './failovers.ts'
import { setFeatureLevels } from './feature-levels.ts'
import { FeedWatcher } from './feed-watcher.ts'
import { ImageFollower } from './image-follower.ts'
import { endController, fenceNode, holdController, loadController, loadNodeLeases, renewNodeLease } from './leases.ts'
import type {
  ClientQuotaChange,
  Compaction,
  ConfiguredType,
  ControllerLease,
  HandOver,
  Metadata,
  MetadataImage,
  NewTopic,
  NodeIdentity,
  NodeLease,
  NodeLife,
  NodeLoad,
  NodePlace,
  PartitionTarget,
  ReportedLoad,
  Snapshot,
  StoredObject,
  Topic,
  TopicId,
  Upload
} from './metadata.ts'
import { loadNodeLoads, reportLoad } from './node-loads.ts'
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
  readonly clusterSecret: string
  readonly #database: Database
  readonly #clock: Clock
  readonly #random: Random
  readonly #follower: ImageFollower
  #watcher: FeedWatcher | undefined

  private constructor(parts: SqlMetadataParts, cluster: ClusterIdentity, follower: ImageFollower) {
    this.clusterId = cluster.id
    this.clusterSecret = cluster.secret
    this.#database = parts.database
    this.#clock = parts.clock
    this.#random = parts.random
    this.#follower = follower
  }

  /** Reads the image; on the first use of the database gives the cluster its id. */
  static async open(parts: SqlMetadataParts): Promise<SqlMetadata> {
    const candidate = { id: randomId(parts.random), secret: parts.random.bytes(32).toString('base64url') }
    const cluster = await parts.database.write((tx) => establishCluster(tx, candidate))
    const follower = new ImageFollower(parts.database)
    await follower.catchUp()
    return new SqlMetadata(parts, cluster, follower)
  }

  get image(): MetadataImage {
    return this.#follower.image
  }

  /** How often the whole image was read: 1, unless the change feed did not reach back far enough. */
  get imageLoads(): number {
    return this.#follower.loads
  }

  /** Takes in what other nodes change as it happens, until `close`. Without it, only what `poll` and own changes find. */
  follow(log: Log): void {
    assert(this.#watcher === undefined, 'the change feed is followed already')
    const [database, follower, clock, random] = [this.#database, this.#follower, this.#clock, this.#random]
    this.#watcher = new FeedWatcher({ database, follower, clock, random, log })
  }

  poll(): Promise<void> {
    return this.#follower.catchUp()
  }

  subscribe(listener: () => void): () => void {
    return this.#follower.subscribe(listener)
  }

  registerNode(nodeId: number): Promise<number> {
    return this.#write(async (tx) => {
      const row = await tx
        .insertInto('node')
        .values({ id: nodeId, epoch: 1 })
        .onConflict((conflict) => conflict.column('id').doUpdateSet((eb) => ({ epoch: eb('node.epoch', '+', 1) })))
        .returning('epoch')
        .executeTakeFirstOrThrow()
      await endController(tx, nodeId)
      return row.epoch
    })
  }

  announceNode(nodeId: number, nodeEpoch: number, state: NodeState, place: NodePlace): Promise<void> {
    return this.#write((tx, changes) => announceNode(tx, changes, { id: nodeId, epoch: nodeEpoch, state, place }))
  }

  renewNodeLease(node: NodeIdentity, ms: number): Promise<boolean> {
    const { now } = this.#database
    return this.#database.writeBeside((database) => renewNodeLease(database, now, node, ms))
  }

  leases(): Promise<readonly NodeLease[]> {
    const { now } = this.#database
    return this.#database.writeBeside((database) => loadNodeLeases(database, now))
  }

  holdController(node: NodeIdentity, ms: number): Promise<ControllerLease> {
    const { now } = this.#database
    return this.#database.writeBeside((database) => holdController(database, now, node, ms))
  }

  fenceNode(node: NodeIdentity, controllerEpoch: number): Promise<boolean> {
    const { now } = this.#database
    return this.#write((tx, changes) => fenceNode(tx, changes, now, node, controllerEpoch))
  }

  controllerLease(): Promise<ControllerLease> {
    const { now } = this.#database
    return this.#database.read((tx) => loadController(tx, now))
  }

  recordFailover(failover: Failover): Promise<void> {
    return this.#database.writeBeside((database) => recordFailover(database, failover))
  }

  failovers(): Promise<readonly Failover[]> {
    return this.#database.read(loadFailovers)
  }

  reportLoad(node: NodeIdentity, load: NodeLoad): Promise<boolean> {
    const { now } = this.#database
    return this.#database.writeBeside((database) => reportLoad(database, now, node, load))
  }

  nodeLoads(): Promise<readonly ReportedLoad[]> {
    const { now } = this.#database
    return this.#database.read((tx) => loadNodeLoads(tx, now))
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

  async close(): Promise<void> {
    await this.#watcher?.close()
    await this.#database.close()
  }

  async #write<T>(work: (tx: Tx, changes: ChangeSet) => Promise<T>): Promise<T> {
    const written = this.#database.write(async (tx, announce) => {
      const changes = new ChangeSet()
      const result = await work(tx, changes)
      const last = await appendChanges(tx, changes)
      if (last !== undefined) announce(last)
      return result
    })
    // Also when nothing changed: the call may repeat one whose answer was lost before the image heard of its changes. And
    // when it was refused for something that the image does not show yet, whoever looks there now must find it.
    if (await written.then(() => true, isRefusal)) await this.#follower.catchUp()
    return written
  }

  #topic(id: TopicId): Topic {
    const topic = this.#follower.image.topicById(id)
    // Only when somebody else deleted it between our commit and the image's catching up.
    if (topic === undefined) throw new Fault('missing', `topic ${id} was deleted meanwhile`)
    return topic
  }
}

function isRefusal(error: unknown): boolean {
  return isFault(error) && error.kind !== 'unavailable' && error.kind !== 'closed'
}

/** What all nodes on this database share; made by the first that comes. */
interface ClusterIdentity {
  readonly id: string
  readonly secret: string
}

async function establishCluster(tx: Tx, candidate: ClusterIdentity): Promise<ClusterIdentity> {
  await tx
    .insertInto('cluster')
    .values({ singleton: 1, ...candidate })
    // A database from before there were clusters has no secret yet.
    .onConflict((conflict) =>
      conflict.column('singleton').doUpdateSet({ secret: candidate.secret }).where('cluster.secret', 'is', null)
    )
    .execute()
  const { id, secret } = await tx.selectFrom('cluster').select(['id', 'secret']).executeTakeFirstOrThrow()
  return { id, secret: secret ?? candidate.secret }
}
