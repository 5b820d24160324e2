/** Listens for Kafka clients and gives each its `Connection`. The adapter of the broker to TCP. */
import { createServer, type Server, type Socket } from 'node:net'
import { Fault } from '../runtime/fault.ts'
import { Connection, type ConnectionParts } from './connection.ts'

export interface KafkaServerParts extends Omit<ConnectionParts, 'id' | 'socket'> {
  /** How long a new connection from this address has to wait before it is closed; 0 when it is welcome (KIP-612). */
  readonly admit: (address: string) => number
}

export class KafkaServer {
  readonly #parts: KafkaServerParts
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  /** Connections that came too early and wait for their end. */
  readonly #refused = new Set<Socket>()
  #nextId = 1

  constructor(parts: KafkaServerParts) {
    this.#parts = parts
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket))
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  get connections(): number {
    return this.#connections.size
  }

  /** Fault `conflict` when the port is taken, `invalid` when the host is not ours. */
  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (error: NodeJS.ErrnoException) => {
        const taken = error.code === 'EADDRINUSE'
        const advice = taken ? 'another process listens there; stop it or choose another port' : error.message
        reject(
          new Fault(taken ? 'conflict' : 'invalid', `cannot listen on ${host}:${port}: ${advice}`, { cause: error })
        )
      }
      this.#server.once('error', fail)
      this.#server.listen(port, host, () => {
        this.#server.removeListener('error', fail)
        // A connection that cannot be accepted, for want of file descriptors say, is no reason to end the others.
        this.#server.on('error', (error) => this.#parts.log.warn({ error }, 'a connection was not accepted'))
        resolve()
      })
    })
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const connection of this.#connections) connection.close()
    for (const socket of this.#refused) socket.destroy()
    await closed
  }

  #accept(socket: Socket): void {
    const delayMs = this.#parts.admit(socket.remoteAddress ?? '')
    if (delayMs > 0) this.#delayedClose(socket, delayMs)
    else this.#serve(socket)
  }

  /** Held before it is closed, so that a client which connects again at once is slowed down as well. */
  #delayedClose(socket: Socket, delayMs: number): void {
    this.#refused.add(socket)
    socket.on('error', () => socket.destroy())
    socket.pause()
    const cancel = this.#parts.clock.after(delayMs, () => socket.destroy())
    socket.once('close', () => {
      cancel()
      this.#refused.delete(socket)
    })
  }

  #serve(socket: Socket): void {
    const connection = new Connection({ ...this.#parts, id: this.#nextId++, socket })
    this.#connections.add(connection)
    socket.once('close', () => this.#connections.delete(connection))
  }
}
