/**
 * Cursors over Kafka's primitive types: `Reader` walks one frame, `Writer` gathers one.
 *
 * Invariant: whatever the bytes are, reading either advances within the frame or throws a `WireFault`; it never
 * allocates more than the bytes it consumes justify. Record bytes are never copied, in either direction.
 * What the bytes mean, and which version carries which field, is the schema's business.
 */
import { Fault } from '../runtime/fault.ts'

/** Bytes or values that do not fit the protocol. The only error that decoding or encoding a message throws. */
export class WireFault extends Fault {
  constructor(message: string, options?: { cause?: unknown }) {
    super('invalid', message, options)
  }
}

/** The all-zero uuid, Kafka's "no topic id". */
export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'

const TWO_32 = 0x1_0000_0000
const UUID_BYTES = 16
const UUID_CHARACTERS = 22
/** A tag is at least its number and its size. */
const TAG_BYTES_MIN = 2
const BLOCK_BYTES_FIRST = 512
const BLOCK_BYTES_MAX = 64 * 1024
/** Byte fields of this size and more are referenced, smaller ones are cheaper to copy than to hand to `writev`. */
const REFERENCE_BYTES_MIN = 1024

/** Reads one frame. Byte fields are slices of it: whoever keeps a small one alive keeps the frame alive. */
export class Reader {
  readonly buffer: Buffer
  readonly #view: DataView
  #position: number
  #end: number

  constructor(buffer: Buffer, position = 0) {
    this.buffer = buffer
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
    this.#position = position
    this.#end = buffer.length
  }

  get position(): number {
    return this.#position
  }

  /** Bytes left in the frame, or in the tagged field being read. */
  get remaining(): number {
    return this.#end - this.#position
  }

  bool(): boolean {
    return this.int8() !== 0
  }

  int8(): number {
    return this.#view.getInt8(this.#advance(1))
  }

  int16(): number {
    return this.#view.getInt16(this.#advance(2))
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2))
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4))
  }

  float64(): number {
    return this.#view.getFloat64(this.#advance(8))
  }

  /** A safe integer; anything else is a fault. */
  int64(): number {
    const at = this.#advance(8)
    const value = this.#view.getInt32(at) * TWO_32 + this.#view.getUint32(at + 4)
    if (!Number.isSafeInteger(value)) throw new WireFault(`int64 at byte ${at} is outside the safe integers`)
    return value
  }

  /** An int64 whose extremes clients do send: beyond the safe integers it reads as the nearest of them. */
  int64Saturated(): number {
    const at = this.#advance(8)
    const value = this.#view.getInt32(at) * TWO_32 + this.#view.getUint32(at + 4)
    return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value))
  }

  /** An unsigned LEB128 of at most 5 bytes (KIP-482). */
  uvarint(): number {
    const first = this.#view.getUint8(this.#advance(1))
    if (first < 0x80) return first // nearly all: lengths and tag counts
    let value = first & 0x7f
    for (let shift = 7; shift < 35; shift += 7) {
      const byte = this.#view.getUint8(this.#advance(1))
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    throw new WireFault(`varint before byte ${this.#position} is longer than 5 bytes`)
  }

  uuid(): string {
    const at = this.#advance(UUID_BYTES)
    return this.buffer.toString('base64url', at, at + UUID_BYTES)
  }

  string(compact: boolean, nullable: boolean): string | null {
    const length = compact ? this.uvarint() - 1 : this.int16()
    if (length < 0) return this.#absent(length, nullable)
    const at = this.#advance(length)
    return this.buffer.toString('utf8', at, at + length)
  }

  bytes(compact: boolean, nullable: boolean): Buffer | null {
    const length = compact ? this.uvarint() - 1 : this.int32()
    if (length < 0) return this.#absent(length, nullable)
    const at = this.#advance(length)
    return this.buffer.subarray(at, at + length)
  }

  records(compact: boolean, nullable: boolean): readonly Buffer[] | null {
    const slice = this.bytes(compact, nullable)
    if (slice === null) return null
    return slice.length === 0 ? [] : [slice]
  }

  /** The length of an array, -1 for null. More elements than the rest of the frame can hold are a fault. */
  count(compact: boolean, nullable: boolean, elementBytesMin: number): number {
    const count = compact ? this.uvarint() - 1 : this.int32()
    if (count < 0) {
      this.#absent(count, nullable)
      return -1
    }
    if (count * elementBytesMin > this.remaining) {
      throw new WireFault(`array of ${count} before byte ${this.#position} cannot fit in ${this.remaining} bytes`)
    }
    return count
  }

  /** The marker before a nullable struct. */
  isPresent(): boolean {
    return this.int8() >= 0
  }

  tagCount(): number {
    const count = this.uvarint()
    if (count * TAG_BYTES_MIN > this.remaining) {
      throw new WireFault(`${count} tags before byte ${this.#position} cannot fit in ${this.remaining} bytes`)
    }
    return count
  }

  /** Confines reading to the next `size` bytes; give the result to `leave`. */
  enter(size: number): number {
    if (size > this.remaining) throw this.#overrun(size)
    const outer = this.#end
    this.#end = this.#position + size
    return outer
  }

  leave(outer: number): void {
    if (this.#position !== this.#end) {
      throw new WireFault(`tagged field ends at byte ${this.#position}, its size says ${this.#end}`)
    }
    this.#end = outer
  }

  skip(size: number): void {
    this.#advance(size)
  }

  /** Passes over a section of tagged fields of which none is known. */
  skipTags(): void {
    for (let left = this.tagCount(); left > 0; left--) {
      this.uvarint()
      this.skip(this.uvarint())
    }
  }

  #advance(size: number): number {
    const at = this.#position
    if (at + size > this.#end) throw this.#overrun(size)
    this.#position = at + size
    return at
  }

  #absent(length: number, nullable: boolean): null {
    if (!nullable) throw new WireFault(`null before byte ${this.#position} where the field cannot be null`)
    if (length < -1) throw new WireFault(`length ${length} before byte ${this.#position} is negative`)
    return null
  }

  #overrun(size: number): WireFault {
    return new WireFault(`${size} bytes at byte ${this.#position} overrun the ${this.remaining} that remain`)
  }
}

/** Gathers one frame as a list of chunks: small fields in blocks that never move, large byte fields as they are. */
export class Writer {
  readonly #chunks: Buffer[] = []
  #block: Buffer
  #view: DataView
  /** Where the part of the block that is not yet a chunk begins. */
  #start = 0
  #position = 0
  #chunkBytes = 0

  constructor(capacity: number = BLOCK_BYTES_FIRST) {
    this.#block = Buffer.allocUnsafe(capacity)
    this.#view = new DataView(this.#block.buffer, this.#block.byteOffset, capacity)
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#chunkBytes + this.#position - this.#start
  }

  /** The chunks, in order. Chunks may be the caller's own buffers: leave them unchanged until they are sent. */
  finish(): Buffer[] {
    this.#seal()
    return this.#chunks
  }

  /** Leaves room for the four bytes that precede every frame on a connection; only as the first thing written. */
  startFrame(): void {
    this.int32(0)
  }

  /** `finish` for a frame begun by `startFrame`: fills in its size. */
  finishFrame(): Buffer[] {
    const chunks = this.finish()
    chunks[0]?.writeInt32BE(this.#chunkBytes - 4)
    return chunks
  }

  bool(value: boolean): void {
    const at = this.#advance(1)
    this.#view.setInt8(at, value ? 1 : 0)
  }

  int8(value: number): void {
    if ((value << 24) >> 24 !== value) throw unfit(value, 'an int8')
    const at = this.#advance(1)
    this.#view.setInt8(at, value)
  }

  int16(value: number): void {
    if ((value << 16) >> 16 !== value) throw unfit(value, 'an int16')
    const at = this.#advance(2)
    this.#view.setInt16(at, value)
  }

  uint16(value: number): void {
    if ((value & 0xffff) !== value) throw unfit(value, 'a uint16')
    const at = this.#advance(2)
    this.#view.setUint16(at, value)
  }

  int32(value: number): void {
    if ((value | 0) !== value) throw unfit(value, 'an int32')
    const at = this.#advance(4)
    this.#view.setInt32(at, value)
  }

  float64(value: number): void {
    const at = this.#advance(8)
    this.#view.setFloat64(at, value)
  }

  int64(value: number): void {
    if (!Number.isSafeInteger(value)) throw unfit(value, 'a safe integer')
    const high = Math.floor(value / TWO_32)
    const at = this.#advance(8)
    this.#view.setInt32(at, high)
    this.#view.setUint32(at + 4, value - high * TWO_32)
  }

  /** The outermost safe integers stand for the outermost int64, so that what was saturated goes back as it came. */
  int64Saturated(value: number): void {
    if (value === Number.MAX_SAFE_INTEGER) this.#bigint64(0x7fff_ffff_ffff_ffffn)
    else if (value === Number.MIN_SAFE_INTEGER) this.#bigint64(-0x8000_0000_0000_0000n)
    else this.int64(value)
  }

  #bigint64(value: bigint): void {
    const at = this.#advance(8)
    this.#view.setBigInt64(at, value)
  }

  uvarint(value: number): void {
    if (value >>> 0 !== value) throw unfit(value, 'a uint32')
    let rest = value
    while (rest > 0x7f) {
      const at = this.#advance(1)
      this.#view.setUint8(at, (rest & 0x7f) | 0x80)
      rest >>>= 7
    }
    const at = this.#advance(1)
    this.#view.setUint8(at, rest)
  }

  uuid(value: string): void {
    const at = this.#advance(UUID_BYTES)
    if (value.length !== UUID_CHARACTERS || this.#block.write(value, at, 'base64url') !== UUID_BYTES) {
      throw unfit(value, 'a uuid of 22 base64url characters')
    }
  }

  string(value: string | null, compact: boolean, nullable: boolean): void {
    if (value === null) {
      this.#absent(compact, nullable, false)
      return
    }
    const length = Buffer.byteLength(value)
    if (compact) this.uvarint(length + 1)
    else if (length > 0x7fff) throw new WireFault(`a string of ${length} bytes exceeds the 32767 that fit here`)
    else this.int16(length)
    const at = this.#advance(length)
    this.#block.write(value, at, 'utf8')
  }

  bytes(value: Buffer | null, compact: boolean, nullable: boolean): void {
    if (value === null) {
      this.#absent(compact, nullable, true)
      return
    }
    this.#length(value.length, compact)
    this.raw(value)
  }

  records(value: readonly Buffer[] | null, compact: boolean, nullable: boolean): void {
    if (value === null) {
      this.#absent(compact, nullable, true)
      return
    }
    let length = 0
    for (const part of value) length += part.length
    this.#length(length, compact)
    for (const part of value) this.raw(part)
  }

  /** The length of an array, and whether elements follow. */
  count(value: readonly unknown[] | null, compact: boolean, nullable: boolean): value is readonly unknown[] {
    if (value === null) {
      this.#absent(compact, nullable, true)
      return false
    }
    this.#length(value.length, compact)
    return true
  }

  /** The marker before a nullable struct. */
  present(isPresent: boolean): void {
    this.int8(isPresent ? 1 : -1)
  }

  /** A tagged field whose value was written to `value`. */
  tag(tag: number, value: Writer): void {
    this.uvarint(tag)
    this.uvarint(value.length)
    for (const chunk of value.finish()) this.raw(chunk)
  }

  /** Bytes without a length. */
  raw(value: Buffer): void {
    if (value.length < REFERENCE_BYTES_MIN) {
      const at = this.#advance(value.length)
      this.#block.set(value, at)
      return
    }
    this.#seal()
    this.#chunks.push(value)
    this.#chunkBytes += value.length
  }

  #length(length: number, compact: boolean): void {
    if (compact) this.uvarint(length + 1)
    else this.int32(length)
  }

  #absent(compact: boolean, nullable: boolean, wide: boolean): void {
    if (!nullable) throw new WireFault('null in a field that cannot be null at this version')
    if (compact) this.uvarint(0)
    else if (wide) this.int32(-1)
    else this.int16(-1)
  }

  /** Makes room and passes it. Call it before touching the block or its view: it may replace both. */
  #advance(size: number): number {
    if (this.#position + size > this.#block.length) this.#grow(size)
    const at = this.#position
    this.#position = at + size
    return at
  }

  #grow(size: number): void {
    this.#seal()
    const capacity = Math.max(Math.min(this.#block.length * 2, BLOCK_BYTES_MAX), size)
    this.#block = Buffer.allocUnsafe(capacity)
    this.#view = new DataView(this.#block.buffer, this.#block.byteOffset, capacity)
    this.#start = 0
    this.#position = 0
  }

  #seal(): void {
    if (this.#position === this.#start) return
    this.#chunks.push(this.#block.subarray(this.#start, this.#position))
    this.#chunkBytes += this.#position - this.#start
    this.#start = this.#position
  }
}

function unfit(value: unknown, wanted: string): WireFault {
  return new WireFault(`${String(value)} is not ${wanted}`)
}
