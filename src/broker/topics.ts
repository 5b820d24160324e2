/**
 * The topics of the cluster as this broker serves them: their settings, and the open partitions it leads.
 *
 * Changes go to the metadata first and are served once they are there.
 */
import type { Metadata, Topic } from '../metadata/metadata.ts'
import type { Clock } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import type { StreamEngine } from '../stream/stream-engine.ts'
import { Partition } from './partition/partition.ts'
import { type SettingName, type TopicSettings, topicSettings } from './topic-settings.ts'

export interface TopicsParts {
  readonly nodeId: number
  readonly clock: Clock
  readonly metadata: Metadata
  readonly engine: StreamEngine
  readonly defaults: Readonly<Partial<Record<SettingName, string>>>
  /** Milliseconds without an append after which a producer is forgotten (Kafka's `producer.id.expiration.ms`). */
  readonly producerExpirationMs: number
}

interface ServedTopic {
  topic: Topic
  settings: TopicSettings
  readonly partitions: (Partition | undefined)[]
}

export class Topics {
  readonly #parts: TopicsParts
  readonly #served = new Map<string, ServedTopic>()
  readonly #byStream = new Map<number, Partition>()
  readonly #creating = new Map<string, Promise<Topic>>()

  constructor(parts: TopicsParts) {
    this.#parts = parts
  }

  /** Opens every partition this broker leads. */
  async open(): Promise<void> {
    const topics = [...this.#parts.metadata.image.topics()]
    await this.#openPartitions(topics)
  }

  get(name: string): Topic | undefined {
    return this.#served.get(name)?.topic
  }

  byId(id: string): Topic | undefined {
    const topic = this.#parts.metadata.image.topicById(id)
    return topic === undefined ? undefined : this.get(topic.name)
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
    return this.#served.get(topicName)?.settings
  }

  /** Fault `conflict` when the name is taken. Callers that create the same topic at once share one creation. */
  create(
    name: string,
    partitions: number,
    configs: Readonly<Record<string, string>>,
    internal = false
  ): Promise<Topic> {
    const running = this.#creating.get(name)
    if (running !== undefined)
      return running.then(() => Promise.reject(new Fault('conflict', `topic ${name} exists already`)))
    const creation = this.#create(name, partitions, configs, internal).finally(() => this.#creating.delete(name))
    this.#creating.set(name, creation)
    return creation
  }

  /** Like `create`, but content with what is there. */
  async ensure(
    name: string,
    partitions: number,
    configs: Readonly<Record<string, string>>,
    internal = false
  ): Promise<Topic> {
    const existing = this.get(name) ?? (await this.#creating.get(name))
    return existing ?? this.create(name, partitions, configs, internal)
  }

  async grow(topic: Topic, total: number): Promise<void> {
    const grown = await this.#parts.metadata.createPartitions(topic.id, total, this.#parts.nodeId)
    await this.#openPartitions([grown])
  }

  async delete(topic: Topic): Promise<void> {
    await this.#parts.metadata.deleteTopic(topic.id)
    this.#served.delete(topic.name)
    for (const { streamId } of topic.partitions) {
      this.#byStream.delete(streamId)
      this.#parts.engine.discard(streamId)
    }
  }

  async configure(topic: Topic, changes: Readonly<Record<string, string | undefined>>): Promise<void> {
    this.#serve(await this.#parts.metadata.setTopicConfigs(topic.id, changes))
  }

  async #create(
    name: string,
    partitions: number,
    configs: Readonly<Record<string, string>>,
    internal: boolean
  ): Promise<Topic> {
    const leader = this.#parts.nodeId
    const topic = await this.#parts.metadata.createTopic({ name, partitions, configs, internal, leader })
    await this.#openPartitions([topic])
    return this.get(name) ?? topic
  }

  async #openPartitions(topics: readonly Topic[]): Promise<void> {
    const { engine, metadata, clock, nodeId } = this.#parts
    const ids: number[] = []
    for (const topic of topics) {
      for (const p of topic.partitions) if (p.leader === nodeId && !this.#byStream.has(p.streamId)) ids.push(p.streamId)
    }
    const opened = new Map(
      (await engine.open(ids, (id) => (offset) => this.#capture(id, offset))).map((o) => [o.stream.id, o])
    )
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
            settings: () => served.settings
          },
          found.snapshot,
          clock.now()
        )
        this.#byStream.set(p.streamId, partition)
        served.partitions[p.index] = partition
      }
    }
  }

  #serve(topic: Topic): ServedTopic {
    const settings = topicSettings(topic.configs, this.#parts.defaults)
    const served = this.#served.get(topic.name)
    if (served !== undefined && served.topic.id === topic.id) {
      served.topic = topic
      served.settings = settings
      return served
    }
    const fresh = { topic, settings, partitions: [] }
    this.#served.set(topic.name, fresh)
    return fresh
  }

  #capture(streamId: number, offset: number): Buffer | undefined {
    const expireBeforeMs = this.#parts.clock.now() - this.#parts.producerExpirationMs
    return this.#byStream.get(streamId)?.capture(offset, expireBeforeMs)
  }
}
