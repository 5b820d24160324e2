/**
 * The footer: the last 20 bytes of an object, from which everything else is found.
 * Layout, big-endian (docs/formats/objects.md):
 *
 *     0  indexPosition  i64  bytes from the beginning of the object; the index ends where the footer begins
 *     8  indexBytes     u32
 *    12  crc            u32  CRC-32C of bytes [0, 12)
 *    16  magic          u32  "LHO" and the version of the object format, 1
 *
 * Pure: no I/O in here.
 */
import { crc32c } from '@node-rs/crc32'
import { Fault } from '../../runtime/fault.ts'
import { readInt64, writeInt64 } from '../../runtime/int64.ts'

const MAGIC = 0x4c484f01
export const FOOTER_BYTES = 20

export interface ObjectFooter {
  readonly indexPosition: number
  readonly indexBytes: number
}

export function encodeObjectFooter(footer: ObjectFooter): Buffer {
  const bytes = Buffer.alloc(FOOTER_BYTES)
  writeInt64(bytes, footer.indexPosition, 0)
  bytes.writeUInt32BE(footer.indexBytes, 8)
  bytes.writeUInt32BE(crc32c(bytes.subarray(0, 12)), 12)
  bytes.writeUInt32BE(MAGIC, 16)
  return bytes
}

/**
 * @param tail the end of the object, at least `FOOTER_BYTES` of it.
 * @param objectBytes size of the whole object: what the footer says must fit into it.
 * @param place the object, for the Fault `corrupt` that any damage is.
 */
export function decodeObjectFooter(tail: Buffer, objectBytes: number, place: string): ObjectFooter {
  if (tail.length < FOOTER_BYTES) throw damaged(place, `is missing: there are only ${tail.length} bytes`)
  const bytes = tail.subarray(tail.length - FOOTER_BYTES)
  if (bytes.readUInt32BE(16) !== MAGIC) throw damaged(place, 'does not end with "LHO" and version 1')
  if (bytes.readUInt32BE(12) !== crc32c(bytes.subarray(0, 12))) throw damaged(place, 'contradicts its checksum')
  const footer = { indexPosition: readInt64(bytes, 0), indexBytes: bytes.readUInt32BE(8) }
  if (footer.indexPosition < 0 || footer.indexPosition + footer.indexBytes + FOOTER_BYTES !== objectBytes) {
    throw damaged(place, `does not fit an object of ${objectBytes} bytes`)
  }
  return footer
}

function damaged(place: string, what: string): Fault {
  return new Fault('corrupt', `footer of ${place} ${what}`)
}
