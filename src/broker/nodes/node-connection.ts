/**
 * One connection to another broker, from connecting and authenticating to its end: requests out, answers in, told apart by
 * correlation ids, which come back in the order in which they went.
 *
 * Whatever is not as it should be (an answer to something else, garbage, silence) ends the connection, and with it every
 * call that was under way: what became of those, nobody knows.
 */
import type { Clock } from '../../runtime/clock.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import type { Random } from '../../runtime/random.ts'
import { Reader, Writer } from '../../wire/buffers.ts'
import { ErrorCode, errorName } from '../../wire/error-codes.ts'
import { decodeResponseHeader, encodeRequestHeader, hasFlexibleResponseHeader } from '../../wire/headers.ts'
import { SaslAuthenticateRequest, SaslAuthenticateResponse } from '../../wire/messages/sasl-authenticate.ts'
import { SaslHandshakeRequest, SaslHandshakeResponse } from '../../wire/messages/sasl-handshake.ts'
import { FrameReader } from '../frame-reader.ts'
import { CLUSTER_USER, MECHANISM, MECHANISM_HASH } from '../security/cluster-user.ts'
import { ScramClient } from '../security/scram-client.ts'
import type { NodeApi } from './node-calls.ts'
import type { NodeSocket, NodeTransport } from './node-transport.ts'

export interface NodeConnectionParts {
  readonly transport: NodeTransport
  readonly clock: Clock
  /** Its bytes have to be unpredictable outside of tests. */
  readonly random: Random
  /** What this broker calls itself towards the other. */
  readonly clientId: string
  /** Undefined: it does not say who it is. */
  readonly clusterSecret: (() => string) | undefined
  /** Until it is connected and has authenticated. */
  readonly setupTimeoutMs: number
  /** Until an answer comes. */
  readonly requestTimeoutMs: number
  /** Of an answer. */
  readonly frameBytesMax: number
}

interface Call {
  readonly correlationId: number
  readonly bytes: number
  /** On the clock that only moves forward. */
  readonly dueMs: number
  /** Throws `Fault` for what is no such answer. */
  readonly answered: (frame: Reader) => void
  readonly failed: (fault: Fault) => void
}

/** The correlation id stands before everything else. */
const CORRELATION_POSITION = 8
const NONCE_BYTES = 18
const SASL_HANDSHAKE_VERSION = 1
const SASL_AUTHENTICATE_VERSION = 2
const HANDSHAKE = { request: SaslHandshakeRequest, response: SaslHandshakeResponse }
const AUTHENTICATE = { request: SaslAuthenticateRequest, response: SaslAuthenticateResponse }

/** A request as it travels but for its correlation id, and how to read what comes back. */
export interface PreparedRequest<Res> {
  readonly chunks: readonly Buffer[]
  readonly bytes: number
  readonly decode: (reader: Reader) => Res
}

export function prepareRequest<Req, Res>(
  { request: message, response }: NodeApi<Req, Res>,
  version: number,
  request: Req,
  clientId: string
): PreparedRequest<Res> {
  const writer = new Writer()
  writer.startFrame()
  const header = { apiKey: message.apiKey, apiVersion: version, correlationId: 0, clientId }
  encodeRequestHeader(writer, header, message.isFlexible(version))
  message.encode(writer, version, request)
  const chunks = writer.finishFrame()
  const isFlexible = hasFlexibleResponseHeader(response.apiKey, response.isFlexible(version))
  return {
    chunks,
    bytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    decode: (reader) => {
      decodeResponseHeader(reader, isFlexible)
      const answer = response.decode(reader, version)
      if (reader.remaining > 0) throw new Fault('corrupt', `${reader.remaining} bytes follow the answer`)
      return answer
    }
  }
}

export class NodeConnection {
  /** Resolves once calls may be made; rejects with what ended the connection before. */
  readonly ready: Promise<void>
  readonly #parts: NodeConnectionParts
  readonly #socket: NodeSocket
  readonly #frames: FrameReader
  readonly #calls: Call[] = []
  readonly #onEnd: () => void
  #nextId = 1
  #end: Fault | undefined
  #cancelSetup: () => void
  #cancelWatch: (() => void) | undefined
  #opened: () => void = () => undefined
  #failed: (fault: Fault) => void = () => undefined

  /** `onEnd` runs once, when no call can be made any more. */
  constructor(parts: NodeConnectionParts, host: string, port: number, onEnd: () => void) {
    this.#parts = parts
    this.#onEnd = onEnd
    this.#frames = new FrameReader(parts.frameBytesMax)
    const connected = new Promise<void>((resolve, reject) => {
      this.#opened = resolve
      this.#failed = reject
    })
    const { setupTimeoutMs } = parts
    this.#cancelSetup = parts.clock.after(setupTimeoutMs, () =>
      this.close(new Fault('unavailable', `it was not ready within ${setupTimeoutMs} ms`))
    )
    this.ready = connected.then(() => this.#authenticate()).then(() => this.#cancelSetup())
    this.ready.catch((error: unknown) => {
      // What is no fault is a bug, and nobody else's to see.
      if (!isFault(error)) throw error
      this.close(error)
    })
    this.#socket = parts.transport.connect(host, port, {
      opened: () => this.#opened(),
      received: (chunk) => this.#received(chunk),
      closed: (reason) => this.close(new Fault('unavailable', reason))
    })
  }

  /** Only once it is `ready`. Throws `Fault`. */
  call<Res>(request: PreparedRequest<Res>): Promise<Res> {
    if (this.#end !== undefined) return Promise.reject(this.#end)
    return new Promise((resolve, reject) => {
      const correlationId = this.#nextId
      this.#nextId = correlationId === 0x7fff_ffff ? 1 : correlationId + 1
      request.chunks[0]?.writeInt32BE(correlationId, CORRELATION_POSITION)
      const dueMs = this.#parts.clock.monotonic() + this.#parts.requestTimeoutMs
      const answered = (reader: Reader) => resolve(request.decode(reader))
      this.#calls.push({ correlationId, bytes: request.bytes, dueMs, answered, failed: reject })
      this.#watch()
      this.#socket.write(request.chunks)
    })
  }

  /** Every call that is under way fails with `reason`, as does each that comes. */
  close(reason: Fault): void {
    if (this.#end !== undefined) return
    this.#end = reason
    this.#cancelSetup()
    this.#cancelWatch?.()
    this.#socket?.close()
    this.#failed(reason)
    for (const { failed } of this.#calls.splice(0)) failed(reason)
    this.#onEnd()
  }

  async #authenticate(): Promise<void> {
    const { clusterSecret, random } = this.#parts
    if (clusterSecret === undefined) return
    const handshake = await this.#ask(HANDSHAKE, SASL_HANDSHAKE_VERSION, { mechanism: MECHANISM })
    if (handshake.errorCode !== ErrorCode.NONE) throw notLetIn(errorName(handshake.errorCode))
    const nonce = random.bytes(NONCE_BYTES).toString('base64')
    const client = new ScramClient({ hash: MECHANISM_HASH, user: CLUSTER_USER, password: clusterSecret(), nonce })
    const serverFirst = await this.#token(client.first())
    try {
      client.finish(await this.#token(client.final(serverFirst)))
    } catch (error) {
      throw isFault(error, 'invalid') ? notLetIn(error.message, error) : error
    }
  }

  async #token(authBytes: Buffer): Promise<Buffer> {
    const answer = await this.#ask(AUTHENTICATE, SASL_AUTHENTICATE_VERSION, { authBytes })
    if (answer.errorCode === ErrorCode.NONE) return answer.authBytes
    throw notLetIn(answer.errorMessage ?? errorName(answer.errorCode))
  }

  #ask<Req, Res>(api: NodeApi<Req, Res>, version: number, request: Req): Promise<Res> {
    return this.call(prepareRequest(api, version, request, this.#parts.clientId))
  }

  #received(chunk: Buffer): void {
    if (this.#end !== undefined) return
    try {
      for (const frame of this.#frames.push(chunk)) this.#answered(frame)
    } catch (error) {
      if (!isFault(error)) throw error
      this.close(new Fault('unavailable', `what it answers cannot be read: ${error.message}`, { cause: error }))
    }
  }

  #answered(frame: Buffer): void {
    const call = this.#calls[0]
    const correlationId = frame.readInt32BE(0)
    if (call?.correlationId !== correlationId) {
      throw new Fault('corrupt', `answer ${correlationId} came, and ${call?.correlationId ?? 'none'} is next`)
    }
    call.answered(new Reader(frame))
    this.#calls.shift()
  }

  /** Looks at the oldest call when its time is over; all have the same, so the others have some left. */
  #watch(): void {
    const oldest = this.#calls[0]
    if (this.#cancelWatch !== undefined || oldest === undefined) return
    const { clock, requestTimeoutMs } = this.#parts
    this.#cancelWatch = clock.after(Math.max(0, oldest.dueMs - clock.monotonic()), () => {
      this.#cancelWatch = undefined
      const late = this.#calls[0]
      if (late !== undefined && late.dueMs <= clock.monotonic()) {
        this.close(new Fault('unavailable', `it did not answer within ${requestTimeoutMs} ms`))
      } else this.#watch()
    })
  }
}

/** Retried like everything else: it may be the other broker that has not heard of a new secret yet. */
function notLetIn(reason: string, cause?: unknown): Fault {
  const advice = 'all brokers of a cluster need the same secret'
  return new Fault('unavailable', `authentication failed, ${advice}: ${reason}`, { cause })
}
