/**
 * The composition root: from a configuration to a running node. The only place that knows every component.
 *
 * Starts what others need first and stops in reverse, also when a start fails half-way.
 */
import { Broker } from '../broker/broker.ts'
import { SqlDeviceRegistry } from '../fleet/sql-device-registry.ts'
import { defaultGatewaySettings, type Gateway, startGateway } from '../gateway/gateway.ts'
import { createRecordProducer } from '../gateway/record-producer.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Configuration } from '../runtime/configuration.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import { FleetSimulator } from '../simulator/fleet-simulator.ts'
import { BuiltInConsumer } from './built-in-consumer.ts'
import { createLogger } from './logger.ts'
import type { NodeStatus } from './node-status.ts'
import { openStorage, type Storage } from './storage.ts'

export interface NodeEffects {
  readonly clock: Clock
  readonly random: Random
}

export interface RunningNode {
  status(): NodeStatus
  /** Stops taking records, finishes what is under way, closes everything. What was acknowledged stays. */
  close(): Promise<void>
}

/** What a part of the node is made from. */
interface Parts extends NodeEffects {
  readonly configuration: Configuration
  readonly log: Log
}

interface Demonstration {
  readonly fleet: FleetSimulator
  readonly consumer: BuiltInConsumer
}

/** Fault `conflict` when a port or the data directory is taken, `corrupt` when stored data contradicts itself. */
export async function startNode(configuration: Configuration, effects: NodeEffects): Promise<RunningNode> {
  const { clock } = effects
  const startedMs = clock.monotonic()
  const parts = { ...effects, configuration, log: createLogger(configuration.logLevel) }
  const closers: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (let next = closers.pop(); next !== undefined; next = closers.pop()) await next()
  }
  try {
    const storage = await openStorage(configuration, parts)
    closers.push(storage.close)
    const broker = createBroker(parts, storage)
    closers.push(() => broker.close())
    await broker.start()
    const registry = new SqlDeviceRegistry(storage.database, clock, effects.random)
    const gateway = await openGateway(parts, registry, address(configuration, broker.port), closers)
    const demonstration = configuration.fleet ? await demonstrate(parts, registry, gateway, broker, closers) : undefined
    return { status: () => status(parts, startedMs, storage, broker, gateway, demonstration), close }
  } catch (error) {
    await close()
    throw error
  }
}

function createBroker({ configuration, clock, random, log }: Parts, { metadata, engine }: Storage): Broker {
  return new Broker({
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
}

/** The gateway reaches the broker as it would reach any Kafka: over its port. */
async function openGateway(
  { configuration, clock, random, log }: Parts,
  registry: SqlDeviceRegistry,
  bootstrap: string,
  closers: (() => Promise<void>)[]
): Promise<Gateway> {
  const { telemetryTopic, deadLetterTopic } = defaultGatewaySettings
  const partitions = configuration.defaultPartitions
  const topics = [telemetryTopic, deadLetterTopic].map((name) => ({ name, partitions }))
  const sink = await createRecordProducer({ bootstrap: [bootstrap], topics, clock, log })
  closers.push(() => sink.close())
  const { host, mqttPort, httpPort } = configuration
  const gateway = await startGateway({ host, mqttPort, httpPort, registry, sink, clock, random, log })
  closers.push(() => gateway.close())
  return gateway
}

async function demonstrate(
  { configuration, clock, log }: Parts,
  registry: SqlDeviceRegistry,
  { mqttPort, httpPort }: Gateway,
  broker: Broker,
  closers: (() => Promise<void>)[]
): Promise<Demonstration> {
  const { telemetryTopic } = defaultGatewaySettings
  const fleet = new FleetSimulator({
    gateway: { host: configuration.host, mqttPort, httpPort },
    registry,
    clock,
    log,
    settings: { devices: configuration.fleetDevices }
  })
  closers.push(() => fleet.stop())
  await fleet.start()
  const consumer = await BuiltInConsumer.start({
    bootstrap: address(configuration, broker.port),
    topic: telemetryTopic,
    partitions: broker.topics.partitions(telemetryTopic).length,
    clock
  })
  closers.push(() => consumer.close())
  return { fleet, consumer }
}

function address({ host }: Configuration, port: number): string {
  return `${host}:${port}`
}

function status(
  { configuration, clock }: Parts,
  startedMs: number,
  { engine, metadata }: Storage,
  broker: Broker,
  gateway: Gateway,
  demonstration: Demonstration | undefined
): NodeStatus {
  const ingress = gateway.stats()
  const topics = broker.topics.all().filter(({ internal }) => !internal)
  const objects = [...metadata.image.objects()]
  const ends = broker.topics.partitions(defaultGatewaySettings.telemetryTopic).map(({ highWatermark }) => highWatermark)
  return {
    uptimeMs: clock.monotonic() - startedMs,
    devicesConnected: demonstration?.fleet.stats().connected ?? gateway.stats().mqttConnections,
    recordsReceived: ingress.received,
    recordsAcknowledged: ingress.accepted + ingress.deadLettered,
    deadLettered: ingress.deadLettered,
    consumed: demonstration?.consumer.consumed ?? 0,
    consumerLag: demonstration?.consumer.lag(ends) ?? 0,
    walBytes: engine.stats().walBytes,
    objectBytes: objects.reduce((sum, { bytes }) => sum + bytes, 0),
    objects: objects.length,
    topics: topics.length,
    partitions: topics.reduce((sum, { partitions }) => sum + partitions.length, 0),
    kafkaAddress: address(configuration, broker.port),
    mqttAddress: address(configuration, gateway.mqttPort),
    httpAddress: address(configuration, gateway.httpPort)
  }
}
