/**
 * HTTP for devices: `POST /v1/telemetry` with one record (application/json) or many (application/x-ndjson, one per line).
 * And for operators, without a token: `GET /health`, and `GET /metrics` in Prometheus text.
 *
 * Invariants: 2xx only when every record of the request was acknowledged by the broker (in its topic or in the
 * dead-letter topic); records of one request keep their order, and after a refused line no later line is stored.
 */
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Device, DeviceRegistry } from '../fleet/device-registry.ts'
import { type Clock, sleep } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { Flow, Ingress, Outcome } from './ingress.ts'
import { meaningOf, type Refusal, refusalOf } from './refusal.ts'

export interface HttpSettings {
  /** Largest single record that is read at all. */
  readonly recordBytesMax: number
  /** Largest NDJSON body. */
  readonly batchBytesMax: number
  readonly batchRecordsMax: number
}

export interface HttpServerOptions {
  readonly ingress: Ingress
  readonly registry: DeviceRegistry
  readonly clock: Clock
  readonly log: Log
  readonly connectionsMax: number
  readonly settings: HttpSettings
  /** What `GET /metrics` answers: Prometheus text exposition format 0.0.4. Not served when undefined. */
  readonly metrics: (() => string) | undefined
}

interface LineOutcome {
  /** Counted from 1, empty lines included. */
  readonly line: number
  readonly outcome: Outcome
}

const path = '/v1/telemetry'

export class HttpServer {
  readonly #options: HttpServerOptions
  readonly #app: FastifyInstance
  readonly #clock: Clock
  readonly #devices = new WeakMap<FastifyRequest, Device>()
  #requests = 0
  #whenIdle: (() => void) | undefined
  #closing = false

  constructor(options: HttpServerOptions) {
    this.#options = options
    this.#clock = options.clock
    const { recordBytesMax, batchBytesMax } = options.settings
    this.#app = fastify({ bodyLimit: recordBytesMax, requestTimeout: 60_000, forceCloseConnections: 'idle' })
    const app = this.#app
    app.server.maxConnections = options.connectionsMax
    app.server.on('request', (_request, response) => {
      this.#requests++
      response.once('close', () => {
        if (--this.#requests === 0) this.#whenIdle?.()
      })
    })
    app.removeAllContentTypeParsers()
    const raw = { parseAs: 'buffer' } as const
    app.addContentTypeParser('application/json', raw, (_request, body, done) => done(null, body))
    app.addContentTypeParser('application/x-ndjson', { ...raw, bodyLimit: batchBytesMax }, (_request, body, done) =>
      done(null, body)
    )
    app.setErrorHandler((error: FastifyError, request, reply) => this.#fail(error, request, reply))
    app.setNotFoundHandler((request, reply) => {
      const message = `${request.method} ${request.url.slice(0, 100)} is not served; use POST ${path}`
      return refuse(reply, { code: 'not-found', message })
    })
    app.get('/health', async (_request, reply) => {
      if (this.#closing) return refuse(reply, { code: 'closing', message: 'the gateway is being stopped' })
      return reply.send({ status: 'ok' })
    })
    const { metrics } = options
    if (metrics !== undefined) {
      app.get('/metrics', (_request, reply) => reply.type('text/plain; version=0.0.4; charset=utf-8').send(metrics()))
    }
    // The device is known before its body is read.
    const onRequest = (request: FastifyRequest, reply: FastifyReply) => this.#admit(request, reply)
    app.post(path, { onRequest }, (request, reply) => this.#telemetry(request, reply))
  }

  /** Returns the port. Fault `invalid` when it cannot be listened on. */
  async listen(host: string, port: number): Promise<number> {
    try {
      await this.#app.listen({ host, port })
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new Fault('invalid', `cannot listen for HTTP on ${host}:${port}: ${reason}`, { cause })
    }
    const address = this.#app.server.address()
    return typeof address === 'object' && address !== null ? address.port : port
  }

  /** Stops listening, answers the requests under way up to `graceMs`, then ends every connection. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true
    const closed = this.#app.close()
    const grace = new AbortController()
    if (this.#requests > 0) await Promise.race([this.#idle(), sleep(this.#clock, graceMs, grace.signal)])
    grace.abort()
    // A client that connected and said nothing is not idle for Node: it would keep us for a minute.
    this.#app.server.closeAllConnections()
    await closed
  }

  #idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenIdle = resolve
    })
  }

  async #admit(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    const token = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1]
    const device = token === undefined ? undefined : await this.#options.registry.authenticate(token)
    if (device === undefined) {
      const message = 'send "Authorization: Bearer <token of a registered device>"'
      return refuse(reply.header('www-authenticate', 'Bearer'), { code: 'unauthenticated', message })
    }
    const encoding = request.headers['content-encoding'] ?? 'identity'
    if (encoding.toLowerCase() !== 'identity') {
      // Taken as it is, it would become a dead letter, and the device would believe that it was understood.
      const message = 'bodies are read as they are: send without Content-Encoding'
      return refuse(reply, { code: 'unsupported-media-type', message })
    }
    this.#devices.set(request, device)
    return undefined
  }

  async #telemetry(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const device = this.#devices.get(request)
    const body = request.body
    if (device === undefined || !Buffer.isBuffer(body)) {
      return refuse(reply, { code: 'malformed', message: 'the request has no body; send one record as JSON' })
    }
    const flow: Flow = { device, transport: 'http', broken: false }
    const batch = request.headers['content-type']?.toLowerCase().startsWith('application/x-ndjson') ?? false
    return batch ? await this.#batch(flow, body, reply) : await this.#single(flow, body, reply)
  }

  async #single(flow: Flow, body: Buffer, reply: FastifyReply): Promise<FastifyReply> {
    const outcome = await this.#options.ingress.accept(flow, body)
    if (outcome.result === 'refused') return refuse(reply, outcome.refusal)
    return reply.send(outcome)
  }

  async #batch(flow: Flow, body: Buffer, reply: FastifyReply): Promise<FastifyReply> {
    const { batchRecordsMax, recordBytesMax } = this.#options.settings
    const lines = splitLines(body, batchRecordsMax)
    if (lines === undefined || lines.some((line) => line.text.length > recordBytesMax)) {
      const message = `a batch may have ${batchRecordsMax} records of at most ${recordBytesMax} bytes each`
      return refuse(reply, { code: 'too-large', message })
    }
    const outcomes = await Promise.all(
      lines.map(async ({ line, text }): Promise<LineOutcome> => {
        return { line, outcome: await this.#options.ingress.accept(flow, text) }
      })
    )
    const count = (result: Outcome['result']) => outcomes.filter(({ outcome }) => outcome.result === result).length
    const answer = {
      accepted: count('accepted'),
      deadLettered: count('dead-lettered'),
      refused: count('refused'),
      lines: outcomes.map(({ line, outcome }) => ({ line, ...lineAnswer(outcome) }))
    }
    const first = outcomes.find(({ outcome }) => outcome.result === 'refused')?.outcome
    return first?.result === 'refused' ? refuse(reply, first.refusal, answer) : reply.send(answer)
  }

  #fail(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const refusal = refusalOf(error) ?? transportRefusal(error)
    if (refusal !== undefined) return refuse(reply, refusal)
    this.#options.log.error({ error: String(error), url: request.url }, 'an HTTP request failed unexpectedly')
    return refuse(reply, { code: 'unavailable', message: 'the gateway failed; try again', retryAfterS: 5 })
  }
}

function lineAnswer(outcome: Outcome): object {
  return outcome.result === 'refused' ? { result: 'refused', error: errorOf(outcome.refusal) } : outcome
}

function errorOf({ code, message }: Refusal): { code: string; message: string } {
  return { code, message }
}

function refuse(reply: FastifyReply, refusal: Refusal, more: object = {}): FastifyReply {
  if (refusal.retryAfterS !== undefined) reply.header('retry-after', refusal.retryAfterS)
  return reply.code(meaningOf(refusal.code).http).send({ error: errorOf(refusal), ...more })
}

/** What fastify refuses on its own, in our words. */
function transportRefusal(error: FastifyError): Refusal | undefined {
  switch (error.statusCode) {
    case 413:
      return { code: 'too-large', message: error.message }
    case 415:
      return { code: 'unsupported-media-type', message: 'send application/json or application/x-ndjson' }
    default:
      return (error.statusCode ?? 500) < 500 ? { code: 'malformed', message: error.message } : undefined
  }
}

const newline = 0x0a
const carriageReturn = 0x0d

/**
 * Lines that hold anything, with their number; undefined when there are more than `linesMax`. It stops there: eight
 * million bytes of short lines would be hundreds of megabytes of views.
 */
function splitLines(body: Buffer, linesMax: number): { line: number; text: Buffer }[] | undefined {
  const lines: { line: number; text: Buffer }[] = []
  let start = 0
  for (let line = 1; start < body.length; line++) {
    const found = body.indexOf(newline, start)
    const next = found < 0 ? body.length : found
    const end = next > start && body[next - 1] === carriageReturn ? next - 1 : next
    if (end > start) {
      if (lines.length === linesMax) return undefined
      lines.push({ line, text: body.subarray(start, end) })
    }
    start = next + 1
  }
  return lines
}
