/** How brokers reach each other: bytes in order, or an end. What the bytes mean is `node-connection.ts`'s business. */

export interface NodeSocketEvents {
  /** Bytes may be written. */
  opened(): void
  received(chunk: Buffer): void
  /** Nothing follows. Also when it never opened; not after `close`. */
  closed(reason: string): void
}

export interface NodeSocket {
  write(chunks: readonly Buffer[]): void
  /** At once; what was written may still arrive. */
  close(): void
}

export interface NodeTransport {
  connect(host: string, port: number, events: NodeSocketEvents): NodeSocket
}
