/** What the dispatcher and the handlers of single APIs agree on. */
import type { ApiMessage } from '../wire/message.ts'
import type { SaslExchange } from './security/sasl-exchange.ts'

/** What a connection has learned of its client so far. One per connection. */
export interface Peer {
  /** Name of the principal, which quotas go by: `ANONYMOUS` until the client has authenticated. */
  principal: string
  /** Another broker of the cluster, which has proved to be one. */
  isNode: boolean
  /** How it says who it is; undefined before SaslHandshake. */
  sasl: SaslExchange | undefined
  /** It was not let in: its connection ends with the answer that is under way. */
  isRefused: boolean
  readonly port: number
  /** As the client said in ApiVersions (KIP-511); null before. */
  softwareName: string | null
  softwareVersion: string | null
}

export function anonymousPeer(port: number): Peer {
  return {
    principal: 'ANONYMOUS',
    isNode: false,
    sasl: undefined,
    isRefused: false,
    port,
    softwareName: null,
    softwareVersion: null
  }
}

/** Where a request came from and how it wants to be answered. One per request. */
export interface RequestContext {
  readonly apiVersion: number
  readonly clientId: string | null
  /** Address of the peer, as groups and logs show it: `/127.0.0.1`. */
  readonly clientHost: string
  /** Number of the connection inside this process; fetch sessions and logs refer to it. */
  readonly connectionId: number
  readonly peer: Peer
  /** The listener address the client reached, for answers that name this broker. */
  readonly localAddress: string
  /** Aborted when the connection closes: whoever waits for the client stops waiting. */
  readonly closed: AbortSignal
}

/**
 * Does one API. Faults it throws become the error of the whole request, see `apis.ts`; errors of single partitions
 * are part of the response.
 */
export type Handler<Request, Response> = (request: Request, context: RequestContext) => Promise<Response> | Response

/** A request or response schema whose types have been checked where it was paired with its handler. */
export type AnyMessage = ApiMessage<unknown, unknown>

/** A response in a layout of its own, for a request whose version is not served. */
export interface VersionRefusal {
  readonly message: AnyMessage
  readonly version: number
  readonly response: unknown
}
