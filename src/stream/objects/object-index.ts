/**
 * The index block of an object: one row per data block, in the order of the blocks, which is by stream, then offset.
 * Layout, big-endian (docs/formats/objects.md):
 *
 *     0  magic  u32  "LHI" and the version, 1
 *     4  crc    u32  CRC-32C of bytes [8, end of index)
 *     8  count  u32  rows
 *    12  rows        each 48 bytes: streamId i64, firstOffset i64, lastOffset i64, position i64, bytes u32,
 *                    entries u32, maxTimestamp i64
 *
 * Pure: no I/O in here.
 */
import { crc32c } from '@node-rs/crc32'
import { Fault } from '../../runtime/fault.ts'
import { readInt64, writeInt64 } from '../../runtime/int64.ts'

const MAGIC = 0x4c484901
const INDEX_HEADER_BYTES = 12
const ROW_BYTES = 48

/** Where a data block lies and what it holds. */
export interface BlockRef {
  readonly streamId: number
  readonly firstOffset: number
  /** Inclusive. */
  readonly lastOffset: number
  /** Bytes from the beginning of the object. */
  readonly position: number
  readonly bytes: number
  readonly entries: number
  /** Milliseconds since the epoch; -1 when no entry carries one. */
  readonly maxTimestamp: number
}

export function encodeObjectIndex(blocks: readonly BlockRef[]): Buffer {
  const index = Buffer.alloc(INDEX_HEADER_BYTES + blocks.length * ROW_BYTES)
  index.writeUInt32BE(MAGIC, 0)
  index.writeUInt32BE(blocks.length, 8)
  let at = INDEX_HEADER_BYTES
  for (const block of blocks) {
    writeInt64(index, block.streamId, at)
    writeInt64(index, block.firstOffset, at + 8)
    writeInt64(index, block.lastOffset, at + 16)
    writeInt64(index, block.position, at + 24)
    index.writeUInt32BE(block.bytes, at + 32)
    index.writeUInt32BE(block.entries, at + 36)
    writeInt64(index, block.maxTimestamp, at + 40)
    at += ROW_BYTES
  }
  index.writeUInt32BE(crc32c(index.subarray(8)), 4)
  return index
}

/** @param place where the index comes from, for the Fault `corrupt` that any damage is. */
export function decodeObjectIndex(index: Buffer, place: string): BlockRef[] {
  if (index.length < INDEX_HEADER_BYTES) throw damaged(place, `has only ${index.length} bytes`)
  if (index.readUInt32BE(0) !== MAGIC) throw damaged(place, 'does not begin with "LHI" and version 1')
  if (index.readUInt32BE(4) !== crc32c(index.subarray(8))) throw damaged(place, 'contradicts its checksum')
  const count = index.readUInt32BE(8)
  if (index.length !== INDEX_HEADER_BYTES + count * ROW_BYTES) throw damaged(place, `does not have its ${count} rows`)
  return Array.from({ length: count }, (_, row) => {
    const at = INDEX_HEADER_BYTES + row * ROW_BYTES
    return {
      streamId: readInt64(index, at),
      firstOffset: readInt64(index, at + 8),
      lastOffset: readInt64(index, at + 16),
      position: readInt64(index, at + 24),
      bytes: index.readUInt32BE(at + 32),
      entries: index.readUInt32BE(at + 36),
      maxTimestamp: readInt64(index, at + 40)
    }
  })
}

/** The blocks of a stream that hold offsets at or after `fromOffset`, in offset order; may be none. */
export function findBlocks(blocks: readonly BlockRef[], streamId: number, fromOffset: number): readonly BlockRef[] {
  const first = firstWhere(blocks, (block) => block.streamId > streamId || reaches(block, streamId, fromOffset))
  const end = firstWhere(blocks, (block) => block.streamId > streamId)
  return blocks.slice(first, end)
}

function reaches(block: BlockRef, streamId: number, fromOffset: number): boolean {
  return block.streamId === streamId && block.lastOffset >= fromOffset
}

/** Binary search: `holds` is false for the blocks before the result, true from it on. */
function firstWhere(blocks: readonly BlockRef[], holds: (block: BlockRef) => boolean): number {
  let low = 0
  let high = blocks.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const block = blocks[middle]
    if (block !== undefined && holds(block)) high = middle
    else low = middle + 1
  }
  return low
}

function damaged(place: string, what: string): Fault {
  return new Fault('corrupt', `index of ${place} ${what}`)
}
