/**
 * Lays entries out as an object: data blocks, index, footer. One format serves stream objects (one stream) and
 * stream-set objects (several). Pure; whoever calls it stores the parts.
 *
 * Invariant: blocks are sorted by stream, then offset, and a block holds entries of one stream only.
 */
import { assert } from '../../runtime/fault.ts'
import type { Entry } from '../entry.ts'
import { dataBlockBytes, encodeDataBlock, payloadBytesOf, storedBytes } from './data-block.ts'
import { encodeObjectFooter } from './object-footer.ts'
import { type BlockRef, encodeObjectIndex, type Note } from './object-index.ts'

/** A block is closed before it would pass this. An entry that is larger gets a block of its own. */
export const BLOCK_BYTES_TARGET = 512 * 1024

export interface StreamEntries {
  readonly streamId: number
  /** In offset order, not overlapping. */
  readonly entries: readonly Entry[]
  /** What the stream's owner wants kept beside them. */
  readonly note?: Buffer | undefined
}

/** What an object holds of one stream: offsets [startOffset, endOffset). */
export interface BuiltRange {
  readonly streamId: number
  readonly startOffset: number
  readonly endOffset: number
  /** Payload bytes. */
  readonly bytes: number
  /** Milliseconds since the epoch; -1 when no entry carries one. */
  readonly maxTimestamp: number
}

export interface BuiltObject {
  /** The object is their concatenation. Payloads are those of the entries, not copied: they must not change. */
  readonly parts: Buffer[]
  /** Size of the object. */
  readonly bytes: number
  /** One per stream that has entries, by stream id. */
  readonly ranges: BuiltRange[]
}

/** Streams in any order, each once; those without entries are left out. */
export function buildObject(
  streams: readonly StreamEntries[],
  blockBytesTarget: number = BLOCK_BYTES_TARGET
): BuiltObject {
  const layout = new ObjectLayout()
  const parts: Buffer[] = []
  const ranges: BuiltRange[] = []
  for (const { streamId, entries, note } of sorted(streams)) {
    for (const group of groupIntoBlocks(entries, blockBytesTarget)) {
      for (const part of layout.encode(streamId, group)) parts.push(part)
    }
    const range = describeRange(streamId, entries)
    if (note !== undefined) layout.note({ streamId, offset: range.startOffset, bytes: note })
    ranges.push(range)
  }
  parts.push(...layout.finish())
  return { parts, bytes: layout.bytes, ranges }
}

export interface StreamContent {
  /** Payload bytes. */
  readonly bytes: number
  /** Milliseconds since the epoch; -1 when no entry carries one. */
  readonly maxTimestamp: number
}

/**
 * An object as it grows, block after block: it knows where the next one lies, and what index and footer must say. Blocks
 * do not say where they lie, so one that another object holds may be taken over byte by byte.
 */
export class ObjectLayout {
  readonly #blocks: BlockRef[] = []
  readonly #notes: Note[] = []
  readonly #contents = new Map<number, StreamContent>()
  #bytes = 0

  /** Size of the object so far. */
  get bytes(): number {
    return this.#bytes
  }

  /** What was laid out of a stream so far. */
  contentOf(streamId: number): StreamContent {
    return this.#contents.get(streamId) ?? { bytes: 0, maxTimestamp: -1 }
  }

  /** Encodes the next block: its bytes follow what was laid out before. */
  encode(streamId: number, entries: readonly Entry[]): Buffer[] {
    this.#append(describeBlock(streamId, entries, this.#bytes))
    return encodeDataBlock(streamId, entries)
  }

  /** The next block is the given one of another object: its bytes follow what was laid out before. */
  take(block: BlockRef): void {
    this.#append({ ...block, position: this.#bytes })
  }

  /** Keeps a note beside the blocks; like them, by stream, then offset. */
  note(note: Note): void {
    const last = this.#notes.at(-1)
    const rises =
      last === undefined ||
      note.streamId > last.streamId ||
      (note.streamId === last.streamId && note.offset > last.offset)
    assert(rises, `note at offset ${note.offset} of stream ${note.streamId} comes too late`)
    this.#notes.push(note)
  }

  /** Index and footer: the object's last bytes. */
  finish(): [index: Buffer, footer: Buffer] {
    const index = encodeObjectIndex(this.#blocks, this.#notes)
    const footer = encodeObjectFooter({ indexPosition: this.#bytes, indexBytes: index.length })
    this.#bytes += index.length + footer.length
    return [index, footer]
  }

  #append(block: BlockRef): void {
    const last = this.#blocks.at(-1)
    const rises =
      last === undefined ||
      block.streamId > last.streamId ||
      (block.streamId === last.streamId && block.firstOffset > last.lastOffset)
    assert(rises, `block at offset ${block.firstOffset} of stream ${block.streamId} comes too late`)
    this.#blocks.push(block)
    this.#bytes += block.bytes
    const { bytes, maxTimestamp } = this.contentOf(block.streamId)
    this.#contents.set(block.streamId, {
      bytes: bytes + payloadBytesOf(block),
      maxTimestamp: Math.max(maxTimestamp, block.maxTimestamp)
    })
  }
}

function sorted(streams: readonly StreamEntries[]): StreamEntries[] {
  const inOrder = streams.filter((stream) => stream.entries.length > 0).sort((a, b) => a.streamId - b.streamId)
  for (let i = 1; i < inOrder.length; i++) {
    assert(inOrder[i - 1]?.streamId !== inOrder[i]?.streamId, `stream ${inOrder[i]?.streamId} is given twice`)
  }
  return inOrder
}

function groupIntoBlocks(entries: readonly Entry[], bytesTarget: number): Entry[][] {
  const groups: Entry[][] = []
  let group: Entry[] = []
  let bytes = 0
  let previousOffset = -1
  for (const entry of entries) {
    assert(entry.baseOffset > previousOffset && entry.lastOffset >= entry.baseOffset, 'entries are not in offset order')
    previousOffset = entry.lastOffset
    if (group.length > 0 && bytes + storedBytes(entry) > bytesTarget) {
      groups.push(group)
      group = []
      bytes = 0
    }
    group.push(entry)
    bytes += storedBytes(entry)
  }
  groups.push(group)
  return groups
}

function describeBlock(streamId: number, entries: readonly Entry[], position: number): BlockRef {
  const { startOffset, endOffset, maxTimestamp } = describeRange(streamId, entries)
  return {
    streamId,
    firstOffset: startOffset,
    lastOffset: endOffset - 1,
    position,
    bytes: dataBlockBytes(entries),
    entries: entries.length,
    maxTimestamp
  }
}

function describeRange(streamId: number, entries: readonly Entry[]): BuiltRange {
  const first = entries[0]
  const last = entries[entries.length - 1]
  assert(first !== undefined && last !== undefined, 'a range without entries')
  let bytes = 0
  let maxTimestamp = -1
  for (const entry of entries) {
    bytes += entry.payload.length
    if (entry.maxTimestamp > maxTimestamp) maxTimestamp = entry.maxTimestamp
  }
  return { streamId, startOffset: first.baseOffset, endOffset: last.lastOffset + 1, bytes, maxTimestamp }
}
