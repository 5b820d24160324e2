/**
 * Lays entries out as an object: data blocks, index, footer. One format serves stream objects (one stream) and
 * stream-set objects (several). Pure; whoever calls it stores the parts.
 *
 * Invariant: blocks are sorted by stream, then offset, and a block holds entries of one stream only.
 */
import { assert } from '../../runtime/fault.ts'
import type { Entry } from '../entry.ts'
import { dataBlockBytes, encodeDataBlock, storedBytes } from './data-block.ts'
import { encodeObjectFooter } from './object-footer.ts'
import { type BlockRef, encodeObjectIndex } from './object-index.ts'

/** A block is closed before it would pass this. An entry that is larger gets a block of its own. */
const BLOCK_BYTES_TARGET = 512 * 1024

export interface StreamEntries {
  readonly streamId: number
  /** In offset order, not overlapping. */
  readonly entries: readonly Entry[]
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
  const parts: Buffer[] = []
  const blocks: BlockRef[] = []
  const ranges: BuiltRange[] = []
  let position = 0
  for (const { streamId, entries } of sorted(streams)) {
    for (const group of groupIntoBlocks(entries, blockBytesTarget)) {
      const block = describeBlock(streamId, group, position)
      for (const part of encodeDataBlock(streamId, group)) parts.push(part)
      blocks.push(block)
      position += block.bytes
    }
    ranges.push(describeRange(streamId, entries))
  }
  const index = encodeObjectIndex(blocks)
  const footer = encodeObjectFooter({ indexPosition: position, indexBytes: index.length })
  parts.push(index, footer)
  return { parts, bytes: position + index.length + footer.length, ranges }
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
