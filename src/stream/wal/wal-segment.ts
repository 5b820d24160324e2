/**
 * A segment: one file of the write-ahead log. Its first page (4096 bytes) says which part of the log it holds; entries
 * follow without gaps. Layout of the page, big-endian (docs/formats/wal.md); everything else in it is zero:
 *
 *       0  header: magic u32 "LHS" and the version 1, sequence u32, salt u32, base i64, crc u32 of bytes [0, 20)
 *     512  freed mark: magic u32 "LHF" and 1, sequence u32, end i64, crc u32 of the 16 bytes before
 *    1024  closed mark: magic u32 "LHC" and 1, sequence u32, end i64, crc u32 of the 16 bytes before
 *
 * A mark counts for the segment with its sequence. Each part lies in a disk sector of its own, so that a torn write of
 * one never harms another. Pure: no I/O in here.
 */
import { crc32c } from '@node-rs/crc32'
import { readInt64, writeInt64 } from '../../runtime/int64.ts'
import type { WalPosition } from './wal.ts'

/** Where entries begin: after the first page. */
export const SEGMENT_PAGE_BYTES = 4096
export const FREED_MARK_AT = 512
export const CLOSED_MARK_AT = 1024
const HEADER_BYTES = 24
const MARK_BYTES = 20
const HEADER_MAGIC = 0x4c485301
const FREED_MAGIC = 0x4c484601
const CLOSED_MAGIC = 0x4c484301

export interface SegmentHeader {
  /** Segments are numbered from 1 in the order of the log. */
  readonly sequence: number
  /** Random, so that entries of an earlier use of the same file or number are never taken for this segment's. */
  readonly salt: number
  /** Position of the first entry: where the segment before ends. */
  readonly base: WalPosition
}

/** Says that segment `sequence` ends at `end`: because it was trimmed away (freed) or the log was closed. */
export interface SegmentMark {
  readonly sequence: number
  readonly end: WalPosition
}

export interface SegmentPage {
  readonly header: SegmentHeader | undefined
  readonly freed: SegmentMark | undefined
  readonly closed: SegmentMark | undefined
}

/** The first page of a segment that begins. The freed mark is kept: it tells stale entries if this write is torn. */
export function encodeSegmentPage(header: SegmentHeader, freed: SegmentMark | undefined): Buffer {
  const page = Buffer.alloc(SEGMENT_PAGE_BYTES)
  page.writeUInt32BE(HEADER_MAGIC, 0)
  page.writeUInt32BE(header.sequence, 4)
  page.writeUInt32BE(header.salt, 8)
  writeInt64(page, header.base, 12)
  page.writeUInt32BE(crc32c(page.subarray(0, HEADER_BYTES - 4)), HEADER_BYTES - 4)
  if (freed !== undefined) encodeFreedMark(freed).copy(page, FREED_MARK_AT)
  return page
}

export function encodeFreedMark(mark: SegmentMark): Buffer {
  return encodeMark(FREED_MAGIC, mark)
}

export function encodeClosedMark(mark: SegmentMark): Buffer {
  return encodeMark(CLOSED_MAGIC, mark)
}

/** Parts that are missing or not intact are undefined; `page` may be shorter than a page. */
export function decodeSegmentPage(page: Buffer): SegmentPage {
  return {
    header: decodeHeader(page),
    freed: decodeMark(page, FREED_MARK_AT, FREED_MAGIC),
    closed: decodeMark(page, CLOSED_MARK_AT, CLOSED_MAGIC)
  }
}

function decodeHeader(page: Buffer): SegmentHeader | undefined {
  if (page.length < HEADER_BYTES || page.readUInt32BE(0) !== HEADER_MAGIC) return undefined
  if (crc32c(page.subarray(0, HEADER_BYTES - 4)) !== page.readUInt32BE(HEADER_BYTES - 4)) return undefined
  return { sequence: page.readUInt32BE(4), salt: page.readUInt32BE(8), base: readInt64(page, 12) }
}

function encodeMark(magic: number, mark: SegmentMark): Buffer {
  const bytes = Buffer.alloc(MARK_BYTES)
  bytes.writeUInt32BE(magic, 0)
  bytes.writeUInt32BE(mark.sequence, 4)
  writeInt64(bytes, mark.end, 8)
  bytes.writeUInt32BE(crc32c(bytes.subarray(0, MARK_BYTES - 4)), MARK_BYTES - 4)
  return bytes
}

function decodeMark(page: Buffer, at: number, magic: number): SegmentMark | undefined {
  if (page.length < at + MARK_BYTES) return undefined
  const bytes = page.subarray(at, at + MARK_BYTES)
  if (bytes.readUInt32BE(0) !== magic) return undefined
  if (crc32c(bytes.subarray(0, MARK_BYTES - 4)) !== bytes.readUInt32BE(MARK_BYTES - 4)) return undefined
  return { sequence: bytes.readUInt32BE(4), end: readInt64(bytes, 8) }
}
