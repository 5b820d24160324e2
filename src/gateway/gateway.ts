/**
 * The fleet's way in: MQTT and HTTP servers over one ingress.
 *
 * It owns its listeners and connections. The sink and the registry belong to the caller, who closes them afterwards.
 */
import type { DeviceRegistry } from '../fleet/device-registry.ts'
import { defaultLateness, type LatenessSettings } from '../fleet/lateness.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import { HttpServer } from './http-server.ts'
import { Ingress, type IngressStats } from './ingress.ts'
import { MqttServer } from './mqtt-server.ts'
import type { RecordSink } from './record-sink.ts'

export interface GatewaySettings {
  readonly telemetryTopic: string
  readonly deadLetterTopic: string
  /** Records with larger payloads go to the dead-letter topic, raw. */
  readonly payloadBytesMax: number
  /** Larger packets, bodies and lines are refused unread; must fit the broker's `message.max.bytes`. */
  readonly packetBytesMax: number
  readonly batchBytesMax: number
  readonly batchRecordsMax: number
  /** Payload bytes under way to the broker, over all connections; as much again may wait for room. */
  readonly inFlightBytesMax: number
  readonly overloadWaitMs: number
  /** Of each transport; further ones are closed at once. */
  readonly connectionsMax: number
  /** Records per MQTT connection that may wait for their acknowledgement. */
  readonly receiveMax: number
  readonly connectionBytesMax: number
  readonly connectTimeoutMs: number
  /** How long `close` waits for records under way. */
  readonly closeGraceMs: number
  readonly lateness: LatenessSettings
}

export const defaultGatewaySettings: GatewaySettings = {
  telemetryTopic: 'telemetry',
  deadLetterTopic: 'telemetry.dead-letter',
  payloadBytesMax: 256 * 1024,
  packetBytesMax: 900 * 1024,
  batchBytesMax: 8 * 1024 * 1024,
  batchRecordsMax: 10_000,
  inFlightBytesMax: 64 * 1024 * 1024,
  overloadWaitMs: 2_000,
  connectionsMax: 20_000,
  receiveMax: 1_000,
  connectionBytesMax: 1024 * 1024,
  connectTimeoutMs: 10_000,
  closeGraceMs: 10_000,
  lateness: defaultLateness
}

export interface GatewayOptions {
  /** 127.0.0.1 unless given. */
  readonly host?: string
  /** 1883 unless given; 0 takes a free one. */
  readonly mqttPort?: number
  /** 8080 unless given; 0 takes a free one. */
  readonly httpPort?: number
  readonly registry: DeviceRegistry
  readonly sink: RecordSink
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly settings?: Partial<GatewaySettings>
  /** What `GET /metrics` answers, in Prometheus text; not served unless given. */
  readonly metrics?: () => string
}

export interface GatewayStats extends IngressStats {
  readonly mqttConnections: number
}

export interface Gateway {
  readonly mqttPort: number
  readonly httpPort: number
  stats(): GatewayStats
  /** Stops accepting, finishes what is under way, then closes. */
  close(): Promise<void>
}

/** Fault `invalid` when a port cannot be listened on. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const settings = { ...defaultGatewaySettings, ...options.settings }
  const { host = '127.0.0.1', mqttPort = 1883, httpPort = 8080, registry, clock, random, log } = options
  const ingress = new Ingress(options.sink, clock, settings)
  const mqtt = new MqttServer({
    ingress,
    registry,
    clock,
    random,
    log,
    connectionsMax: settings.connectionsMax,
    settings: { ...settings, inFlightBytesMax: settings.connectionBytesMax }
  })
  const http = new HttpServer({
    ingress,
    registry,
    clock,
    log,
    connectionsMax: settings.connectionsMax,
    settings: { ...settings, recordBytesMax: settings.packetBytesMax },
    metrics: options.metrics
  })
  const boundMqttPort = await mqtt.listen(host, mqttPort)
  const boundHttpPort = await http.listen(host, httpPort).catch(async (error) => {
    await mqtt.close(0)
    throw error
  })
  const stop = () => Promise.all([mqtt.close(settings.closeGraceMs), http.close(settings.closeGraceMs)]).then(() => {})
  let closed: Promise<void> | undefined
  return {
    mqttPort: boundMqttPort,
    httpPort: boundHttpPort,
    stats: () => ({ ...ingress.stats(), mqttConnections: mqtt.connections }),
    close() {
      closed ??= stop()
      return closed
    }
  }
}
