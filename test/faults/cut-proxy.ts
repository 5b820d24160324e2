/** A TCP proxy that can be cut: what lies behind it is gone, by refusing connections or by never answering. */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

export type Outage = 'refused' | 'silent'

export class CutProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #outage: Outage | undefined

  private constructor(server: Server) {
    this.#server = server
  }

  static async open(target: { readonly host: string; readonly port: number }): Promise<CutProxy> {
    const server = createServer()
    const proxy = new CutProxy(server)
    server.on('connection', (socket) => proxy.#connect(socket, target))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  cut(outage: Outage): void {
    this.#outage = outage
    for (const socket of this.#sockets) {
      if (outage === 'refused') socket.resetAndDestroy()
      else socket.pause()
    }
  }

  /** What was silent until now is ended: its answers would be those of another time. */
  restore(): void {
    this.#outage = undefined
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Lets new connections through, while those of before stay silent: the way there has changed, and nobody said so. */
  reroute(): void {
    this.#outage = undefined
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #connect(client: Socket, target: { readonly host: string; readonly port: number }): void {
    this.#keep(client)
    if (this.#outage === 'refused') client.resetAndDestroy()
    if (this.#outage !== undefined) return
    const server = connect(target.port, target.host)
    this.#keep(server)
    client.pipe(server)
    server.pipe(client)
    client.on('close', () => server.destroy())
    server.on('close', () => client.destroy())
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#sockets.delete(socket))
  }
}
