/**
 * One client connection: frames in, answers out.
 *
 * Requests are taken up in the order in which they came and answered in that order. A produce request only has to be
 * appended before the next request is taken up, so that a pipelining producer fills one group commit; everything
 * else is answered first. Another broker's requests are all taken up at once: many clients stand behind one of its
 * connections. Whatever is wrong with the bytes of a connection ends that connection and no other.
 *
 * A client above a quota is answered at once and read no further until its time is over (KIP-219).
 */
import type { Socket } from 'node:net'
import { type Clock, sleep } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { Dispatcher, Origin, PreparedCall } from './dispatcher.ts'
import { FrameReader } from './frame-reader.ts'
import { anonymousPeer } from './handler.ts'
import type { RequestMemory } from './request-memory.ts'
import type { UnfinishedFrames } from './unfinished-frames.ts'
import type { UnsentBytes } from './unsent-bytes.ts'

/** Requests of one connection that may be under way before it is read no further. */
const IN_FLIGHT_MAX = 64
/** The same of a connection of another broker. */
const NODE_IN_FLIGHT_MAX = 1024
/** Bytes of one connection that may wait to be taken up before it is read no further. */
const QUEUED_BYTES_MAX = 1024 * 1024

export interface ConnectionParts {
  readonly id: number
  readonly socket: Socket
  readonly clock: Clock
  readonly dispatcher: Dispatcher
  /** For requests that add data; of its own, so that producers who have to wait hold up nobody else. */
  readonly produceMemory: RequestMemory
  /** For all other requests. */
  readonly memory: RequestMemory
  readonly unfinished: UnfinishedFrames
  readonly unsent: UnsentBytes
  readonly frameBytesMax: number
  /** What to wait for before a request that adds data, when the broker has to slow producers down. */
  readonly room: () => Promise<void> | undefined
  readonly log: Log
}

export class Connection {
  readonly #parts: ConnectionParts
  readonly #socket: Socket
  readonly #frames: FrameReader
  readonly #closed = new AbortController()
  readonly #queue: Buffer[] = []
  readonly #clientHost: string
  readonly #origin: Origin
  /** Ends when everything taken up so far is answered. */
  #answered: Promise<void> = Promise.resolve()
  #inFlight = 0
  #queuedBytes = 0
  #pumping = false
  /** On the clock that only moves forward; 0 when the client was never above a quota. */
  #mutedUntil = 0
  #resume: (() => void) | undefined

  constructor(parts: ConnectionParts) {
    this.#parts = parts
    this.#socket = parts.socket
    this.#frames = new FrameReader(parts.frameBytesMax)
    this.#clientHost = `/${parts.socket.remoteAddress ?? 'unknown'}`
    this.#origin = {
      clientHost: this.#clientHost,
      connectionId: parts.id,
      peer: anonymousPeer(parts.socket.remotePort ?? 0),
      localAddress: parts.socket.localAddress ?? '',
      closed: this.#closed.signal,
      mute: (delayMs) => this.#mute(delayMs)
    }
    this.#socket.setNoDelay(true)
    this.#socket.on('data', (chunk: Buffer) => this.#received(chunk))
    this.#socket.on('drain', () => {
      this.#parts.unsent.note(this, this.#socket.writableLength)
      this.#wake()
    })
    this.#socket.on('error', () => this.close())
    this.#socket.on('close', () => this.close())
  }

  close(): void {
    if (this.#closed.signal.aborted) return
    this.#closed.abort()
    this.#socket.destroy()
    this.#queue.length = 0
    this.#parts.unfinished.note(this, 0)
    this.#parts.unsent.note(this, 0)
    this.#wake()
  }

  #received(chunk: Buffer): void {
    try {
      for (const frame of this.#frames.push(chunk)) {
        this.#queue.push(frame)
        this.#queuedBytes += frame.length
      }
      this.#parts.unfinished.note(this, this.#frames.buffered)
    } catch (error) {
      this.refuse(error)
      return
    }
    if (this.#queue.length > IN_FLIGHT_MAX || this.#queuedBytes > QUEUED_BYTES_MAX) this.#socket.pause()
    if (this.#queue.length > 0) this.#startPump()
  }

  /** Closes for a fault of the peer or of a dependency; a bug goes on to end the process. */
  refuse(error: unknown): void {
    this.close()
    if (!isFault(error)) throw error
    this.#parts.log.warn({ client: this.#clientHost, kind: error.kind, reason: error.message }, 'connection closed')
  }

  #startPump(): void {
    if (!this.#pumping) this.#pump().catch((error: unknown) => this.refuse(error))
  }

  #mute(delayMs: number): void {
    this.#mutedUntil = Math.max(this.#mutedUntil, this.#parts.clock.monotonic() + delayMs)
    this.#socket.pause()
    // It also resumes the socket, so it has to run even when no frame waits.
    this.#startPump()
  }

  /** Ends when the client may be read again. */
  async #unmuted(): Promise<void> {
    const { clock } = this.#parts
    for (let left = this.#mutedUntil - clock.monotonic(); left > 0; left = this.#mutedUntil - clock.monotonic()) {
      this.#socket.pause()
      await sleep(clock, left, this.#closed.signal)
      if (this.#closed.signal.aborted) break
    }
    this.#mutedUntil = 0
  }

  async #pump(): Promise<void> {
    this.#pumping = true
    try {
      for (;;) {
        if (this.#mutedUntil > 0) await this.#unmuted()
        if (this.#origin.peer.isRefused) return
        const frame = this.#queue.shift()
        if (frame === undefined) return
        this.#queuedBytes -= frame.length
        const taken = this.#take(frame)
        if (taken !== undefined) await taken
        while (!this.#closed.signal.aborted && this.#isFull()) await this.#waitForRoom()
        if (this.#closed.signal.aborted) return
      }
    } finally {
      this.#pumping = false
      this.#socket.resume()
    }
  }

  get #inFlightMax(): number {
    return this.#origin.peer.isNode ? NODE_IN_FLIGHT_MAX : IN_FLIGHT_MAX
  }

  #isFull(): boolean {
    return this.#inFlight >= this.#inFlightMax || this.#socket.writableNeedDrain
  }

  /** `undefined` when the next frame may be taken at once, as nearly always when a producer pipelines. */
  #take(frame: Buffer): Promise<void> | undefined {
    const call = this.#parts.dispatcher.prepare(frame, this.#origin)
    const memory = call.pipelined ? this.#parts.produceMemory : this.#parts.memory
    const admission = memory.acquire(frame.length)
    this.#inFlight++
    const release = () => this.#finished(memory, frame.length)
    if (admission !== undefined) return this.#takeAfter(admission, call, release)
    const room = call.pipelined ? this.#parts.room() : undefined
    if (room !== undefined) return this.#startAfter(room, call, release)
    const isAwaited = this.#isAwaited(call)
    const answered = this.#start(call, release)
    return isAwaited ? answered : undefined
  }

  async #takeAfter(admission: Promise<void>, call: PreparedCall, release: () => void): Promise<void> {
    this.#socket.pause()
    await admission
    const room = call.pipelined ? this.#parts.room() : undefined
    await this.#startAfter(room, call, release)
  }

  async #startAfter(room: Promise<void> | undefined, call: PreparedCall, release: () => void): Promise<void> {
    this.#socket.pause()
    await room
    // Whoever gave up while it waited sends again elsewhere: what nobody waits for is not begun.
    if (this.#closed.signal.aborted) {
      release()
      return
    }
    const isAwaited = this.#isAwaited(call)
    const answered = this.#start(call, release)
    if (isAwaited) await answered
  }

  /** Whether the next request is taken up only when this one is answered. */
  #isAwaited({ pipelined }: PreparedCall): boolean {
    return !pipelined && !this.#origin.peer.isNode
  }

  /** Resolves when everything up to this call is answered, or the connection is closed. */
  #start(call: PreparedCall, release: () => void): Promise<void> {
    this.#answered = this.#answer(this.#answered, call.start(), release).catch((error: unknown) => this.refuse(error))
    return this.#answered
  }

  async #answer(
    before: Promise<void>,
    response: Promise<readonly Buffer[] | undefined>,
    release: () => void
  ): Promise<void> {
    try {
      // Awaited first and together, so that a rejection is never left unobserved behind the other.
      const [, chunks] = await Promise.all([before, response])
      if (chunks !== undefined && !this.#closed.signal.aborted) this.#write(chunks)
      if (this.#origin.peer.isRefused) this.#end()
    } finally {
      release()
    }
  }

  #write(chunks: readonly Buffer[]): void {
    this.#socket.cork()
    for (const chunk of chunks) this.#socket.write(chunk)
    // Answers that one group commit sets free leave together.
    process.nextTick(() => {
      this.#socket.uncork()
      if (!this.#closed.signal.aborted) this.#parts.unsent.note(this, this.#socket.writableLength)
    })
  }

  /** Closes once the answer has left. */
  #end(): void {
    process.nextTick(() => this.#socket.end(() => this.close()))
  }

  #finished(memory: RequestMemory, bytes: number): void {
    this.#inFlight--
    memory.release(bytes)
    if (this.#inFlight < this.#inFlightMax) this.#wake()
  }

  #waitForRoom(): Promise<void> {
    if (this.#closed.signal.aborted) return Promise.resolve()
    this.#socket.pause()
    return new Promise((resolve) => {
      this.#resume = resolve
    })
  }

  #wake(): void {
    this.#resume?.()
    this.#resume = undefined
  }
}
