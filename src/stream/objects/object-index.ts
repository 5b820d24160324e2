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
import { firstIndexWhere } from './binary-search.ts'

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

/**
 * An index as it is stored: rows are decoded when they are asked for, because a large object has 100 000 of them and a
 * look-up needs few. Iterates over all of them in order.
 */
export class ObjectIndex implements Iterable<BlockRef> {
  readonly #bytes: Buffer

  /** @param bytes a checked index; stays referenced, must not change. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Number of rows. */
  get length(): number {
    return (this.#bytes.length - INDEX_HEADER_BYTES) / ROW_BYTES
  }

  /** Size of the encoded index: the memory that it takes. */
  get bytes(): number {
    return this.#bytes.length
  }

  /** @param row from 0, less than `length`. */
  row(row: number): BlockRef {
    const at = positionOf(row)
    return {
      streamId: readInt64(this.#bytes, at),
      firstOffset: readInt64(this.#bytes, at + 8),
      lastOffset: readInt64(this.#bytes, at + 16),
      position: readInt64(this.#bytes, at + 24),
      bytes: this.#bytes.readUInt32BE(at + 32),
      entries: this.#bytes.readUInt32BE(at + 36),
      maxTimestamp: readInt64(this.#bytes, at + 40)
    }
  }

  /** The blocks of a stream that hold offsets at or after `fromOffset`, in offset order; may be none. */
  *blocks(streamId: number, fromOffset: number): IterableIterator<BlockRef> {
    for (let row = this.#find(streamId, fromOffset); row < this.length; row++) {
      const block = this.row(row)
      if (block.streamId !== streamId) return
      yield block
    }
  }

  *[Symbol.iterator](): IterableIterator<BlockRef> {
    for (let row = 0; row < this.length; row++) yield this.row(row)
  }

  /** The row of the first block that `blocks` gives, or where it would stand. Logarithmic. */
  #find(streamId: number, fromOffset: number): number {
    return firstIndexWhere(this.length, (row) => {
      const at = positionOf(row)
      const stream = readInt64(this.#bytes, at)
      return stream > streamId || (stream === streamId && readInt64(this.#bytes, at + 16) >= fromOffset)
    })
  }
}

/** @param place where the index comes from, for the Fault `corrupt` that any damage is. */
export function decodeObjectIndex(index: Buffer, place: string): ObjectIndex {
  if (index.length < INDEX_HEADER_BYTES) throw damaged(place, `has only ${index.length} bytes`)
  if (index.readUInt32BE(0) !== MAGIC) throw damaged(place, 'does not begin with "LHI" and version 1')
  if (index.readUInt32BE(4) !== crc32c(index.subarray(8))) throw damaged(place, 'contradicts its checksum')
  const count = index.readUInt32BE(8)
  if (index.length !== positionOf(count)) throw damaged(place, `does not have its ${count} rows`)
  return new ObjectIndex(index)
}

function positionOf(row: number): number {
  return INDEX_HEADER_BYTES + row * ROW_BYTES
}

function damaged(place: string, what: string): Fault {
  return new Fault('corrupt', `index of ${place} ${what}`)
}
