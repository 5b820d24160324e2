/**
 * The clients that were asked for their metrics (KIP-714): what each was told to send, when it asked and pushed last, and
 * whether what it asks or pushes now is in order. Pure: every call says what time it is.
 *
 * Bounded: the client that was silent longest makes room; one that was silent for three pushes, and for a minute at least,
 * is forgotten. A client that is not known is met as a new one, so forgetting does no harm.
 */
import { crc32c } from '@node-rs/crc32'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { ClientMetricsSubscription, ClientProperty } from '../client-metrics-settings.ts'

/** Kafka's bound of its cache. */
const CLIENTS_MAX = 16_384
const EXPIRY_MS_MIN = 60_000
/** Kafka's default of a subscription, and what a client without one is told. */
const PUSH_INTERVAL_MS = 300_000
const ALL_METRICS = '*'

export type ClientProperties = ReadonlyMap<ClientProperty, string>
type Subscriptions = ReadonlyMap<string, ClientMetricsSubscription>

/** What a client is to send. */
export interface Order {
  readonly subscriptionId: number
  /** Prefixes of names; `*` alone is all, none is nothing. */
  readonly metrics: readonly string[]
  readonly pushIntervalMs: number
}

export interface ClientInstance {
  readonly order: Order
  readonly expiryMs: number
}

export interface Push {
  readonly subscriptionId: number
  readonly terminating: boolean
  readonly compressionType: number
  readonly bytes: number
}

interface Known extends ClientInstance {
  /** What the order was made from. */
  readonly subscriptions: Subscriptions
  askedMs: number
  pushedMs: number
  seenMs: number
  terminating: boolean
  lastError: number
}

/** What these subscriptions ask of a client. */
export function orderFor(id: string, properties: ClientProperties, subscriptions: Subscriptions): Order {
  const names = new Set<string>()
  let pushIntervalMs = PUSH_INTERVAL_MS
  for (const { metrics, intervalMs, match } of subscriptions.values()) {
    const matches = [...match].every(([property, pattern]) => {
      const value = properties.get(property)
      return value !== undefined && pattern.matches(value)
    })
    if (!matches) continue
    for (const name of metrics) names.add(name)
    pushIntervalMs = Math.min(pushIntervalMs, intervalMs)
  }
  const metrics = names.has(ALL_METRICS) ? [ALL_METRICS] : [...names].sort()
  const subscriptionId = crc32c(JSON.stringify([metrics, pushIntervalMs, id])) | 0
  return { subscriptionId, metrics, pushIntervalMs }
}

export class ClientInstances {
  readonly #bytesMax: number
  /** By client instance id; whoever was seen last comes last. */
  readonly #known = new Map<string, Known>()

  /** `bytesMax`: of a push (Kafka's `telemetry.max.bytes`). */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  has(id: string): boolean {
    return this.#known.has(id)
  }

  /** The client as it is known from now on. When the subscriptions have changed it begins anew, with a new order. */
  meet(id: string, properties: ClientProperties, subscriptions: Subscriptions, nowMs: number): ClientInstance {
    this.#expire(nowMs)
    let client = this.#known.get(id)
    if (client === undefined || client.subscriptions !== subscriptions) {
      const order = orderFor(id, properties, subscriptions)
      const expiryMs = Math.max(EXPIRY_MS_MIN, 3 * order.pushIntervalMs)
      const never = Number.NEGATIVE_INFINITY
      client = {
        order,
        expiryMs,
        subscriptions,
        askedMs: never,
        pushedMs: never,
        seenMs: nowMs,
        terminating: false,
        lastError: ErrorCode.NONE
      }
    }
    client.seenMs = nowMs
    this.#known.delete(id)
    this.#known.set(id, client)
    return client
  }

  /** The client, which was met, asks what to send: the error of its answer. */
  ask(id: string, nowMs: number): number {
    const client = this.#known.get(id)
    if (client === undefined) return ErrorCode.NONE
    const early = nowMs - Math.max(client.askedMs, client.pushedMs) < client.order.pushIntervalMs
    // Whoever was sent back to ask again does not have to wait.
    const sentBack: number[] = [ErrorCode.UNKNOWN_SUBSCRIPTION_ID, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE]
    if (early && !sentBack.includes(client.lastError)) return ErrorCode.THROTTLING_QUOTA_EXCEEDED
    if (!early) client.askedMs = nowMs
    client.lastError = ErrorCode.NONE
    return ErrorCode.NONE
  }

  /** The client, which was met, pushes: the error of its answer. */
  push(id: string, push: Push, nowMs: number): number {
    const client = this.#known.get(id)
    if (client === undefined) return ErrorCode.UNKNOWN_SUBSCRIPTION_ID
    const errorCode = this.#judge(client, push, nowMs)
    client.lastError = errorCode
    client.terminating = push.terminating
    return errorCode
  }

  /** The metrics of the last push could not be read. */
  failed(id: string): void {
    const client = this.#known.get(id)
    if (client !== undefined) client.lastError = ErrorCode.INVALID_RECORD
  }

  forget(id: string): void {
    this.#known.delete(id)
  }

  #judge(client: Known, push: Push, nowMs: number): number {
    if (client.terminating) return ErrorCode.INVALID_REQUEST
    // Clients spread their pushes between half and one and a half intervals after they asked: the first may come at any time.
    const due = client.askedMs > client.pushedMs || nowMs - client.pushedMs >= client.order.pushIntervalMs
    if (due) client.pushedMs = nowMs
    if (!due && !push.terminating) return ErrorCode.THROTTLING_QUOTA_EXCEEDED
    if (push.subscriptionId !== client.order.subscriptionId) return ErrorCode.UNKNOWN_SUBSCRIPTION_ID
    if (push.compressionType < 0 || push.compressionType > 4) return ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    return push.bytes > this.#bytesMax ? ErrorCode.TELEMETRY_TOO_LARGE : ErrorCode.NONE
  }

  #expire(nowMs: number): void {
    for (const [id, { seenMs, expiryMs }] of this.#known) {
      // Expiries differ, so a later one may be over before the first: it goes when it comes to the front.
      if (nowMs - seenMs < expiryMs && this.#known.size < CLIENTS_MAX) return
      this.#known.delete(id)
    }
  }
}
