/**
 * Takes in the metrics that clients push about themselves (KIP-714) and shows them: the shell around `ClientInstances`,
 * which judges, and `ClientMetricsStore`, which keeps.
 */
import { randomId } from '../../metadata/topics.ts'
import type { Clock } from '../../runtime/clock.ts'
import { isFault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { codecById, decompress } from '../../wire/records/compression.ts'
import type { ClientMetrics, ClientProperty } from '../client-metrics-settings.ts'
import type { RequestContext } from '../handler.ts'
import { ClientInstances, type ClientProperties, type Order } from './client-instances.ts'
import { ClientMetricsStore } from './client-metrics-store.ts'
import { type Labels, readOtlpMetrics } from './otlp-metrics.ts'

/** Kafka's default of `telemetry.max.bytes`; of a push, compressed or not. */
export const TELEMETRY_BYTES_MAX = 1024 * 1024
/** Kafka keeps it for itself. */
const RESERVED_UUID = 'AAAAAAAAAAAAAAAAAAAAAQ'

export interface ClientTelemetryParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly subscriptions: ClientMetrics
}

export interface PushedMetrics {
  readonly clientInstanceId: string
  readonly subscriptionId: number
  readonly terminating: boolean
  readonly compressionType: number
  readonly metrics: Buffer
}

export class ClientTelemetry {
  readonly #parts: ClientTelemetryParts
  readonly #instances = new ClientInstances(TELEMETRY_BYTES_MAX)
  readonly #store = new ClientMetricsStore()
  /** By connection: the client on it that was met last. */
  readonly #onConnection = new Map<number, string>()

  constructor(parts: ClientTelemetryParts) {
    this.#parts = parts
  }

  /** What the client is to send. A client without an id gets one. */
  ask(
    clientInstanceId: string,
    context: RequestContext
  ): { readonly id: string; readonly order: Order; readonly errorCode: number } {
    const { clock, subscriptions } = this.#parts
    const now = clock.monotonic()
    const id = clientInstanceId === ZERO_UUID ? this.#newId() : clientInstanceId
    const { order } = this.#instances.meet(id, propertiesOf(id, context), subscriptions(), now)
    this.#watch(id, context)
    return { id, order, errorCode: this.#instances.ask(id, now) }
  }

  /** The error of the answer. */
  async push(pushed: PushedMetrics, context: RequestContext): Promise<number> {
    const { clientInstanceId: id, metrics, compressionType } = pushed
    if (id === ZERO_UUID || id === RESERVED_UUID) return ErrorCode.INVALID_REQUEST
    const { clock, subscriptions, log } = this.#parts
    const now = clock.monotonic()
    const properties = propertiesOf(id, context)
    const { expiryMs } = this.#instances.meet(id, properties, subscriptions(), now)
    this.#watch(id, context)
    const errorCode = this.#instances.push(id, { ...pushed, bytes: metrics.length }, now)
    if (errorCode !== ErrorCode.NONE || metrics.length === 0) return errorCode
    try {
      const plain = await decompress(codecById(compressionType), metrics, TELEMETRY_BYTES_MAX)
      // Read to the end before anything is kept: half of a broken push is not taken.
      const points = [...readOtlpMetrics(plain)]
      this.#store.record(id, labelsOf(properties), points, clock.monotonic(), expiryMs)
      return ErrorCode.NONE
    } catch (error) {
      if (!isFault(error)) throw error
      log.debug({ client: context.clientHost, reason: error.message }, 'metrics of a client could not be read')
      this.#instances.failed(id)
      return ErrorCode.INVALID_RECORD
    }
  }

  /** All that clients told, in Prometheus text. */
  text(): string {
    return this.#store.text(this.#parts.clock.monotonic())
  }

  /** A client whose connection is gone may come back on another one at once; what it told stays for its time. */
  #watch(id: string, { connectionId, closed }: RequestContext): void {
    const known = this.#onConnection.has(connectionId)
    this.#onConnection.set(connectionId, id)
    if (known) return
    const left = () => {
      const last = this.#onConnection.get(connectionId)
      this.#onConnection.delete(connectionId)
      if (last !== undefined) this.#instances.forget(last)
    }
    if (closed.aborted) left()
    else closed.addEventListener('abort', left, { once: true })
  }

  #newId(): string {
    for (;;) {
      const id = randomId(this.#parts.random)
      if (!this.#instances.has(id)) return id
    }
  }
}

function propertiesOf(id: string, { clientId, clientHost, peer }: RequestContext): ClientProperties {
  const all: readonly (readonly [ClientProperty, string | null])[] = [
    ['client_instance_id', id],
    ['client_id', clientId],
    ['client_software_name', peer.softwareName],
    ['client_software_version', peer.softwareVersion],
    ['client_source_address', clientHost.replace(/^\//, '')],
    ['client_source_port', String(peer.port)]
  ]
  return new Map(all.filter((entry): entry is readonly [ClientProperty, string] => entry[1] !== null))
}

/** The port is left out: it changes with each connection, and with it all series would. */
function labelsOf(properties: ClientProperties): Labels {
  return [...properties].filter(([property]) => property !== 'client_source_port')
}
