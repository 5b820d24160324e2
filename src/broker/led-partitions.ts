/**
 * The partitions that this broker leads: opens those that the metadata gives it, closes those that it takes away, and
 * hands over those that are to go elsewhere.
 *
 * Invariant: a partition is open here only under an epoch that the metadata gave for it, and it is given away only after
 * objects hold all of it. What the metadata says decides; nothing here is remembered of what was asked for.
 */
import type { ClusterNode, Metadata, MetadataImage, Partition as PartitionRow, Topic } from '../metadata/metadata.ts'
import { type Clock, sleep } from '../runtime/clock.ts'
import { Fault, isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { OpenedStream, StreamEngine } from '../stream/stream-engine.ts'
import type { Captured } from '../stream/uploader.ts'
import { Partition } from './partition/partition.ts'
import type { TopicSettings } from './topic-settings.ts'

/** Opened in one transaction, and handed over in one: between two of them others get a word in. */
const PARTITIONS_AT_ONCE = 200
/** Partitions whose state is read back at the same time. */
const RESTORES_AT_ONCE = 16
const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 5_000

export interface LedPartitionsParts {
  readonly nodeId: number
  /** From `Metadata.registerNode`. */
  readonly nodeEpoch: number
  readonly clock: Clock
  readonly log: Log
  readonly metadata: Metadata
  readonly engine: StreamEngine
  readonly settings: (topic: Topic) => TopicSettings
  /** Milliseconds without an append after which a producer is forgotten (Kafka's `producer.id.expiration.ms`). */
  readonly producerExpirationMs: number
  /** Which of the streams it leads; all by default. */
  readonly only?: (streamId: number) => boolean
  /** False while this broker may not speak for what it leads: somebody else might lead it by now. */
  readonly mayServe: () => boolean
}

/** A partition, and the node that is to lead it. */
export interface PartitionHandOver {
  readonly partition: Partition
  readonly to: number
}

/** A stream that the engine has opened and whose partition is not ready yet. */
interface Restoring {
  readonly topic: Topic
  readonly row: PartitionRow
  readonly opened: OpenedStream
}

type Listener = (partition: Partition) => void

export class LedPartitions {
  readonly #parts: LedPartitionsParts
  readonly #byStream = new Map<number, Partition>()
  readonly #restoring = new Map<number, Restoring>()
  /** Streams that are on their way in or out, and when that is over. Never rejects. */
  readonly #moving = new Map<number, Promise<void>>()
  readonly #opened = new Set<Listener>()
  readonly #closed = new Set<Listener>()
  readonly #stopping = new AbortController()
  #stopFollowing: (() => void) | undefined
  #seenRevision = -1
  #seenNodes: ReadonlyMap<number, ClusterNode> | undefined
  #running: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined
  #cancelRetry: (() => void) | undefined
  #retryMs = RETRY_MS_MIN

  constructor(parts: LedPartitionsParts) {
    this.#parts = parts
  }

  /** Opens all partitions that this broker leads, then follows the metadata until `close`. Throws when one cannot be opened. */
  async open(): Promise<void> {
    await this.#run()
    this.#stopFollowing = this.#parts.metadata.subscribe(() => {
      // Nodes, because one that is to get partitions may have come.
      const { topicsRevision } = this.#image
      if (topicsRevision !== this.#seenRevision || this.#image.nodes() !== this.#seenNodes) void this.reconcile()
    })
  }

  /** Follows no more. What is open stays open. */
  async close(): Promise<void> {
    this.#stopping.abort()
    this.#stopFollowing?.()
    this.#cancelRetry?.()
    await this.#running.catch(() => undefined)
  }

  /** The open partition; undefined when it is not open, or may not be served now. */
  get(streamId: number): Partition | undefined {
    return this.#parts.mayServe() ? this.#byStream.get(streamId) : undefined
  }

  all(): Iterable<Partition> {
    return this.#byStream.values()
  }

  /** When it will be known whether the partition is here; undefined when that is known. */
  settling(streamId: number): Promise<void> | undefined {
    return this.#moving.size === 0 ? undefined : this.#moving.get(streamId)
  }

  /** Runs `listener` when a partition has been opened here; returns how to stop. */
  onOpened(listener: Listener): () => void {
    this.#opened.add(listener)
    return () => this.#opened.delete(listener)
  }

  /** Runs `listener` when a partition is no longer here; returns how to stop. */
  onClosed(listener: Listener): () => void {
    this.#closed.add(listener)
    return () => this.#closed.delete(listener)
  }

  /** Resolves when everything that the metadata says at the moment of the call is so here, or is to be tried again. */
  async reconcile(): Promise<void> {
    if (this.#stopping.signal.aborted) return
    try {
      await this.#run()
      this.#retryMs = RETRY_MS_MIN
    } catch (error) {
      if (!isFault(error)) throw error
      this.#parts.log.warn({ error: error.message }, 'partitions could not be opened or handed over; trying again')
      this.#cancelRetry?.()
      this.#cancelRetry = this.#parts.clock.after(this.#retryMs, () => void this.reconcile())
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX)
    }
  }

  /**
   * Makes other nodes the leaders of open partitions. Appends wait meanwhile, reads go on. Fault `invalid` when a receiver
   * is not running: then nothing has changed.
   */
  async handOver(moves: readonly PartitionHandOver[]): Promise<void> {
    for (let at = 0; at < moves.length; at += PARTITIONS_AT_ONCE) {
      await this.#handOver(moves.slice(at, at + PARTITIONS_AT_ONCE))
    }
  }

  get #image(): MetadataImage {
    return this.#parts.metadata.image
  }

  /** Runs never overlap; callers that come while one is under way share the next. */
  #run(): Promise<void> {
    if (this.#next === undefined) {
      this.#next = this.#running.then(() => {
        this.#next = undefined
        const run = this.#reconcile()
        this.#running = run.catch(() => undefined)
        return run
      })
    }
    return this.#next
  }

  async #reconcile(): Promise<void> {
    this.#seenRevision = this.#image.topicsRevision
    this.#seenNodes = this.#image.nodes()
    const { mine, leaving } = this.#wanted()
    for (const [streamId, partition] of this.#byStream) if (!mine.has(streamId)) this.#drop(partition)
    for (const streamId of [...this.#restoring.keys()]) {
      if (mine.has(streamId)) continue
      this.#restoring.delete(streamId)
      this.#parts.engine.discard(streamId)
    }
    await this.#openStreams([...mine].filter(([streamId]) => !this.#byStream.has(streamId)))
    await this.handOver(leaving)
  }

  /** What the metadata says this broker leads, and which of it is to go. */
  #wanted() {
    const mine = new Map<number, { topic: Topic; row: PartitionRow }>()
    const leaving: PartitionHandOver[] = []
    const { nodeId, only = () => true } = this.#parts
    for (const topic of this.#image.topics()) {
      for (const row of topic.partitions) {
        if (row.leader !== nodeId || !only(row.streamId)) continue
        mine.set(row.streamId, { topic, row })
        const partition = this.#byStream.get(row.streamId)
        const receiver = row.target === null ? undefined : this.#image.nodes().get(row.target)
        if (partition !== undefined && receiver?.state === 'running') leaving.push({ partition, to: receiver.id })
      }
    }
    return { mine, leaving }
  }

  async #openStreams(wanted: readonly (readonly [number, { topic: Topic; row: PartitionRow }])[]): Promise<void> {
    for (let at = 0; at < wanted.length; at += PARTITIONS_AT_ONCE) {
      const some = wanted.slice(at, at + PARTITIONS_AT_ONCE)
      const opening = this.#openSome(some.map(([streamId]) => streamId))
      const known = opening.catch(() => undefined)
      for (const [streamId] of some) this.#moving.set(streamId, known)
      try {
        await opening
      } finally {
        for (const [streamId] of some) this.#moving.delete(streamId)
      }
    }
  }

  async #openSome(streamIds: readonly number[]): Promise<void> {
    const { engine } = this.#parts
    const fresh = streamIds.filter((id) => !this.#restoring.has(id))
    const opened = new Map((await engine.open(fresh)).map((one) => [one.stream.id, one]))
    // Read again: opening has moved the leader epochs.
    const { mine } = this.#wanted()
    for (const [streamId, one] of opened) {
      const place = mine.get(streamId)
      if (place === undefined) engine.discard(streamId)
      else this.#restoring.set(streamId, { ...place, opened: one })
    }
    // One after another in each of a few lanes: they may all have to read objects.
    const queue = streamIds.flatMap((id) => this.#restoring.get(id) ?? [])
    let failure: unknown
    const lane = async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        await this.#restore(next).catch((error) => {
          failure ??= error
        })
      }
    }
    await Promise.all(Array.from({ length: RESTORES_AT_ONCE }, lane))
    if (failure !== undefined) throw failure
  }

  async #restore({ topic, row, opened }: Restoring): Promise<void> {
    const { clock, settings, nodeId } = this.#parts
    const { streamId, index, leaderEpoch } = row
    const { stream, snapshot } = opened
    const own = () => this.#image.topicById(topic.id) ?? topic
    const place = {
      topicName: topic.name,
      topicId: topic.id,
      index,
      leaderEpoch,
      stream,
      settings: () => settings(own())
    }
    const partition = await Partition.open(place, snapshot, clock.now())
    this.#restoring.delete(streamId)
    // Deleted while its state was read.
    if (this.#image.topicById(topic.id)?.partitions[index]?.leader !== nodeId) {
      this.#parts.engine.discard(streamId)
      return
    }
    this.#byStream.set(streamId, partition)
    opened.own({
      capture: (startOffset, endOffset) => this.#capture(partition, startOffset, endOffset),
      profile: () => settings(own()).objectStoreProfile
    })
    for (const listener of [...this.#opened]) listener(partition)
  }

  /** The metadata says that it is gone, or somebody else's. */
  #drop(partition: Partition): void {
    const isThere = this.#image.topicById(partition.topicId)?.partitions[partition.index] !== undefined
    this.#close(partition, isThere ? movedAway(partition) : undefined)
  }

  #close(partition: Partition, reason: Fault | undefined): void {
    this.#byStream.delete(partition.stream.id)
    this.#parts.engine.discard(partition.stream.id, reason)
    for (const listener of [...this.#closed]) listener(partition)
  }

  async #handOver(moves: readonly PartitionHandOver[]): Promise<void> {
    const here = moves.filter(({ partition }) => this.#byStream.get(partition.stream.id) === partition)
    if (here.length === 0) return
    const moving = this.#give(here)
    const known = moving.catch(() => undefined)
    for (const { partition } of here) this.#moving.set(partition.stream.id, known)
    try {
      await moving
    } finally {
      for (const { partition } of here) this.#moving.delete(partition.stream.id)
    }
  }

  async #give(moves: readonly PartitionHandOver[]): Promise<void> {
    const { engine, metadata, nodeId, nodeEpoch, log } = this.#parts
    const receivers = new Map(moves.map(({ partition, to }) => [partition.stream.id, to]))
    try {
      const settled = await engine.settle(
        [...receivers.keys()],
        new Fault('closed', 'the partition is being handed over')
      )
      const streams = settled.map((one) => ({ ...one, to: receivers.get(one.streamId) ?? nodeId }))
      await metadata.handOver({ nodeId, nodeEpoch, streams })
    } catch (error) {
      if (!isFault(error)) throw error
      // It may have happened: nothing may be appended before that is known.
      if (error.kind === 'unavailable') await this.#catchUp()
      const given = moves.filter(({ partition }) => this.#isMine(partition)).length === 0
      if (!given) {
        for (const { partition } of moves) partition.stream.unseal()
        throw error
      }
    }
    for (const { partition } of moves) this.#close(partition, movedAway(partition))
    log.info({ partitions: moves.length, to: [...new Set(receivers.values())] }, 'partitions handed over')
  }

  #isMine({ topicId, index }: Partition): boolean {
    return this.#image.topicById(topicId)?.partitions[index]?.leader === this.#parts.nodeId
  }

  /** Asks for what the metadata says, however long it takes. */
  async #catchUp(): Promise<void> {
    const { metadata, clock } = this.#parts
    for (let delayMs = RETRY_MS_MIN; !this.#stopping.signal.aborted; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
      try {
        await metadata.poll()
        return
      } catch (error) {
        if (!isFault(error, 'unavailable')) throw error
        await sleep(clock, delayMs, this.#stopping.signal)
      }
    }
  }

  #capture(partition: Partition, startOffset: number, endOffset: number): Captured {
    const expireBeforeMs = this.#parts.clock.now() - this.#parts.producerExpirationMs
    return partition.capture(startOffset, endOffset, expireBeforeMs)
  }
}

function movedAway({ topicName, index }: Partition): Fault {
  return new Fault('closed', `${topicName}-${index} is led by another broker now`)
}
