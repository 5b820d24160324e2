/**
 * What this broker asks of one other: a connection when it is first needed, and a new one, after a pause that grows, when
 * that has ended. A call that has been sent is never sent again: whoever made it knows whether that may be.
 */
import { sleep } from '../../runtime/clock.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import type { BrokerPlace } from '../cluster-view.ts'
import { NodeConnection, type NodeConnectionParts, type PreparedRequest } from './node-connection.ts'

export interface NodeClientParts extends NodeConnectionParts {
  readonly log: Log
  /** Of all calls that wait for their answer. */
  readonly inFlightBytesMax: number
}

const BACKOFF_MS_MIN = 50
const BACKOFF_MS_MAX = 1_000

export class NodeClient {
  readonly place: BrokerPlace
  readonly #parts: NodeClientParts
  readonly #closing = new AbortController()
  #connecting: Promise<NodeConnection> | undefined
  #connection: NodeConnection | undefined
  #inFlightBytes = 0
  /** In a row. */
  #failures = 0
  #notBeforeMs = 0
  #closedBecause: Fault | undefined

  constructor(parts: NodeClientParts, place: BrokerPlace) {
    this.#parts = parts
    this.place = place
  }

  /** Throws `Fault` `unavailable`. */
  async send<Res>(request: PreparedRequest<Res>): Promise<Res> {
    const { inFlightBytesMax } = this.#parts
    if (this.#inFlightBytes > 0 && this.#inFlightBytes + request.bytes > inFlightBytesMax) {
      throw this.#fault(`${this.#inFlightBytes} bytes are on their way already`)
    }
    this.#inFlightBytes += request.bytes
    try {
      const connection = await this.#connect()
      return await connection.call(request)
    } catch (error) {
      throw isFault(error) ? this.#fault(error.message, error) : error
    } finally {
      this.#inFlightBytes -= request.bytes
    }
  }

  /** Every call that is under way fails with `reason`, as does each that comes. */
  close(reason: Fault): void {
    this.#closedBecause = reason
    this.#closing.abort()
    this.#connection?.close(reason)
  }

  /** All calls wait here, so that they leave in the order in which they came. */
  #connect(): Promise<NodeConnection> {
    this.#connecting ??= this.#open()
    return this.#connecting
  }

  async #open(): Promise<NodeConnection> {
    const { clock, log } = this.#parts
    const { host, port, nodeId } = this.place
    const pauseMs = this.#notBeforeMs - clock.monotonic()
    if (pauseMs > 0) await sleep(clock, pauseMs, this.#closing.signal)
    try {
      if (this.#closedBecause !== undefined) throw this.#closedBecause
      const connection = new NodeConnection(this.#parts, host, port, () => this.#ended())
      this.#connection = connection
      await connection.ready
      if (this.#failures > 0) log.info({ node: nodeId }, 'another broker is reached again')
      this.#failures = 0
      return connection
    } catch (error) {
      // Once for each time that it is away.
      const isNews = isFault(error) && this.#failures === 1 && this.#closedBecause === undefined
      if (isNews) log.warn({ node: nodeId, host, port, error: error.message }, 'another broker is not reached')
      throw error
    }
  }

  #ended(): void {
    const { clock, random } = this.#parts
    this.#connecting = undefined
    this.#connection = undefined
    const backoffMs = Math.min(BACKOFF_MS_MIN * 2 ** this.#failures, BACKOFF_MS_MAX)
    this.#failures++
    this.#notBeforeMs = clock.monotonic() + backoffMs * (0.75 + random.float() / 2)
  }

  #fault(reason: string, cause?: unknown): Fault {
    const { nodeId, host, port } = this.place
    return new Fault('unavailable', `broker ${nodeId} at ${host}:${port} is not reached: ${reason}`, { cause })
  }
}
