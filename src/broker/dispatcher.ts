/**
 * From a frame to the call of an API's handler and back to bytes. It knows the wire and the table of APIs, no sockets.
 */
import { Fault } from '../runtime/fault.ts'
import { Reader, Writer } from '../wire/buffers.ts'
import {
  decodeRequestHeader,
  encodeResponseHeader,
  hasFlexibleResponseHeader,
  type RequestHeader
} from '../wire/headers.ts'
import type { ApiMessage } from '../wire/message.ts'
import type { Api } from './api.ts'
import type { ApiTable } from './apis.ts'
import type { Peer, RequestContext } from './handler.ts'
import { quotaClient } from './quotas/mutation-answers.ts'
import type { Throttling } from './quotas/throttling.ts'
import { authenticate } from './security/authentication.ts'
import type { SaslExchange } from './security/sasl-exchange.ts'

export interface Origin extends Omit<RequestContext, 'apiVersion' | 'clientId'> {
  /** Called before an answer leaves whose client has to wait: nothing is read from the connection for so long. */
  readonly mute: (delayMs: number) => void
}

/** A request that is understood and not yet begun. */
export interface PreparedCall {
  /** The next request of the connection may be taken up once `start` has returned. */
  readonly pipelined: boolean
  /** Runs the handler; resolves with the response frame, or `undefined` when the client wants none. */
  readonly start: () => Promise<readonly Buffer[] | undefined>
}

export class Dispatcher {
  readonly #apis: ApiTable
  readonly #throttling: Throttling | undefined

  /** Without `throttling`, quotas are not enforced. */
  constructor(apis: ApiTable, throttling?: Throttling) {
    this.#apis = apis
    this.#throttling = throttling
  }

  readonly #isFlexible = (apiKey: number, version: number): boolean =>
    this.#apis.get(apiKey)?.request.isFlexible(version) ?? false

  /** Fault `invalid` when the bytes are not a request this broker knows: the connection has to be closed. */
  prepare(frame: Buffer, origin: Origin): PreparedCall {
    const { sasl } = origin.peer
    if (sasl?.isBare && !sasl.isOver) return { pipelined: false, start: () => takeBareToken(origin.peer, sasl, frame) }
    const reader = new Reader(frame)
    const header = decodeRequestHeader(reader, this.#isFlexible)
    const api = this.#apis.get(header.apiKey)
    if (api === undefined) throw new Fault('invalid', `API ${header.apiKey} is not one of this broker's`)
    if (!api.request.supports(header.apiVersion)) return refuseVersion(api, header, reader)
    const request = api.request.decode(reader, header.apiVersion)
    const context = {
      apiVersion: header.apiVersion,
      clientId: header.clientId,
      clientHost: origin.clientHost,
      connectionId: origin.connectionId,
      peer: origin.peer,
      localAddress: origin.localAddress,
      closed: origin.closed
    }
    const throttling = this.#throttling
    // Quotas are for clients: what brokers owe each other waits for nobody.
    if (throttling?.active && !origin.peer.isNode) {
      const call = { api, header, request, context, frameBytes: frame.length, mute: origin.mute }
      return { pipelined: api.pipelined, start: () => runThrottled(throttling, call) }
    }
    return { pipelined: api.pipelined, start: () => run(api, header, request, context) }
  }
}

/** A token without a header, after SaslHandshake v0; whoever is not let in gets no answer. */
async function takeBareToken(peer: Peer, exchange: SaslExchange, token: Buffer): Promise<readonly Buffer[]> {
  const answer = authenticate(peer, exchange, token)
  const length = Buffer.alloc(4)
  length.writeInt32BE(answer.length)
  return [length, answer]
}

async function run(
  api: Api,
  header: RequestHeader,
  request: unknown,
  context: RequestContext
): Promise<readonly Buffer[] | undefined> {
  const response = await api.handler(request, context)
  if (response === undefined) return undefined
  return encodeResponse(api.response, header, header.apiVersion, response)
}

interface Call {
  readonly api: Api
  readonly header: RequestHeader
  readonly request: unknown
  readonly context: RequestContext
  readonly frameBytes: number
  readonly mute: Origin['mute']
}

/** `run` while somebody has a quota. */
async function runThrottled(
  throttling: Throttling,
  { api, header, request, context, frameBytes, mute }: Call
): Promise<readonly Buffer[] | undefined> {
  const { apiKey } = header
  const client = quotaClient(context)
  const startedMs = throttling.clock.monotonic()
  const answered = api.handler(throttling.bounded(apiKey, request, client), context)
  // What the handler does after it first waited is not counted: the event loop works for others in between.
  const busyMs = throttling.clock.monotonic() - startedMs
  const response = await answered
  const encode = (answer: unknown) => encodeResponse(api.response, header, header.apiVersion, answer)
  const { frame, throttleMs } = throttling.settle({
    apiKey,
    client,
    requestBytes: frameBytes,
    busyMs,
    request,
    response,
    encode
  })
  if (throttleMs > 0) mute(throttleMs)
  return frame
}

function encodeResponse(
  message: ApiMessage<unknown, unknown>,
  { correlationId }: RequestHeader,
  version: number,
  response: unknown
): readonly Buffer[] {
  const writer = new Writer()
  writer.startFrame()
  encodeResponseHeader(writer, correlationId, hasFlexibleResponseHeader(message.apiKey, message.isFlexible(version)))
  message.encode(writer, version, response)
  return writer.finishFrame()
}

function refuseVersion(api: Api, header: RequestHeader, reader: Reader): PreparedCall {
  const { name, minVersion, maxVersion } = api.request
  const refusal = api.refuse(header, reader)
  if (refusal === undefined) {
    throw new Fault('invalid', `${name} version ${header.apiVersion} is not between ${minVersion} and ${maxVersion}`)
  }
  const frame = encodeResponse(refusal.message, header, refusal.version, refusal.response)
  return { pipelined: false, start: () => Promise.resolve(frame) }
}
