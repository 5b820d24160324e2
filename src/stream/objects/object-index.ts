/**
 * The index block of an object: one row per data block, in the order of the blocks, which is by stream, then offset, and
 * the notes of the streams' owners, in the same order.
 * Layout, big-endian (docs/formats/objects.md):
 *
 *     0  magic  u32  "LHI" and the version: 1 without notes, 2 with some
 *     4  crc    u32  CRC-32C of bytes [8, end of index)
 *     8  count  u32  rows
 *    12  rows        each 48 bytes: streamId i64, firstOffset i64, lastOffset i64, position i64, bytes u32,
 *                    entries u32, maxTimestamp i64
 *        notes       version 2 only: count u32, then each streamId i64, offset i64, length u32 and its bytes
 *
 * Pure: no I/O in here.
 */
import { crc32c } from '@node-rs/crc32'
import { Fault } from '../../runtime/fault.ts'
import { readInt64, writeInt64 } from '../../runtime/int64.ts'
import { firstIndexWhere } from './binary-search.ts'

const MAGIC = 0x4c484901
const MAGIC_WITH_NOTES = 0x4c484902
const INDEX_HEADER_BYTES = 12
const ROW_BYTES = 48
const NOTE_HEADER_BYTES = 20

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

/**
 * What a stream's owner wants kept beside a part of the stream, for readers who do not look at its entries. The engine
 * takes it along wherever that part goes, and does not look into it.
 */
export interface Note {
  readonly streamId: number
  /** First offset of what was uploaded together with it. */
  readonly offset: number
  readonly bytes: Buffer
}

export function encodeObjectIndex(blocks: readonly BlockRef[], notes: readonly Note[] = []): Buffer {
  const index = Buffer.alloc(positionOf(blocks.length) + bytesOfNotes(notes))
  index.writeUInt32BE(notes.length === 0 ? MAGIC : MAGIC_WITH_NOTES, 0)
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
  if (notes.length > 0) writeNotes(index, notes, at)
  index.writeUInt32BE(crc32c(index.subarray(8)), 4)
  return index
}

function bytesOfNotes(notes: readonly Note[]): number {
  let bytes = notes.length === 0 ? 0 : 4
  for (const note of notes) bytes += NOTE_HEADER_BYTES + note.bytes.length
  return bytes
}

function writeNotes(index: Buffer, notes: readonly Note[], position: number): void {
  let at = index.writeUInt32BE(notes.length, position)
  for (const { streamId, offset, bytes } of notes) {
    writeInt64(index, streamId, at)
    writeInt64(index, offset, at + 8)
    at = index.writeUInt32BE(bytes.length, at + 16)
    at += bytes.copy(index, at)
  }
}

/**
 * An index as it is stored: rows are decoded when they are asked for, because a large object has 100 000 of them and a
 * look-up needs few. Iterates over all of them in order.
 */
export class ObjectIndex implements Iterable<BlockRef> {
  readonly #bytes: Buffer
  /** Number of rows. */
  readonly length: number
  /** By stream, then offset; slices of the index. */
  readonly #notes: readonly Note[]

  /** @param bytes a checked index; stays referenced, must not change. */
  constructor(bytes: Buffer, length: number, notes: readonly Note[]) {
    this.#bytes = bytes
    this.length = length
    this.#notes = notes
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

  /** Notes of a stream in [fromOffset, toOffset), in offset order. */
  notes(streamId: number, fromOffset: number, toOffset: number): readonly Note[] {
    // Most objects have none, none has many.
    if (this.#notes.length === 0) return this.#notes
    return this.#notes.filter((n) => n.streamId === streamId && n.offset >= fromOffset && n.offset < toOffset)
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
  const magic = index.readUInt32BE(0)
  if (magic !== MAGIC && magic !== MAGIC_WITH_NOTES) {
    throw damaged(place, 'does not begin with "LHI" and version 1 or 2')
  }
  if (index.readUInt32BE(4) !== crc32c(index.subarray(8))) throw damaged(place, 'contradicts its checksum')
  const count = index.readUInt32BE(8)
  const end = positionOf(count)
  const hasRows = magic === MAGIC ? index.length === end : index.length >= end + 4
  if (!hasRows) throw damaged(place, `does not have its ${count} rows`)
  return new ObjectIndex(index, count, magic === MAGIC ? NO_NOTES : readNotes(index, end, place))
}

const NO_NOTES: readonly Note[] = []

function readNotes(index: Buffer, position: number, place: string): Note[] {
  const notes: Note[] = []
  const count = index.readUInt32BE(position)
  let at = position + 4
  while (notes.length < count && at + NOTE_HEADER_BYTES <= index.length) {
    const [streamId, offset, length] = [readInt64(index, at), readInt64(index, at + 8), index.readUInt32BE(at + 16)]
    at += NOTE_HEADER_BYTES
    const last = notes.at(-1)
    const rises = last === undefined || streamId > last.streamId || (streamId === last.streamId && offset > last.offset)
    if (!rises) throw damaged(place, 'has notes that are not in order')
    notes.push({ streamId, offset, bytes: index.subarray(at, at + length) })
    at += length
  }
  if (notes.length !== count || at !== index.length) throw damaged(place, `does not have its ${count} notes`)
  return notes
}

function positionOf(row: number): number {
  return INDEX_HEADER_BYTES + row * ROW_BYTES
}

function damaged(place: string, what: string): Fault {
  return new Fault('corrupt', `index of ${place} ${what}`)
}
