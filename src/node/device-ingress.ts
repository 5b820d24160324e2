/**
 * The node's gateway, and the simulated fleet and consumer that show it at work. A module of its own because the Kafka
 * client library takes longer to load than the broker to start: the broker serves already while this is loaded.
 */
import { SqlDeviceRegistry } from '../fleet/sql-device-registry.ts'
import { defaultGatewaySettings, type Gateway, startGateway } from '../gateway/gateway.ts'
import { createRecordProducer } from '../gateway/record-producer.ts'
import type { Database } from '../metadata/database.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Configuration } from '../runtime/configuration.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import { FleetSimulator } from '../simulator/fleet-simulator.ts'
import { BuiltInConsumer } from './built-in-consumer.ts'

export interface DeviceIngressParts {
  readonly configuration: Configuration
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly database: Database
  /** Address of the Kafka port: the gateway reaches the broker as it would reach any Kafka. */
  readonly bootstrap: string
  /** What `GET /metrics` answers. */
  readonly metrics: () => string
  /** Told how to stop each part, in the order in which they were started. */
  readonly onClose: (close: () => Promise<void>) => void
}

export interface DeviceIngress {
  readonly gateway: Gateway
  readonly fleet: FleetSimulator | undefined
  readonly consumer: BuiltInConsumer | undefined
}

const { telemetryTopic, deadLetterTopic } = defaultGatewaySettings

export async function openDeviceIngress(parts: DeviceIngressParts): Promise<DeviceIngress> {
  const registry = new SqlDeviceRegistry(parts.database, parts.clock, parts.random)
  const gateway = await openGateway(parts, registry)
  if (!parts.configuration.fleet) return { gateway, fleet: undefined, consumer: undefined }
  return { gateway, fleet: await startFleet(parts, registry, gateway), consumer: await startConsumer(parts) }
}

async function openGateway(parts: DeviceIngressParts, registry: SqlDeviceRegistry): Promise<Gateway> {
  const { configuration, clock, random, log, bootstrap, metrics, onClose } = parts
  const partitions = configuration.defaultPartitions
  const topics = [telemetryTopic, deadLetterTopic].map((name) => ({ name, partitions }))
  const sink = await createRecordProducer({ bootstrap: [bootstrap], topics, clock, log })
  onClose(() => sink.close())
  const { host, mqttPort, httpPort } = configuration
  const gateway = await startGateway({ host, mqttPort, httpPort, registry, sink, clock, random, log, metrics })
  onClose(() => gateway.close())
  return gateway
}

async function startFleet(
  { configuration, clock, log, onClose }: DeviceIngressParts,
  registry: SqlDeviceRegistry,
  { mqttPort, httpPort }: Gateway
): Promise<FleetSimulator> {
  const { host, fleetDevices: devices } = configuration
  const fleet = new FleetSimulator({
    gateway: { host, mqttPort, httpPort },
    registry,
    clock,
    log,
    settings: { devices }
  })
  onClose(() => fleet.stop())
  await fleet.start()
  return fleet
}

async function startConsumer({ bootstrap, onClose }: DeviceIngressParts): Promise<BuiltInConsumer> {
  const consumer = await BuiltInConsumer.start({ bootstrap, topic: telemetryTopic })
  onClose(() => consumer.close())
  return consumer
}
