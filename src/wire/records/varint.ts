/**
 * The variable-length integers inside records: zigzag, then seven bits a byte, lowest first, the high bit set on all
 * but the last byte. Lengths, counts and offset deltas have 32 bits, timestamp deltas 64; numbers here are safe
 * integers, and anything beyond is refused.
 *
 * Source: https://kafka.apache.org/documentation/#record (the encoding of Protocol Buffers' sint32 and sint64).
 */
import { assert, Fault } from '../../runtime/fault.ts'

const VARINT_BYTES_MAX = 5
const VARLONG_BYTES_MAX = 10
/** Twice it must be a safe integer. */
const ZIGZAG_MAX = 2 ** 52

/** Reads forward through bytes; every read is bounded. All methods throw Fault `corrupt`, and nothing else. */
export class VarintReader {
  readonly bytes: Buffer
  position: number

  constructor(bytes: Buffer, position: number) {
    this.bytes = bytes
    this.position = position
  }

  byte(): number {
    const byte = this.bytes[this.position]
    if (byte === undefined) throw new Fault('corrupt', `Records end at byte ${this.position} in the middle of a record`)
    this.position += 1
    return byte
  }

  /** A signed 32-bit number. */
  varint(): number {
    let byte = this.byte()
    let raw = byte & 0x7f
    for (let read = 1; byte > 0x7f; read++) {
      if (read === VARINT_BYTES_MAX) throw new Fault('corrupt', `The varint before byte ${this.position} has no end`)
      byte = this.byte()
      raw |= (byte & 0x7f) << (7 * read)
    }
    return (raw >>> 1) ^ -(raw & 1)
  }

  /** A signed 64-bit number; Fault `corrupt` beyond ±(2⁵³ − 1). */
  varlong(): number {
    let byte = this.byte()
    // Four bytes fit an ordinary number; only the rare longer ones pay for a big integer.
    let raw = byte & 0x7f
    for (let read = 1; byte > 0x7f; read++) {
      if (read === 4) return this.#longVarlong(raw)
      byte = this.byte()
      raw |= (byte & 0x7f) << (7 * read)
    }
    return (raw >>> 1) ^ -(raw & 1)
  }

  /** Reads on after four bytes, of which `low` is the value so far. */
  #longVarlong(low: number): number {
    let raw = BigInt(low)
    for (let read = 4; read < VARLONG_BYTES_MAX; read++) {
      const byte = this.byte()
      raw |= BigInt(byte & 0x7f) << BigInt(7 * read)
      if (byte <= 0x7f) return safe(BigInt.asUintN(64, raw), this.position)
    }
    throw new Fault('corrupt', `The varlong before byte ${this.position} has no end`)
  }

  /** The next `length` bytes as a slice. */
  slice(length: number): Buffer {
    const start = this.position
    this.skip(length)
    return this.bytes.subarray(start, this.position)
  }

  skip(length: number): void {
    if (length < 0 || length > this.bytes.length - this.position) {
      throw new Fault('corrupt', `A field of ${length} bytes at byte ${this.position} does not fit its record`)
    }
    this.position += length
  }
}

function safe(raw: bigint, position: number): number {
  const value = Number((raw >> 1n) ^ -(raw & 1n))
  if (!Number.isSafeInteger(value)) throw new Fault('corrupt', `The varlong before byte ${position} is beyond 2^53`)
  return value
}

/** Bytes that `value`, a whole number within ±2⁵², takes. */
export function varintSize(value: number): number {
  let rest = zigzag(value)
  let size = 1
  while (rest >= 0x80) {
    rest = Math.floor(rest / 0x80)
    size += 1
  }
  return size
}

/** Writes `value`, a whole number within ±2⁵², and returns the position after it. One encoding serves 32 and 64 bits. */
export function writeVarint(buffer: Buffer, position: number, value: number): number {
  let rest = zigzag(value)
  let at = position
  while (rest >= 0x80) {
    buffer[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  buffer[at++] = rest
  return at
}

function zigzag(value: number): number {
  assert(Math.abs(value) <= ZIGZAG_MAX, `${value} is too large for a varint`)
  return value < 0 ? -2 * value - 1 : 2 * value
}
