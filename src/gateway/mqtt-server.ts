/** Listens for MQTT connections of devices; what a connection does is in `mqtt-connection.ts`. */
import { createServer, type Server } from 'node:net'
import { type Clock, sleep } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import { MqttConnection, type MqttContext } from './mqtt-connection.ts'

export interface MqttServerOptions extends Omit<MqttContext, 'connected'> {
  readonly connectionsMax: number
}

export class MqttServer {
  readonly #server: Server
  readonly #clock: Clock
  readonly #connections = new Set<MqttConnection>()
  /** By client name. */
  readonly #clients = new Map<string, MqttConnection>()

  constructor(options: MqttServerOptions) {
    this.#clock = options.clock
    const context: MqttContext = { ...options, connected: (connection) => this.#admit(connection) }
    this.#server = createServer((socket) => {
      const connection = new MqttConnection(socket, context)
      this.#connections.add(connection)
      socket.once('close', () => {
        this.#connections.delete(connection)
        if (this.#clients.get(connection.clientName) === connection) this.#clients.delete(connection.clientName)
      })
    })
    this.#server.maxConnections = options.connectionsMax
  }

  get connections(): number {
    return this.#connections.size
  }

  /** Returns the port. Fault `invalid` when it cannot be listened on. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      // Stays: later it hears of connections that could not be accepted, which is no reason to end the others.
      this.#server.on('error', (cause) => {
        reject(new Fault('invalid', `cannot listen for MQTT on ${host}:${port}: ${cause.message}`, { cause }))
      })
      this.#server.listen(port, host, () => {
        const address = this.#server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : port)
      })
    })
  }

  /** Stops listening and reading, waits for what is under way up to `graceMs`, then ends every connection. */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    const finished = Promise.all([...this.#connections].map((connection) => connection.close()))
    const grace = new AbortController()
    await Promise.race([finished.then(() => closed), sleep(this.#clock, graceMs, grace.signal)])
    grace.abort()
    for (const connection of this.#connections) connection.destroy()
    await closed
  }

  #admit(connection: MqttConnection): void {
    this.#clients.get(connection.clientName)?.takeOver()
    this.#clients.set(connection.clientName, connection)
  }
}
