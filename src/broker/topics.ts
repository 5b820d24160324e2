/**
 * The topics of the cluster as this broker serves them: their settings, and the open partitions it leads.
 *
 * Changes go to the metadata first and are served once they are there. Changes of one topic name run one after another,
 * so that none meets a topic half made or half gone.
 */
import type { Metadata, Topic } from '../metadata/metadata.ts'
import type { Clock } from '../runtime/clock.ts'
import type { StreamEngine } from '../stream/stream-engine.ts'
import type { Captured } from '../stream/uploader.ts'
import { Partition } from './partition/partition.ts'
import { type TopicDefaults, type TopicSettings, topicSettings } from './topic-settings.ts'

export interface TopicsParts {
  readonly nodeId: number
  readonly clock: Clock
  readonly metadata: Metadata
  readonly engine: StreamEngine
  /** The same object until one of them changes. */
  readonly defaults: () => TopicDefaults
  /** Milliseconds without an append after which a producer is forgotten (Kafka's `producer.id.expiration.ms`). */
  readonly producerExpirationMs: number
}

interface ServedTopic {
  topic: Topic
  settings: TopicSettings
  /** What the settings were made with. */
  defaults: TopicDefaults
  readonly partitions: (Partition | undefined)[]
}

export class Topics {
  readonly #parts: TopicsParts
  readonly #served = new Map<string, ServedTopic>()
  readonly #byStream = new Map<number, Partition>()
  /** Per topic name, when all changes asked for so far are done. */
  readonly #changing = new Map<string, Promise<unknown>>()
  #revision = 0

  constructor(parts: TopicsParts) {
    this.#parts = parts
  }

  /** Opens every partition this broker leads. */
  async open(): Promise<void> {
    const topics = [...this.#parts.metadata.image.topics()]
    await this.#openPartitions(topics)
  }

  /** Rises whenever a topic appears, grows, is configured or goes. */
  get revision(): number {
    return this.#revision
  }

  get(name: string): Topic | undefined {
    return this.#served.get(name)?.topic
  }

  byId(id: string): Topic | undefined {
    const name = this.#parts.metadata.image.topicById(id)?.name
    const topic = name === undefined ? undefined : this.get(name)
    // The name may be that of an older or newer topic.
    return topic?.id === id ? topic : undefined
  }

  names(): Iterable<string> {
    return this.#served.keys()
  }

  all(): Topic[] {
    return [...this.#served.values()].map((served) => served.topic)
  }

  /** The open partition, if this broker leads it. */
  partition(topicName: string, index: number): Partition | undefined {
    return this.#served.get(topicName)?.partitions[index]
  }

  partitions(topicName: string): readonly Partition[] {
    return (this.#served.get(topicName)?.partitions ?? []).filter((p) => p !== undefined)
  }

  settings(topicName: string): TopicSettings | undefined {
    const served = this.#served.get(topicName)
    return served === undefined ? undefined : this.#settingsOf(served)
  }

  /** Fault `conflict` when the name is taken. */
  create(
    name: string,
    partitions: number,
    configs: Readonly<Record<string, string>>,
    internal = false
  ): Promise<Topic> {
    return this.#exclusive(name, () => this.#create(name, partitions, configs, internal))
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
    return this.#exclusive(name, async () => this.get(name) ?? this.#create(name, partitions, configs, internal))
  }

  /** Fault `missing` when the topic is gone. */
  grow(topic: Topic, total: number): Promise<void> {
    return this.#exclusive(topic.name, async () => {
      const grown = await this.#parts.metadata.createPartitions(topic.id, total, [this.#parts.nodeId])
      await this.#openPartitions([grown])
    })
  }

  /** Fault `missing` when the topic is gone. */
  delete(topic: Topic): Promise<void> {
    return this.#exclusive(topic.name, async () => {
      await this.#parts.metadata.deleteTopic(topic.id)
      const served = this.#served.get(topic.name)
      this.#served.delete(topic.name)
      this.#revision++
      for (const { streamId } of served?.topic.partitions ?? topic.partitions) {
        this.#byStream.delete(streamId)
        this.#parts.engine.discard(streamId)
      }
    })
  }

  /** Fault `missing` when the topic is gone. */
  configure(topic: Topic, changes: Readonly<Record<string, string | undefined>>): Promise<void> {
    return this.#exclusive(topic.name, async () => {
      this.#serve(await this.#parts.metadata.setTopicConfigs(topic.id, changes))
    })
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
    internal: boolean
  ): Promise<Topic> {
    const leaders = [this.#parts.nodeId]
    // A creation that failed half-way, recorded and never opened, is finished instead of refused.
    const half = this.#served.has(name) ? undefined : this.#parts.metadata.image.topic(name)
    const topic = half ?? (await this.#parts.metadata.createTopic({ name, partitions, configs, internal, leaders }))
    await this.#openPartitions([topic])
    return this.get(name) ?? topic
  }

  async #openPartitions(topics: readonly Topic[]): Promise<void> {
    const { engine, metadata, clock, nodeId } = this.#parts
    const topicOf = new Map<number, Topic>()
    for (const topic of topics) {
      for (const p of topic.partitions) {
        if (p.leader === nodeId && !this.#byStream.has(p.streamId)) topicOf.set(p.streamId, topic)
      }
    }
    const streams = await engine.open([...topicOf.keys()])
    const opened = new Map(streams.map((o) => [o.stream.id, o]))
    for (const { name } of topics) {
      // Read again: opening has moved the leader epochs.
      const topic = metadata.image.topic(name)
      if (topic === undefined) continue
      const served = this.#serve(topic)
      for (const p of topic.partitions) {
        const found = opened.get(p.streamId)
        if (found === undefined) continue
        const partition = await Partition.open(
          {
            topicName: name,
            topicId: topic.id,
            index: p.index,
            leaderEpoch: p.leaderEpoch,
            stream: found.stream,
            settings: () => this.#settingsOf(served)
          },
          found.snapshot,
          clock.now()
        )
        this.#byStream.set(p.streamId, partition)
        found.own({
          capture: (startOffset, endOffset) => this.#capture(partition, startOffset, endOffset),
          profile: () => served.settings.objectStoreProfile
        })
        served.partitions[p.index] = partition
      }
    }
  }

  #serve(topic: Topic): ServedTopic {
    this.#revision++
    const defaults = this.#parts.defaults()
    const settings = topicSettings(topic.configs, defaults)
    const served = this.#served.get(topic.name)
    if (served !== undefined && served.topic.id === topic.id) {
      served.topic = topic
      served.settings = settings
      served.defaults = defaults
      return served
    }
    const fresh = { topic, settings, defaults, partitions: [] }
    this.#served.set(topic.name, fresh)
    return fresh
  }

  /** Defaults may change under a topic at any time: one comparison tells. */
  #settingsOf(served: ServedTopic): TopicSettings {
    const defaults = this.#parts.defaults()
    if (served.defaults !== defaults) {
      served.defaults = defaults
      served.settings = topicSettings(served.topic.configs, defaults)
    }
    return served.settings
  }

  #capture(partition: Partition, startOffset: number, endOffset: number): Captured {
    const expireBeforeMs = this.#parts.clock.now() - this.#parts.producerExpirationMs
    return partition.capture(startOffset, endOffset, expireBeforeMs)
  }
}
