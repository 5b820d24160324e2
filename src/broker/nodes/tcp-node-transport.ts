/** The adapter of `NodeTransport` to TCP. */
import { connect } from 'node:net'
import type { NodeTransport } from './node-transport.ts'

export const tcpNodeTransport: NodeTransport = {
  connect(host, port, events) {
    const socket = connect({ host, port, noDelay: true, keepAlive: true })
    let reason = 'the connection was closed'
    let isOver = false
    socket.on('connect', () => {
      if (!isOver) events.opened()
    })
    socket.on('data', (chunk: Buffer) => {
      if (!isOver) events.received(chunk)
    })
    socket.on('error', (error) => {
      reason = error.message
    })
    socket.on('close', () => {
      if (isOver) return
      isOver = true
      events.closed(reason)
    })
    return {
      write(chunks) {
        socket.cork()
        for (const chunk of chunks) socket.write(chunk)
        process.nextTick(() => socket.uncork())
      },
      close() {
        isOver = true
        socket.destroy()
      }
    }
  }
}
