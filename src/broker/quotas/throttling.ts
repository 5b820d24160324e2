/**
 * Holds requests to the quotas of their client (KIP-13, KIP-124, KIP-219): measures each, tells the client in
 * `throttleTimeMs` how long to wait, and says how long its connection must not be read.
 *
 * Produce counts the bytes of its request and Fetch those of its response; a fetch above the quota is answered without
 * data, at once. Every request counts the time in which it kept the event loop busy. What a request that changes topics
 * costs is counted by its handler, which leaves the time to wait in its answer. Network time of the socket is not counted.
 */
import type { Clock } from '../../runtime/clock.ts'
import type { FetchSessions } from '../fetch-sessions.ts'
import type { ClientQuotas } from './client-quotas.ts'
import type { QuotaClient } from './quota-book.ts'

const API = { produce: 0, fetch: 1, describeQuorum: 55, shareFetch: 78 } as const

export interface ThrottlingParts {
  readonly quotas: ClientQuotas
  readonly sessions: FetchSessions
  readonly clock: Clock
}

/** A request that was done, before its answer leaves. */
export interface Settlement {
  readonly apiKey: number
  readonly client: QuotaClient
  /** Of the frame that came. */
  readonly requestBytes: number
  /** Time in which the event loop worked for nobody else. */
  readonly busyMs: number
  readonly request: unknown
  /** Undefined when the client wants none. */
  readonly response: unknown
  readonly encode: (response: unknown) => readonly Buffer[]
}

export interface Settled {
  readonly frame: readonly Buffer[] | undefined
  /** How long the connection must not be read. */
  readonly throttleMs: number
}

interface FetchLimits {
  readonly maxBytes: number
  readonly sessionId: number
  readonly sessionEpoch: number
}

interface FetchAnswer {
  readonly errorCode?: number
  readonly sessionId?: number
  readonly responses: readonly unknown[]
}

export class Throttling {
  readonly clock: Clock
  readonly #quotas: ClientQuotas
  readonly #sessions: FetchSessions

  constructor({ quotas, sessions, clock }: ThrottlingParts) {
    this.clock = clock
    this.#quotas = quotas
    this.#sessions = sessions
  }

  /** False as long as nobody has a quota. */
  get active(): boolean {
    return this.#quotas.active
  }

  /** The request as it is to be done: a fetch asks for no more than its client could ever be sent. */
  bounded(apiKey: number, request: unknown, client: QuotaClient): unknown {
    if (apiKey !== API.fetch && apiKey !== API.shareFetch) return request
    const burst = this.#quotas.burst('consumer_byte_rate', client)
    const { maxBytes } = request as FetchLimits
    if (maxBytes <= burst) return request
    return { ...(request as FetchLimits), maxBytes: Math.max(1, Math.floor(burst)) }
  }

  settle(done: Settlement): Settled {
    const { apiKey, client, response, encode } = done
    const busyWaitMs = this.#busyWaitMs(done)
    if (apiKey === API.produce) {
      const waitMs = Math.max(busyWaitMs, this.#quotas.record('producer_byte_rate', client, done.requestBytes))
      return { frame: response === undefined ? undefined : encode(withWait(response, waitMs)), throttleMs: waitMs }
    }
    if (response === undefined) return { frame: undefined, throttleMs: busyWaitMs }
    if (apiKey === API.fetch) return this.#settleFetch(done, busyWaitMs)
    if (apiKey === API.shareFetch) return this.#settleShareFetch(done, busyWaitMs)
    const { throttleTimeMs = 0 } = response as { readonly throttleTimeMs?: number }
    const waitMs = Math.max(busyWaitMs, throttleTimeMs)
    return { frame: encode(withWait(response, waitMs)), throttleMs: waitMs }
  }

  #busyWaitMs({ apiKey, client, busyMs, response }: Settlement): number {
    // As in Kafka: what nobody waits for, and a look at the quorum, cost nothing.
    if (response === undefined || apiKey === API.describeQuorum) return 0
    return this.#quotas.record('request_percentage', client, busyMs / 10)
  }

  #settleFetch({ client, request, response, encode }: Settlement, busyWaitMs: number): Settled {
    const answer = response as FetchAnswer
    const frame = encode(response)
    const bytes = sizeOf(frame)
    // Otherwise a batch larger than all that the quota allows at once could never be sent.
    const first = this.#quotas.isUnused('consumer_byte_rate', client)
    const waitMs = Math.max(busyWaitMs, this.#quotas.record('consumer_byte_rate', client, bytes))
    if (waitMs === 0) return { frame, throttleMs: 0 }
    const { errorCode = 0, sessionId = 0, responses } = answer
    if (errorCode !== 0 || responses.length === 0 || (first && busyWaitMs === 0)) {
      return { frame: encode(withWait(response, waitMs)), throttleMs: waitMs }
    }
    this.#quotas.unrecord('consumer_byte_rate', client, bytes)
    const { sessionEpoch } = request as FetchLimits
    const kept = this.#sessions.unanswered(sessionId, sessionEpoch)
    const empty = { throttleTimeMs: waitMs, errorCode: 0, sessionId: kept ? sessionId : 0, responses: [] }
    return { frame: encode(empty), throttleMs: waitMs }
  }

  /** Sent as it is, unlike in Kafka: the records are acquired, and would stay locked until their lock times out. */
  #settleShareFetch({ client, response, encode }: Settlement, busyWaitMs: number): Settled {
    const frame = encode(response)
    const waitMs = Math.max(busyWaitMs, this.#quotas.record('consumer_byte_rate', client, sizeOf(frame)))
    return { frame: waitMs === 0 ? frame : encode(withWait(response, waitMs)), throttleMs: waitMs }
  }
}

/** A copy: what a handler returned may be shared. */
function withWait(response: unknown, throttleTimeMs: number): unknown {
  return throttleTimeMs === 0 ? response : { ...(response as object), throttleTimeMs }
}

function sizeOf(frame: readonly Buffer[]): number {
  return frame.reduce((sum, { length }) => sum + length, 0)
}
