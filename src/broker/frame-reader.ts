/**
 * Cuts a byte stream into Kafka frames: a 4-byte big-endian length, then that many bytes.
 *
 * A frame inside one chunk is a slice of it; a frame that spans chunks is copied once, when its last byte has come.
 * Memory never exceeds what the peer has really sent, whatever length it announces.
 */
import { Fault } from '../runtime/fault.ts'

const LENGTH_BYTES = 4
/** The shortest request header: api key, version, correlation id. */
const FRAME_BYTES_MIN = 8

export class FrameReader {
  readonly #frameBytesMax: number
  #chunks: Buffer[] = []
  #buffered = 0

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax
  }

  /** Bytes of an unfinished frame. */
  get buffered(): number {
    return this.#buffered
  }

  /** Takes the next chunk; returns the frames it completes, without their length. Fault `invalid` on an impossible length. */
  push(chunk: Buffer): Buffer[] {
    const frames: Buffer[] = []
    let rest = chunk
    if (this.#buffered > 0) {
      const completed = this.#complete(chunk)
      if (completed === undefined) return frames
      frames.push(completed.frame)
      rest = completed.rest
    }
    while (rest.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + this.#length(rest)
      if (rest.length < end) break
      frames.push(rest.subarray(LENGTH_BYTES, end))
      rest = rest.subarray(end)
    }
    if (rest.length > 0) this.#keep(rest)
    return frames
  }

  #keep(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#buffered += chunk.length
  }

  /** The frame that began in earlier chunks, once `chunk` ends it, and what follows it. */
  #complete(chunk: Buffer): { frame: Buffer; rest: Buffer } | undefined {
    this.#keep(chunk)
    if (this.#buffered < LENGTH_BYTES) return undefined
    const first = this.#firstBytes()
    const end = LENGTH_BYTES + this.#length(first)
    if (this.#buffered < end) return undefined
    const frame = Buffer.allocUnsafe(end - LENGTH_BYTES)
    let position = -LENGTH_BYTES
    for (const part of this.#chunks) {
      if (position < 0) part.copy(frame, 0, Math.min(-position, part.length))
      else part.copy(frame, position)
      position += part.length
    }
    const rest = chunk.subarray(chunk.length - (this.#buffered - end))
    this.#chunks = []
    this.#buffered = 0
    return { frame, rest }
  }

  /** A buffer that starts with the length, which itself may be split over chunks. */
  #firstBytes(): Buffer {
    const first = this.#chunks[0] as Buffer
    if (first.length >= LENGTH_BYTES) return first
    this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] as Buffer
  }

  #length(bytes: Buffer): number {
    const length = bytes.readInt32BE(0)
    if (length < FRAME_BYTES_MIN || length > this.#frameBytesMax) {
      throw new Fault(
        'invalid',
        `a frame of ${length} bytes is not between ${FRAME_BYTES_MIN} and ${this.#frameBytesMax}`
      )
    }
    return length
  }
}
