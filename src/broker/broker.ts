/** The broker: puts topics, groups, the table of APIs and the server together, starts and stops them in order. */
import type { Metadata } from '../metadata/metadata.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import type { StreamEngine } from '../stream/stream-engine.ts'
import { apiTable } from './apis.ts'
import type { BrokerSettings } from './broker-parts.ts'
import { compactedLogs } from './compaction/compacted-log.ts'
import { LogCleaner } from './compaction/log-cleaner.ts'
import { type Coordinators, closeCoordinators, createCoordinators } from './coordinators.ts'
import { Dispatcher } from './dispatcher.ts'
import { FetchSessions } from './fetch-sessions.ts'
import { KafkaServer } from './kafka-server.ts'
import { ProducerIds } from './producer-ids.ts'
import { RequestMemory } from './request-memory.ts'
import { Retention } from './retention.ts'
import { Topics } from './topics.ts'
import { UnfinishedFrames } from './unfinished-frames.ts'
import { UnsentBytes } from './unsent-bytes.ts'

/** Kafka's default of `max.incremental.fetch.session.cache.slots`. */
const FETCH_SESSIONS_MAX = 1000
/** Kafka's default of `offsets.topic.num.partitions`. */
const OFFSETS_PARTITIONS = 50

export interface BrokerOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metadata: Metadata
  readonly engine: StreamEngine
  readonly settings: BrokerSettings
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly frameBytesMax: number
  readonly requestMemoryBytes: number
  readonly producerExpirationMs: number
  /** Memory for the keys of a partition while it is compacted. */
  readonly offsetMapBytes: number
  readonly groupInitialRebalanceDelayMs: number
  readonly groupMinSessionTimeoutMs: number
}

export class Broker {
  readonly topics: Topics
  readonly #options: BrokerOptions
  readonly #coordinators: Coordinators
  readonly #retention: Retention
  readonly #cleaner: LogCleaner
  readonly #server: KafkaServer

  constructor(options: BrokerOptions) {
    const { clock, random, log, metadata, engine, settings } = options
    this.#options = options
    this.topics = new Topics({
      nodeId: settings.nodeId,
      clock,
      metadata,
      engine,
      defaults: settings.topicDefaults,
      producerExpirationMs: options.producerExpirationMs
    })
    this.#coordinators = createCoordinators({
      clock,
      random,
      log,
      topics: this.topics,
      offsetsPartitions: OFFSETS_PARTITIONS,
      groupSettings: {
        initialRebalanceDelayMs: options.groupInitialRebalanceDelayMs,
        minSessionTimeoutMs: options.groupMinSessionTimeoutMs
      }
    })
    this.#retention = new Retention({ clock, log, topics: this.topics, metadata })
    this.#cleaner = new LogCleaner({
      clock,
      log,
      image: metadata.image,
      rewriting: engine.rewriting,
      logs: () => compactedLogs(this.topics),
      offsetMapBytes: options.offsetMapBytes
    })
    const unsent = new UnsentBytes(options.requestMemoryBytes)
    const parts = {
      unsent,
      clock,
      log,
      metadata,
      settings,
      topics: this.topics,
      sessions: new FetchSessions(random, FETCH_SESSIONS_MAX),
      producerIds: new ProducerIds(metadata),
      advertisedPort: () => this.#server.port,
      storedBytes: (streamId: number) => engine.storedBytes(streamId)
    }
    this.#server = new KafkaServer({
      dispatcher: new Dispatcher(apiTable(parts, this.#coordinators)),
      produceMemory: new RequestMemory(options.requestMemoryBytes / 2),
      memory: new RequestMemory(options.requestMemoryBytes / 2),
      // Room for the largest frame at least, or nobody could ever send one.
      unsent,
      unfinished: new UnfinishedFrames(Math.max(options.frameBytesMax, options.requestMemoryBytes / 2)),
      frameBytesMax: options.frameBytesMax,
      room: () => engine.room(),
      log
    })
  }

  get port(): number {
    return this.#server.port
  }

  /** Opens all partitions, then the port: the first request finds everything. */
  async start(): Promise<void> {
    await this.topics.open()
    this.#retention.start()
    this.#cleaner.start()
    await this.#server.listen(this.#options.host, this.#options.port)
  }

  /** Takes no more requests; what was appended becomes durable when the engine closes. */
  async close(): Promise<void> {
    await Promise.all([this.#retention.close(), this.#cleaner.close()])
    closeCoordinators(this.#coordinators)
    await this.#server.close()
  }
}
