/**
 * Walks the fields of a Protocol Buffers message: the wire format only, no schema. Whatever the bytes are, reading ends
 * within them or throws a Fault `corrupt`. Groups, which nobody writes any more, are refused.
 */
import { Fault } from '../../runtime/fault.ts'

export interface ProtobufField {
  readonly number: number
  /** Of a varint; 0 for other types. Rounded beyond the safe integers. */
  readonly varint: number
  /** Contents of a length-delimited field, or the bytes of a fixed one; empty for a varint. */
  readonly bytes: Buffer
}

const WIRE_TYPE = { varint: 0, fixed64: 1, delimited: 2, fixed32: 5 } as const
const EMPTY = Buffer.alloc(0)
const VARINT_BYTES_MAX = 10

export function* protobufFields(message: Buffer): Generator<ProtobufField> {
  const cursor = { position: 0 }
  while (cursor.position < message.length) {
    const key = readVarint(message, cursor)
    const number = Math.floor(key / 8)
    switch (key % 8) {
      case WIRE_TYPE.varint:
        yield { number, varint: readVarint(message, cursor), bytes: EMPTY }
        break
      case WIRE_TYPE.fixed64:
        yield { number, varint: 0, bytes: take(message, cursor, 8) }
        break
      case WIRE_TYPE.delimited:
        yield { number, varint: 0, bytes: take(message, cursor, readVarint(message, cursor)) }
        break
      case WIRE_TYPE.fixed32:
        yield { number, varint: 0, bytes: take(message, cursor, 4) }
        break
      default:
        throw new Fault('corrupt', `Wire type ${key % 8} at byte ${cursor.position} is not one of Protocol Buffers`)
    }
  }
}

function readVarint(message: Buffer, cursor: { position: number }): number {
  let value = 0
  for (let read = 0; read < VARINT_BYTES_MAX; read++) {
    const byte = message[cursor.position++]
    if (byte === undefined) throw overrun(message)
    value += (byte & 0x7f) * 2 ** (7 * read)
    if (byte < 0x80) return value
  }
  throw new Fault('corrupt', `The varint before byte ${cursor.position} does not end`)
}

function take(message: Buffer, cursor: { position: number }, length: number): Buffer {
  if (length > message.length - cursor.position) throw overrun(message)
  const bytes = message.subarray(cursor.position, cursor.position + length)
  cursor.position += length
  return bytes
}

function overrun(message: Buffer): Fault {
  return new Fault('corrupt', `A field overruns the ${message.length} bytes of its message`)
}
