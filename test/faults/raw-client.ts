/**
 * A connection that speaks Kafka's protocol and nothing more: one request at a version of the caller's choice, its
 * answer, several under way at once. Where a test needs to know exactly which bytes went out and which came back.
 *
 * Answers are matched by their order, as Kafka promises, and their correlation ids are checked. A request without an
 * answer in time fails and ends the connection. It never reconnects or retries.
 */
import { connect, type Socket } from 'node:net'
import { Reader, Writer } from '../../src/wire/buffers.ts'
import { decodeResponseHeader, encodeRequestHeader, hasFlexibleResponseHeader } from '../../src/wire/headers.ts'
import type { ApiMessage } from '../../src/wire/message.ts'

const TIMEOUT_MS = 30_000

/** The two messages of an API. `Req` is what goes in, `Res` what comes out. */
export interface Api<Req, Res> {
  readonly request: ApiMessage<unknown, Req>
  readonly response: ApiMessage<Res, unknown>
}

interface Waiting {
  readonly resolve: (frame: Buffer) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** The peer ended the connection, or it was never there. */
class ConnectionLost extends Error {}

export class RawConnection {
  readonly socket: Socket
  /** Resolves when the connection is gone, whoever ended it. */
  readonly ended: Promise<void>
  #waiting: Waiting[] = []
  #chunks: Buffer[] = []
  #buffered = 0
  #correlationId = 0
  #over = false

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#received(chunk))
    socket.on('error', () => {})
    this.ended = new Promise((resolve) => {
      socket.once('close', () => {
        this.#over = true
        this.#fail(new ConnectionLost('the connection was closed'))
        resolve()
      })
    })
  }

  /** Rejects with `ConnectionLost` when nobody listens. */
  static open(address: { readonly host: string; readonly port: number }, timeoutMs = 5000): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(address.port, address.host)
      const refuse = (error: Error): void => {
        socket.destroy()
        reject(new ConnectionLost(`no connection to ${address.host}:${address.port}: ${error.message}`))
      }
      socket.setTimeout(timeoutMs, () => refuse(new Error('timeout')))
      socket.once('error', refuse)
      socket.once('connect', () => {
        socket.setTimeout(0)
        socket.off('error', refuse)
        resolve(new RawConnection(socket))
      })
    })
  }

  get over(): boolean {
    return this.#over || this.socket.destroyed
  }

  /** Sends the request at once and resolves with its decoded answer. */
  async send<Req, Res>(api: Api<Req, Res>, version: number, request: Req, timeoutMs = TIMEOUT_MS): Promise<Res> {
    const correlationId = ++this.#correlationId
    this.write(encodeRequest(api, version, request, correlationId))
    const reader = new Reader(await this.nextFrame(timeoutMs))
    const flexible = hasFlexibleResponseHeader(api.response.apiKey, api.response.isFlexible(version))
    const answered = decodeResponseHeader(reader, flexible)
    if (answered !== correlationId) throw new Error(`answer ${answered} came where ${correlationId} was due`)
    const response = api.response.decode(reader, version)
    if (reader.remaining > 0) throw new Error(`${reader.remaining} bytes after ${api.response.name} v${version}`)
    return response
  }

  /** Raw bytes, whatever they mean. */
  write(bytes: Buffer): void {
    if (!this.#over) this.socket.write(bytes)
  }

  /** The next frame nobody waits for yet, without its length. */
  nextFrame(timeoutMs = TIMEOUT_MS): Promise<Buffer> {
    if (this.#over) return Promise.reject(new ConnectionLost('the connection was closed'))
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#fail(new Error(`no answer within ${timeoutMs} ms`))
        this.close()
      }, timeoutMs)
      this.#waiting.push({ resolve, reject, timer })
      this.#deliver()
    })
  }

  close(): void {
    this.socket.destroy()
  }

  #received(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#buffered += chunk.length
    this.#deliver()
  }

  #deliver(): void {
    while (this.#waiting.length > 0) {
      const frame = this.#cut()
      if (frame === undefined) return
      const waiting = this.#waiting.shift()
      clearTimeout(waiting?.timer)
      waiting?.resolve(frame)
    }
  }

  #cut(): Buffer | undefined {
    if (this.#buffered < 4) return undefined
    const first = this.#chunks[0]
    if (first === undefined || first.length < 4) this.#chunks = [Buffer.concat(this.#chunks)]
    const end = 4 + (this.#chunks[0]?.readInt32BE(0) ?? 0)
    if (this.#buffered < end) return undefined
    const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)
    this.#chunks = all.length > end ? [all.subarray(end)] : []
    this.#buffered -= end
    return all.subarray(4, end)
  }

  #fail(error: Error): void {
    for (const { reject, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer)
      reject(error)
    }
  }
}

/** The whole frame of a request, length included. */
export function encodeRequest<Req>(
  api: { readonly request: ApiMessage<unknown, Req> },
  version: number,
  request: Req,
  correlationId: number,
  clientId: string | null = 'raw-client'
): Buffer {
  const writer = new Writer()
  writer.startFrame()
  const header = { apiKey: api.request.apiKey, apiVersion: version, correlationId, clientId }
  encodeRequestHeader(writer, header, api.request.isFlexible(version))
  api.request.encode(writer, version, request)
  return Buffer.concat(writer.finishFrame())
}
