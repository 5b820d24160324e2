/**
 * The composition root: from a configuration to a running node. The only place that knows every component.
 */
import { Broker } from '../broker/broker.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Configuration } from '../runtime/configuration.ts'
import type { Random } from '../runtime/random.ts'
import { createLogger } from './logger.ts'
import type { NodeStatus } from './node-status.ts'
import { openStorage } from './storage.ts'

export interface NodeEffects {
  readonly clock: Clock
  readonly random: Random
}

export interface RunningNode {
  status(): NodeStatus
  close(): Promise<void>
}

export async function startNode(configuration: Configuration, { clock, random }: NodeEffects): Promise<RunningNode> {
  const startedMs = clock.monotonic()
  const log = createLogger(configuration.logLevel)
  const storage = await openStorage(configuration, { clock, random, log })
  const { metadata, engine } = storage
  const broker = new Broker({
    clock,
    random,
    log,
    metadata,
    engine,
    settings: {
      nodeId: configuration.nodeId,
      rack: configuration.rack ?? null,
      advertisedHost: configuration.advertisedHost ?? configuration.host,
      logDir: configuration.objectStore,
      autoCreateTopics: configuration.autoCreateTopics,
      defaultPartitions: configuration.defaultPartitions,
      topicDefaults: { 'max.message.bytes': String(configuration.messageBytesMax) }
    },
    host: configuration.host,
    port: configuration.kafkaPort,
    frameBytesMax: configuration.frameBytesMax,
    requestMemoryBytes: configuration.requestMemoryBytes,
    producerExpirationMs: configuration.producerIdExpirationMs,
    groupInitialRebalanceDelayMs: configuration.groupInitialRebalanceDelayMs,
    groupMinSessionTimeoutMs: configuration.groupMinSessionTimeoutMs
  })
  await broker.start()
  return {
    status: () => ({
      uptimeMs: clock.monotonic() - startedMs,
      devicesConnected: 0,
      recordsReceived: 0,
      recordsAcknowledged: 0,
      deadLettered: 0,
      consumed: 0,
      consumerLag: 0,
      walBytes: engine.stats().walBytes,
      objectBytes: 0,
      objects: 0,
      topics: broker.topics.all().length,
      partitions: 0,
      kafkaAddress: `${configuration.host}:${broker.port}`,
      mqttAddress: '',
      httpAddress: ''
    }),
    async close() {
      await broker.close()
      await storage.close()
    }
  }
}
