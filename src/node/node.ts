/**
 * The composition root: from a configuration to a running node. The only place that knows every component.
 *
 * Starts what others need first and stops in reverse, also when a start fails half-way.
 */
import { Broker } from '../broker/broker.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Configuration } from '../runtime/configuration.ts'
import type { Random } from '../runtime/random.ts'
import { ObjectWal } from '../stream/wal/object-wal.ts'
import { openDeadLog } from './dead-log.ts'
import type { DeviceIngress } from './device-ingress.ts'
import { tuneHeap } from './heap.ts'
import { createLogger } from './logger.ts'
import { Membership } from './membership.ts'
import type { NodeStatus } from './node-status.ts'
import { ServingRight } from './serving-right.ts'
import { openStorage, type Storage } from './storage.ts'

export interface NodeEffects {
  readonly clock: Clock
  readonly random: Random
}

export interface RunningNode {
  status(): NodeStatus
  /** Rejects when storage can go on no more: the process should end. Never resolves. */
  readonly failed: Promise<never>
  /** Stops taking records, finishes what is under way, closes everything. What was acknowledged stays. */
  close(): Promise<void>
}

/** What a part of the node is made from. */
interface Parts extends NodeEffects {
  readonly configuration: Configuration
  readonly log: ReturnType<typeof createLogger>
}

/** Fault `conflict` when a port or the data directory is taken, `corrupt` when stored data contradicts itself. */
export async function startNode(configuration: Configuration, effects: NodeEffects): Promise<RunningNode> {
  tuneHeap()
  const { clock } = effects
  const startedMs = clock.monotonic()
  const parts = { ...effects, configuration, log: createLogger(configuration.logLevel) }
  const failure = new AbortController()
  const closers: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (let next = closers.pop(); next !== undefined; next = closers.pop()) await next()
  }
  try {
    const storage = await openStorage(configuration, { ...parts, failed: (fault) => failure.abort(fault) })
    closers.push(storage.close)
    const right = createServingRight(parts, storage)
    const broker = createBroker(parts, storage, right)
    let member: Membership | undefined
    closers.push(async () => {
      await member?.leave()
      await broker.close()
      await member?.stopped()
      right?.close()
    })
    await broker.start()
    member = createMembership(parts, storage, broker)
    await member?.join()
    const { openDeviceIngress } = await import('./device-ingress.ts')
    const ingress = await openDeviceIngress({
      ...parts,
      database: storage.database,
      bootstrap: address(configuration, broker.port),
      metrics: () => broker.clientMetricsText(),
      onClose: (closer) => closers.push(closer)
    })
    return { status: () => status(parts, startedMs, storage, broker, ingress), failed: aborted(failure.signal), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Rejects with the signal's reason; that nobody listens is no bug. */
function aborted(signal: AbortSignal): Promise<never> {
  const promise = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  promise.catch(() => undefined)
  return promise
}

function createBroker(
  { configuration, clock, random, log }: Parts,
  { metadata, engine, stores, nodeEpoch, lease }: Storage,
  right: ServingRight | undefined
): Broker {
  return new Broker({
    clock,
    random,
    log,
    metadata,
    engine,
    nodeEpoch,
    mayServe: () => right?.holds() ?? true,
    ...(lease !== undefined && {
      security: { clusterSecret: () => metadata.clusterSecret, requireNodeAuthentication: true }
    }),
    settings: {
      nodeId: configuration.nodeId,
      rack: configuration.rack ?? null,
      advertisedHost: configuration.advertisedHost ?? configuration.host,
      logDir: configuration.objectStore,
      objectStoreProfiles: stores.profiles(),
      autoCreateTopics: configuration.autoCreateTopics,
      defaultPartitions: configuration.defaultPartitions,
      topicDefaults: { 'max.message.bytes': String(configuration.messageBytesMax) }
    },
    host: configuration.host,
    port: configuration.kafkaPort,
    frameBytesMax: configuration.frameBytesMax,
    requestMemoryBytes: configuration.requestMemoryBytes,
    producerExpirationMs: configuration.producerIdExpirationMs,
    offsetMapBytes: configuration.compactionMemoryBytes,
    groupInitialRebalanceDelayMs: configuration.groupInitialRebalanceDelayMs,
    groupMinSessionTimeoutMs: configuration.groupMinSessionTimeoutMs,
    logLevel: log
  })
}

/** Undefined where the node is alone by nature: nobody could take anything from it. */
function createServingRight(
  { clock, configuration }: Parts,
  { lease, wal }: Pick<Storage, 'lease' | 'wal'>
): ServingRight | undefined {
  if (lease === undefined) return undefined
  const right = new ServingRight(clock, lease, configuration.leaseMs, wal instanceof ObjectWal ? wal : undefined)
  right.start()
  return right
}

function createMembership(parts: Parts, storage: Storage, broker: Broker): Membership | undefined {
  const { configuration } = parts
  const { lease, metadata, stores } = storage
  if (lease === undefined) return undefined
  const { advertisedHost, host, rack = null, wal, walBytesMax: bytesMax } = configuration
  const walMark = (nodeId: number) => metadata.walMark(nodeId)
  return new Membership({
    ...parts,
    ...configuration,
    metadata,
    lease,
    broker,
    place: { host: advertisedHost ?? host, port: broker.port, rack, wal },
    recovery: {
      ...parts,
      metadata,
      stores,
      settings: (topic) => broker.topicSettings.of(topic),
      producerExpirationMs: configuration.producerIdExpirationMs,
      engineSettings: configuration,
      openLog: (log) => openDeadLog({ ...parts, stores, walMark, bytesMax }, log)
    }
  })
}

function address({ host }: Configuration, port: number): string {
  return `${host}:${port}`
}

function status(
  { configuration, clock }: Parts,
  startedMs: number,
  { engine, metadata }: Storage,
  broker: Broker,
  { gateway, fleet, consumer }: DeviceIngress
): NodeStatus {
  const counts = gateway.stats()
  const topics = broker.topics.all().filter(({ internal }) => !internal)
  const objects = [...metadata.image.objects()]
  const ends = broker.topics.partitions(consumer?.topic ?? '').map(({ highWatermark }) => highWatermark)
  return {
    uptimeMs: Math.round(clock.monotonic() - startedMs),
    devicesConnected: fleet?.stats().connected ?? counts.mqttConnections,
    recordsReceived: counts.received,
    recordsAcknowledged: counts.accepted + counts.deadLettered,
    deadLettered: counts.deadLettered,
    consumed: consumer?.consumed ?? 0,
    consumerLag: consumer?.lag(ends) ?? 0,
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
