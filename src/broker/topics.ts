/**
 * The topics of the cluster: their settings, and those of their partitions that are open here.
 *
 * Topics are as the metadata image shows them; changes go to the metadata, and are done when the partitions of them that
 * this broker leads are open. Changes of one topic name by this broker run one after another, so that none meets a topic
 * half made or half gone.
 */
import { pinsOf } from '../cluster/balance-view.ts'
import type { Metadata, Topic } from '../metadata/metadata.ts'
import { type Clock, sleep } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import { ErrorCode } from '../wire/error-codes.ts'
import type { ClusterView } from './cluster-view.ts'
import type { LedPartitions } from './led-partitions.ts'
import type { Partition } from './partition/partition.ts'
import { type TopicDefaults, type TopicSettings, topicSettings } from './topic-settings.ts'

/** How long a request waits for a partition that is on its way in or out. */
const SETTLE_MS_MAX = 3_000
/** Between two looks into the database for the sake of misled requests. */
const REFRESH_MS_MIN = 50

export interface TopicsParts {
  readonly clock: Clock
  readonly metadata: Metadata
  readonly cluster: ClusterView
  readonly led: LedPartitions
  readonly settings: LiveTopicSettings
}

/** Why a partition cannot be served here. */
export type PartitionError = 3 | 6

/** The settings of topics with the defaults that hold now. */
export class LiveTopicSettings {
  /** The same object until one of them changes. */
  readonly #defaults: () => TopicDefaults
  readonly #known = new WeakMap<Topic, { defaults: TopicDefaults; settings: TopicSettings }>()

  constructor(defaults: () => TopicDefaults) {
    this.#defaults = defaults
  }

  /** Defaults may change under a topic at any time: one comparison tells. A topic that changes is another object. */
  of(topic: Topic): TopicSettings {
    const defaults = this.#defaults()
    const known = this.#known.get(topic)
    if (known?.defaults === defaults) return known.settings
    const settings = topicSettings(topic.configs, defaults)
    this.#known.set(topic, { defaults, settings })
    return settings
  }
}

export class Topics {
  readonly #parts: TopicsParts
  /** Per topic name, when all changes asked for so far are done. */
  readonly #changing = new Map<string, Promise<unknown>>()
  /** By stream: what requests wait for that came before it was known whether the partition is here. */
  readonly #waiting = new Map<number, Promise<void>>()
  #refreshing: Promise<void> | undefined
  #refreshedAt = Number.NEGATIVE_INFINITY

  constructor(parts: TopicsParts) {
    this.#parts = parts
  }

  /** Grows whenever a topic appears, grows, is configured, moves or goes. */
  get revision(): number {
    return this.#image.topicsRevision
  }

  get(name: string): Topic | undefined {
    return this.#image.topic(name)
  }

  byId(id: string): Topic | undefined {
    return this.#image.topicById(id)
  }

  *names(): Iterable<string> {
    for (const { name } of this.#image.topics()) yield name
  }

  all(): Topic[] {
    return [...this.#image.topics()]
  }

  /** The open partition, if this broker leads it. */
  partition(topicName: string, index: number): Partition | undefined {
    const row = this.get(topicName)?.partitions[index]
    return row === undefined ? undefined : this.#parts.led.get(row.streamId)
  }

  /** What a client is told of a partition that is not open here. */
  absence(topicName: string, index: number): PartitionError {
    const isThere = this.get(topicName)?.partitions[index] !== undefined
    return isThere ? ErrorCode.NOT_LEADER_OR_FOLLOWER : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  }

  /** Those of a topic's partitions that are open here. */
  partitions(topicName: string): readonly Partition[] {
    const rows = this.get(topicName)?.partitions ?? []
    return rows.flatMap(({ streamId }) => this.#parts.led.get(streamId) ?? [])
  }

  settings(topicName: string): TopicSettings | undefined {
    const topic = this.get(topicName)
    return topic === undefined ? undefined : this.#parts.settings.of(topic)
  }

  /** See `LedPartitions.onOpened`. */
  onOpened(listener: (partition: Partition) => void): () => void {
    return this.#parts.led.onOpened(listener)
  }

  /** See `LedPartitions.onClosed`. */
  onClosed(listener: (partition: Partition) => void): () => void {
    return this.#parts.led.onClosed(listener)
  }

  /**
   * When it will be known whether a partition is open here; undefined when it is known already. A client that comes
   * because another broker sent it here may be ahead of what this one has heard.
   */
  settling(topic: Topic | undefined, index: number): Promise<void> | undefined {
    const row = topic?.partitions[index]
    if (row === undefined) return undefined
    const { led, cluster } = this.#parts
    const { streamId } = row
    // Whoever comes later waits as well, or it would overtake those that came before.
    const known = this.#waiting.size === 0 ? undefined : this.#waiting.get(streamId)
    if (known !== undefined) return known
    const moving = led.settling(streamId)
    if (moving === undefined && (led.get(streamId) !== undefined || cluster.isAlone)) return undefined
    const name = topic?.name ?? ''
    const arrival = () => (this.get(name)?.partitions[index]?.leader === cluster.nodeId ? led.reconcile() : undefined)
    const waiting = this.#patiently(moving ?? this.#refresh().then(arrival)).finally(() =>
      this.#waiting.delete(streamId)
    )
    this.#waiting.set(streamId, waiting)
    return waiting
  }

  /** Fault `conflict` when the name is taken. `leaders`: of the partitions in turn; by default spread over the cluster. */
  create(
    name: string,
    partitions: number,
    configs: Readonly<Record<string, string>>,
    options: { readonly internal?: boolean; readonly leaders?: readonly number[] } = {}
  ): Promise<Topic> {
    return this.#exclusive(name, () => this.#create(name, partitions, configs, options))
  }

  /** Like `create`, but content with what is there. */
  async ensure(
    name: string,
    partitions: number,
    configs: Readonly<Record<string, string>>,
    internal = false
  ): Promise<Topic> {
    const existing = this.get(name)
    if (existing !== undefined && !this.#changing.has(name)) return existing
    return this.#exclusive(name, async () => {
      try {
        return this.get(name) ?? (await this.#create(name, partitions, configs, { internal }))
      } catch (error) {
        // Another broker was faster.
        const made = isFault(error, 'conflict') ? this.get(name) : undefined
        if (made === undefined) throw error
        return made
      }
    })
  }

  /** Fault `missing` when the topic is gone. */
  grow(topic: Topic, total: number, leaders = this.#spread(pinsOf(topic.configs))): Promise<void> {
    return this.#exclusive(topic.name, async () => {
      await this.#parts.metadata.createPartitions(topic.id, total, leaders)
      await this.#parts.led.reconcile()
    })
  }

  /** Fault `missing` when the topic is gone. */
  delete(topic: Topic): Promise<void> {
    return this.#exclusive(topic.name, async () => {
      await this.#parts.metadata.deleteTopic(topic.id)
      await this.#parts.led.reconcile()
    })
  }

  /** Fault `missing` when the topic is gone. */
  configure(topic: Topic, changes: Readonly<Record<string, string | undefined>>): Promise<void> {
    return this.#exclusive(topic.name, async () => {
      await this.#parts.metadata.setTopicConfigs(topic.id, changes)
    })
  }

  get #image() {
    return this.#parts.metadata.image
  }

  async #exclusive<T>(name: string, change: () => Promise<T>): Promise<T> {
    const before = this.#changing.get(name)
    const running = before === undefined ? change() : before.then(change, change)
    this.#changing.set(name, running)
    try {
      return await running
    } finally {
      if (this.#changing.get(name) === running) this.#changing.delete(name)
    }
  }

  async #create(
    name: string,
    partitions: number,
    configs: Readonly<Record<string, string>>,
    {
      internal = false,
      leaders = this.#spread(pinsOf(configs))
    }: { readonly internal?: boolean; readonly leaders?: readonly number[] }
  ): Promise<Topic> {
    const topic = await this.#parts.metadata.createTopic({ name, partitions, configs, internal, leaders })
    await this.#parts.led.reconcile()
    return this.get(name) ?? topic
  }

  /** Brokers that take partitions, those that lead fewest first; only pinned ones, if one of these does. */
  #spread(pins: readonly number[]): readonly number[] {
    const all = this.#parts.cluster.receivers()
    const pinned = all.filter((id) => pins.includes(id))
    const receivers = pinned.length > 0 ? pinned : all
    if (receivers.length === 1) return receivers
    const counts = new Map(receivers.map((id) => [id, 0]))
    for (const { partitions } of this.#image.topics()) {
      for (const { leader } of partitions) {
        const count = counts.get(leader)
        if (count !== undefined) counts.set(leader, count + 1)
      }
    }
    return receivers.toSorted((a, b) => (counts.get(a) ?? 0) - (counts.get(b) ?? 0) || a - b)
  }

  /** One look for all that wait, and none too soon after the last. */
  #refresh(): Promise<void> {
    const { clock, metadata } = this.#parts
    if (this.#refreshing === undefined) {
      const waitMs = this.#refreshedAt + REFRESH_MS_MIN - clock.monotonic()
      const due = waitMs > 0 ? sleep(clock, waitMs) : Promise.resolve()
      this.#refreshing = due
        .then(() => {
          this.#refreshedAt = clock.monotonic()
          return metadata.poll()
        })
        .finally(() => {
          this.#refreshing = undefined
        })
    }
    return this.#refreshing
  }

  /** That it could not be told in time is told by the partition's absence. */
  async #patiently(known: Promise<void>): Promise<void> {
    const patience = new AbortController()
    await Promise.race([known.catch(() => undefined), sleep(this.#parts.clock, SETTLE_MS_MAX, patience.signal)])
    patience.abort()
  }
}
