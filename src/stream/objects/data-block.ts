/**
 * A data block: consecutive entries of one stream, about 512 KiB, the unit in which objects are read.
 * Layout, big-endian (docs/formats/objects.md):
 *
 *     0  magic     u32  "LHB" and the version, 1
 *     4  crc       u32  CRC-32C of bytes [8, end of block)
 *     8  streamId  i64
 *    16  count     u32  entries
 *    20  bytes     u32  size of the whole block
 *    24  entries        each: baseOffset i64, lastOffset i64, maxTimestamp i64, length u32, payload
 *
 * Pure: no I/O in here.
 */
import { crc32c } from '@node-rs/crc32'
import { Fault } from '../../runtime/fault.ts'
import { readInt64, writeInt64 } from '../../runtime/int64.ts'
import type { Entry } from '../entry.ts'

const MAGIC = 0x4c484201
const BLOCK_HEADER_BYTES = 24
const ENTRY_HEADER_BYTES = 28

/** Bytes of a block with these entries. */
export function dataBlockBytes(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + storedBytes(entry), BLOCK_HEADER_BYTES)
}

/** What `entry` adds to a block. */
export function storedBytes(entry: Entry): number {
  return ENTRY_HEADER_BYTES + entry.payload.length
}

/** Payload bytes of a block of `bytes` bytes with `entries` entries. */
export function payloadBytesOf(block: { readonly bytes: number; readonly entries: number }): number {
  return block.bytes - BLOCK_HEADER_BYTES - block.entries * ENTRY_HEADER_BYTES
}

/** The block as buffers: headers are new, payloads are those of the entries, not copied. */
export function encodeDataBlock(streamId: number, entries: readonly Entry[]): Buffer[] {
  const headers = Buffer.allocUnsafe(BLOCK_HEADER_BYTES + entries.length * ENTRY_HEADER_BYTES)
  headers.writeUInt32BE(MAGIC, 0)
  writeInt64(headers, streamId, 8)
  headers.writeUInt32BE(entries.length, 16)
  headers.writeUInt32BE(dataBlockBytes(entries), 20)
  const parts: Buffer[] = [headers.subarray(0, BLOCK_HEADER_BYTES)]
  let crc = crc32c(headers.subarray(8, BLOCK_HEADER_BYTES))
  let at = BLOCK_HEADER_BYTES
  for (const entry of entries) {
    writeInt64(headers, entry.baseOffset, at)
    writeInt64(headers, entry.lastOffset, at + 8)
    writeInt64(headers, entry.maxTimestamp, at + 16)
    headers.writeUInt32BE(entry.payload.length, at + 24)
    const header = headers.subarray(at, at + ENTRY_HEADER_BYTES)
    parts.push(header, entry.payload)
    crc = crc32c(entry.payload, crc32c(header, crc))
    at += ENTRY_HEADER_BYTES
  }
  headers.writeUInt32BE(crc, 4)
  return parts
}

/**
 * The entries of a block; payloads are slices of `block`.
 * @param place where the block comes from, for the Fault `corrupt` that any damage is.
 */
export function decodeDataBlock(block: Buffer, streamId: number, place: string): Entry[] {
  if (block.length < BLOCK_HEADER_BYTES) throw damaged(place, `has only ${block.length} bytes`)
  if (block.readUInt32BE(0) !== MAGIC) throw damaged(place, 'does not begin with "LHB" and version 1')
  if (block.readUInt32BE(20) !== block.length) throw damaged(place, `does not have its ${block.readUInt32BE(20)} bytes`)
  if (block.readUInt32BE(4) !== crc32c(block.subarray(8))) throw damaged(place, 'contradicts its checksum')
  if (readInt64(block, 8) !== streamId) throw damaged(place, `is of stream ${readInt64(block, 8)}, not ${streamId}`)
  const entries: Entry[] = []
  const count = block.readUInt32BE(16)
  let at = BLOCK_HEADER_BYTES
  for (let i = 0; i < count; i++) {
    const payloadAt = at + ENTRY_HEADER_BYTES
    const end = payloadAt <= block.length ? payloadAt + block.readUInt32BE(at + 24) : Number.POSITIVE_INFINITY
    if (end > block.length) throw damaged(place, `ends inside entry ${i} of ${count}`)
    entries.push({
      baseOffset: readInt64(block, at),
      lastOffset: readInt64(block, at + 8),
      maxTimestamp: readInt64(block, at + 16),
      payload: block.subarray(payloadAt, end)
    })
    at = end
  }
  if (at !== block.length) throw damaged(place, `has ${block.length - at} bytes after its ${count} entries`)
  return entries
}

function damaged(place: string, what: string): Fault {
  return new Fault('corrupt', `data block of ${place} ${what}`)
}
