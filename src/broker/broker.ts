/** The broker: puts topics, groups, the table of APIs and the server together, starts and stops them in order. */
import type { Metadata } from '../metadata/metadata.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import type { StreamEngine } from '../stream/stream-engine.ts'
import { type Administration, createAdministration } from './administration.ts'
import { apiTable } from './apis.ts'
import { AppendDelays } from './append-delays.ts'
import type { BrokerSettings } from './broker-parts.ts'
import { ClusterView } from './cluster-view.ts'
import { compactedLogs } from './compaction/compacted-log.ts'
import { LogCleaner } from './compaction/log-cleaner.ts'
import {
  type Coordinators,
  type CoordinatorsOptions,
  closeCoordinators,
  createCoordinators,
  resumeTransactions
} from './coordinators.ts'
import { Dispatcher } from './dispatcher.ts'
import { FetchSessions } from './fetch-sessions.ts'
import { KafkaServer } from './kafka-server.ts'
import { LedPartitions } from './led-partitions.ts'
import { NodeClients } from './nodes/node-clients.ts'
import { tcpNodeTransport } from './nodes/tcp-node-transport.ts'
import { ProducerIds } from './producer-ids.ts'
import { Throttling } from './quotas/throttling.ts'
import { RequestMemory } from './request-memory.ts'
import { Retention } from './retention.ts'
import type { NodeSecurity } from './security/node-security.ts'
import { LiveSettings } from './settings/live-settings.ts'
import type { LogLevel } from './settings/logger-levels.ts'
import { LiveTopicSettings, Topics } from './topics.ts'
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
  /** From `Metadata.registerNode`. */
  readonly nodeEpoch: number
  /** See `LedPartitionsParts.mayServe`. */
  readonly mayServe: () => boolean
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
  /** Undefined: this broker says to nobody who it is, and authenticates nobody. */
  readonly security?: NodeSecurity
  /** Of `log`, if it can be changed. */
  readonly logLevel?: LogLevel
}

export class Broker {
  readonly topics: Topics
  readonly topicSettings: LiveTopicSettings
  readonly led: LedPartitions
  readonly appendDelays = new AppendDelays()
  readonly #options: BrokerOptions
  readonly #coordinators: Coordinators
  readonly #administration: Administration
  readonly #nodes: NodeClients
  readonly #retention: Retention
  readonly #cleaner: LogCleaner
  readonly #server: KafkaServer

  constructor(options: BrokerOptions) {
    const { clock, random, log, metadata, engine } = options
    const settings = { ...options.settings, startedWith: startedWith(options) }
    const live = new LiveSettings(metadata.image, settings)
    const producerIds = new ProducerIds(metadata)
    this.#options = options
    const { nodeId } = settings
    this.topicSettings = new LiveTopicSettings(() => live.topicDefaults())
    const cluster = new ClusterView({
      nodeId,
      image: () => metadata.image,
      self: () => ({ nodeId, host: settings.advertisedHost, port: this.#server.port, rack: settings.rack })
    })
    this.led = new LedPartitions({
      ...options,
      nodeId,
      settings: (topic) => this.topicSettings.of(topic),
      get producerExpirationMs() {
        return Number(live.brokerValue('producer.id.expiration.ms'))
      }
    })
    this.topics = new Topics({ clock, metadata, cluster, led: this.led, settings: this.topicSettings })
    this.#nodes = createNodes(options, cluster)
    const transactionVersion = () => (this.#administration.features.level('transaction.version') >= 2 ? 2 : 0)
    const surroundings = { topics: this.topics, cluster, nodes: this.#nodes, producerIds, transactionVersion }
    this.#coordinators = coordinatorsOf(options, live, surroundings)
    this.#retention = new Retention({ clock, log, topics: this.topics, metadata })
    this.#cleaner = createCleaner(options, this.topics)
    const { clientMetrics } = live
    this.#administration = createAdministration({ clock, random, log, metadata, cluster, clientMetrics })
    const unsent = new UnsentBytes(options.requestMemoryBytes)
    const parts = {
      ...this.#administration,
      unsent,
      clock,
      log,
      metadata,
      settings,
      live,
      random,
      ...(options.security && { security: options.security }),
      ...(options.logLevel === undefined ? {} : { logLevel: options.logLevel }),
      cluster,
      appendDelays: this.appendDelays,
      topics: this.topics,
      sessions: new FetchSessions(random, FETCH_SESSIONS_MAX),
      producerIds,
      storedBytes: (streamId: number) => engine.storedBytes(streamId)
    }
    const dispatcher = new Dispatcher(apiTable(parts, this.#coordinators), new Throttling(parts))
    const { quotas } = this.#administration
    const admit = (address: string) => quotas.connect(address)
    this.#server = new KafkaServer({ ...serverLimits(options), dispatcher, unsent, admit, clock, log })
  }

  get port(): number {
    return this.#server.port
  }

  /** What clients told of themselves, in Prometheus text. */
  clientMetricsText(): string {
    return this.#administration.telemetry.text()
  }

  /** Opens all partitions, then the port: the first request finds everything. */
  async start(): Promise<void> {
    await this.led.open()
    await resumeTransactions(this.#coordinators, this.topics)
    this.#retention.start()
    this.#cleaner.start()
    await this.#server.listen(this.#options.host, this.#options.port)
  }

  /** Takes no more requests; what was appended becomes durable when the engine closes. */
  async close(): Promise<void> {
    await Promise.all([this.#retention.close(), this.#cleaner.close()])
    closeCoordinators(this.#coordinators)
    this.#nodes.close()
    await this.#server.close()
    await this.led.close()
  }
}

function coordinatorsOf(
  options: BrokerOptions,
  live: LiveSettings,
  surroundings: Pick<CoordinatorsOptions, 'topics' | 'cluster' | 'nodes' | 'producerIds' | 'transactionVersion'>
): Coordinators {
  const { clock, random, log, metadata } = options
  return createCoordinators({
    ...surroundings,
    clock,
    random,
    log,
    subscribe: (listener) => metadata.subscribe(listener),
    offsetsPartitions: OFFSETS_PARTITIONS,
    groupSettings: {
      initialRebalanceDelayMs: options.groupInitialRebalanceDelayMs,
      minSessionTimeoutMs: options.groupMinSessionTimeoutMs
    },
    groupSettingsOf: live.groupSettings
  })
}

function createNodes({ clock, random, log, metadata, security }: BrokerOptions, cluster: ClusterView): NodeClients {
  return new NodeClients({
    clock,
    random,
    log,
    transport: tcpNodeTransport,
    cluster,
    subscribe: (listener) => metadata.subscribe(listener),
    ...(security && { clusterSecret: security.clusterSecret })
  })
}

function createCleaner({ clock, log, metadata, engine, offsetMapBytes }: BrokerOptions, topics: Topics): LogCleaner {
  const logs = () => compactedLogs(topics)
  return new LogCleaner({ clock, log, image: metadata.image, rewriting: engine.rewriting, logs, offsetMapBytes })
}

/** How much clients may send at once. */
function serverLimits({ requestMemoryBytes, frameBytesMax, engine }: BrokerOptions) {
  return {
    produceMemory: new RequestMemory(requestMemoryBytes / 2),
    memory: new RequestMemory(requestMemoryBytes / 2),
    // Room for the largest frame at least, or nobody could ever send one.
    unfinished: new UnfinishedFrames(Math.max(frameBytesMax, requestMemoryBytes / 2)),
    frameBytesMax,
    room: () => engine.room()
  }
}

/** What DescribeConfigs shows of the node's configuration, by Kafka's names. */
function startedWith(options: BrokerOptions): Readonly<Record<string, string>> {
  const values = {
    'group.initial.rebalance.delay.ms': options.groupInitialRebalanceDelayMs,
    'group.min.session.timeout.ms': options.groupMinSessionTimeoutMs,
    'log.cleaner.dedupe.buffer.size': options.offsetMapBytes,
    'producer.id.expiration.ms': options.producerExpirationMs,
    'queued.max.request.bytes': options.requestMemoryBytes,
    'socket.request.max.bytes': options.frameBytesMax
  }
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]))
}
