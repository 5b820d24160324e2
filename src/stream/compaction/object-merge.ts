/**
 * Stores a new object that holds what several objects hold now.
 *
 * Blocks do not say where they lie, so long runs of large blocks are copied by the store, byte for byte; others are read,
 * checked, and small ones gathered into larger blocks. Memory is bounded by one chunk per source, however large the result.
 */
import type { ObjectRange, StoredObject, UploadedObject } from '../../metadata/metadata.ts'
import type { Piece } from '../../object-store/object-store.ts'
import { assert, Fault } from '../../runtime/fault.ts'
import type { BlockRef } from '../objects/object-index.ts'
import { ObjectLayout } from '../objects/object-writer.ts'
import { BlockGatherer } from './block-gatherer.ts'
import { BlockSource } from './block-source.ts'
import type { PreparedObjects } from './prepared-objects.ts'
import type { SourceObject, SourceObjects, SourceParts } from './source-objects.ts'

const KiB = 1024
const MiB = 1024 * KiB

/** S3 copies parts from 5 MiB on, and some of them go to the part before. */
const COPY_BYTES_MIN = 8 * MiB
/** Smaller blocks are gathered into larger ones. */
const SMALL_BLOCK_BYTES = 128 * KiB
/** What all sources of an object hold in memory together, unless single blocks are larger. */
const CHUNKS_BYTES = 32 * MiB
const CHUNK_BYTES_MAX = 4 * MiB
const CHUNK_BYTES_MIN = 256 * KiB

export interface MergeParts extends SourceParts {
  readonly prepared: PreparedObjects
  readonly sources: SourceObjects
  /** Ends it, with Fault `closed`. */
  readonly signal: AbortSignal
}

type StoringParts = Pick<MergeParts, 'prepared' | 'stores' | 'signal'>

/** A range, and the blocks that go into the new object. */
interface Selection {
  readonly range: ObjectRange
  readonly source: SourceObject
  readonly blocks: readonly BlockRef[]
  readonly copied: boolean
}

/**
 * Prepares, composes and describes the object; the caller commits it.
 * @param ranges of objects of that profile, by stream, then offset; those of a stream are adjacent and become one.
 */
export async function storeMerged(
  parts: MergeParts,
  profile: string,
  ranges: readonly ObjectRange[]
): Promise<UploadedObject> {
  const selections: Selection[] = []
  for (const range of ranges) selections.push(await select(parts.sources, range))
  const layout = new ObjectLayout()
  for (const { range, source } of selections) {
    for (const note of source.index.notes(range.streamId, range.startOffset, range.endOffset)) layout.note(note)
  }
  const object = await storeObject(parts, profile, layout, pieces(parts, layout, selections))
  return { objectId: object.id, bytes: layout.bytes, ranges: joined(ranges, layout) }
}

/** Prepares an object and stores what `content` lays out, then index and footer. */
export async function storeObject(
  { prepared, stores, signal }: StoringParts,
  profile: string,
  layout: ObjectLayout,
  content: AsyncIterable<Piece>
): Promise<StoredObject> {
  const object = await prepared.prepare(profile)
  const all = finished(content, layout, signal)
  const { size } = await stores.store(profile).compose(object.key, all)
  assert(size === layout.bytes, `object ${object.id} was stored with ${size} bytes, laid out with ${layout.bytes}`)
  return object
}

/** The adjacent ranges of each stream as one, with what the new object holds of them. */
export function joined(ranges: readonly ObjectRange[], layout: ObjectLayout): UploadedObject['ranges'] {
  const spans = new Map<number, { startOffset: number; endOffset: number }>()
  for (const { streamId, startOffset, endOffset } of ranges) {
    const span = spans.get(streamId)
    assert(span === undefined || span.endOffset === startOffset, `ranges of stream ${streamId} are not adjacent`)
    spans.set(streamId, { startOffset: span?.startOffset ?? startOffset, endOffset })
  }
  return [...spans].map(([streamId, span]) => ({ streamId, ...span, ...layout.contentOf(streamId) }))
}

async function* finished(
  content: AsyncIterable<Piece>,
  layout: ObjectLayout,
  signal: AbortSignal
): AsyncGenerator<Piece> {
  for await (const piece of content) {
    if (signal.aborted) throw new Fault('closed', 'compaction was stopped')
    yield piece
  }
  yield { parts: layout.finish() }
}

async function select(sources: SourceObjects, range: ObjectRange): Promise<Selection> {
  const source = await sources.open(range.objectId)
  const blocks = await sources.blocks(range)
  let bytes = 0
  for (const block of blocks) bytes += block.bytes
  const copied = bytes >= COPY_BYTES_MIN && bytes >= blocks.length * SMALL_BLOCK_BYTES
  return { range, source, blocks, copied }
}

async function* pieces(
  { budget, sources }: MergeParts,
  layout: ObjectLayout,
  selections: readonly Selection[]
): AsyncGenerator<Piece> {
  const readers = blockSources(budget, selections)
  const gatherer = new BlockGatherer(layout)
  for (const { range, source, blocks, copied } of selections) {
    const reader = readers.get(range.objectId)
    if (copied || reader === undefined) {
      yield { parts: gatherer.flush() }
      yield copyOf(source, blocks)
      for (const block of blocks) layout.take(block)
      continue
    }
    for (const block of blocks) {
      const { bytes, entries } = await sources.reading(range.objectId, () => reader.load(block))
      if (block.bytes >= SMALL_BLOCK_BYTES) {
        yield { parts: gatherer.flush() }
        layout.take(block)
        yield { parts: [bytes] }
        continue
      }
      for (const entry of entries) {
        const full = gatherer.add(range.streamId, entry)
        if (full.length > 0) yield { parts: full }
      }
    }
  }
  yield { parts: gatherer.flush() }
}

/** Blocks of a range follow each other in its object; those that are dropped lie before them. */
function copyOf({ stored }: SourceObject, blocks: readonly BlockRef[]): Piece {
  const [first, last] = [blocks[0], blocks.at(-1)]
  assert(first !== undefined && last !== undefined, 'nothing to copy')
  return { key: stored.key, range: { start: first.position, end: last.position + last.bytes } }
}

/** By object, a reader of the blocks that are not copied: the new object's order is that of each source, too. */
function blockSources(budget: MergeParts['budget'], selections: readonly Selection[]): Map<number, BlockSource> {
  const wanted = new Map<SourceObject, BlockRef[]>()
  for (const { source, blocks, copied } of selections) {
    if (copied) continue
    const known = wanted.get(source)
    if (known === undefined) wanted.set(source, [...blocks])
    else for (const block of blocks) known.push(block)
  }
  const share = Math.floor(CHUNKS_BYTES / Math.max(1, wanted.size))
  const chunkBytes = Math.max(CHUNK_BYTES_MIN, Math.min(CHUNK_BYTES_MAX, share))
  return new Map(
    [...wanted].map(([{ stored, reader }, blocks]) => [stored.id, new BlockSource(reader, budget, blocks, chunkBytes)])
  )
}
