/**
 * Replaces what objects hold of one stream by something smaller: the engine's half of compaction by key.
 *
 * Every step is one commit, over whole ranges of the metadata, until about `STEP_BYTES` are written. Readers see the
 * stream before or after it. Memory is bounded by one block and one chunk, not by the step.
 */
import type { Metadata, ObjectRange, UploadedObject } from '../../metadata/metadata.ts'
import type { Piece } from '../../object-store/object-store.ts'
import type { ObjectStores } from '../../object-store/object-stores.ts'
import type { Clock } from '../../runtime/clock.ts'
import { assert, Fault, isFault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import type { Entry } from '../entry.ts'
import { firstIndexWhere } from '../objects/binary-search.ts'
import { ObjectLayout } from '../objects/object-writer.ts'
import type { TransferBudget } from '../read/transfer-budget.ts'
import { BlockGatherer } from './block-gatherer.ts'
import { BlockSource } from './block-source.ts'
import { commitForCertain } from './compaction-commit.ts'
import type { CompactionTurn } from './compaction-turn.ts'
import { joined, storeObject } from './object-merge.ts'
import { PreparedObjects } from './prepared-objects.ts'
import { SourceObjects } from './source-objects.ts'
import type { Rewrite, StreamRewriting } from './stream-rewriting.ts'

const MiB = 1024 * 1024
/** An object is closed after the range with which it reaches this. */
const STEP_BYTES = 64 * MiB
/** A step that hardly writes anything ends after reading this: the longer it takes, the likelier is a conflict. */
const STEP_READ_BYTES_MAX = 1024 * MiB
const CHUNK_BYTES = 4 * MiB

export interface StreamRewriterParts {
  readonly clock: Clock
  readonly log: Log
  readonly metadata: Metadata
  readonly stores: ObjectStores
  readonly budget: TransferBudget
  /** Shared with the compactor of this node. */
  readonly turn: CompactionTurn
  /** Bytes after which an object is closed; smaller for tests. */
  readonly stepBytes?: number
}

export class StreamRewriter implements StreamRewriting {
  readonly #parts: StreamRewriterParts
  readonly #stopping = new AbortController()

  constructor(parts: StreamRewriterParts) {
    this.#parts = parts
  }

  /** Entries with an offset in [fromOffset, toOffset); a batch is a block's. Faults as `rewrite`. */
  async *scan(streamId: number, fromOffset: number, toOffset: number): AsyncGenerator<readonly Entry[]> {
    const { metadata, stores, budget } = this.#parts
    for (let next = fromOffset; next < toOffset; ) {
      // Looked up anew each time: another compaction may have moved the rest meanwhile.
      const range = this.#rangesFrom(streamId, next)[0]
      if (range === undefined || range.startOffset >= toOffset) return
      const sources = new SourceObjects({ image: metadata.image, stores, budget })
      try {
        for await (const entries of loadEntries(sources, budget, range)) {
          const wanted = entries.filter((e) => e.lastOffset >= next && e.baseOffset < toOffset)
          if (wanted.length > 0) yield wanted
          next = Math.max(next, (entries.at(-1)?.lastOffset ?? -1) + 1)
        }
      } catch (error) {
        // Compacted away, and swept since: the metadata says where it is now.
        if (isFault(error, 'missing') && metadata.image.object(range.objectId) === undefined) continue
        throw error
      }
      next = Math.max(next, range.endOffset)
    }
  }

  /**
   * Faults `unavailable`, `corrupt` and `closed` leave it half done, legally: `keep` has been asked about entries that are
   * not replaced yet, so begin again with another state. The commit alone is repeated until it is known.
   */
  async rewrite(rewrite: Rewrite): Promise<boolean> {
    const { streamId, toOffset, fromOffset, cleanedTo } = rewrite
    const isThere = (): boolean => this.#parts.metadata.image.stream(streamId) !== undefined
    try {
      for (let next: number | undefined = fromOffset; next !== undefined; ) {
        const from: number = next
        next = await this.#parts.turn.run(() => this.#step({ ...rewrite, fromOffset: from }, toOffset))
      }
    } catch (error) {
      if (isFault(error, 'conflict') || isFault(error, 'missing')) {
        this.#parts.log.info({ streamId, cleanedTo, error: error.message }, 'the stream changed while it was rewritten')
        return false
      }
      throw error
    }
    return isThere()
  }

  /** Ends what is under way with Fault `closed`, and waits until it has come to rest. */
  async close(): Promise<void> {
    this.#stopping.abort()
    await this.#parts.turn.run(async () => undefined)
  }

  /** Rewrites some ranges; returns where to go on, undefined when all is done. */
  async #step(rewrite: Rewrite, toOffset: number): Promise<number | undefined> {
    const prepared = new PreparedObjects(this.#parts)
    try {
      return await this.#replace(rewrite, toOffset, prepared)
    } finally {
      prepared.release()
    }
  }

  async #replace(rewrite: Rewrite, toOffset: number, prepared: PreparedObjects): Promise<number | undefined> {
    const { metadata, stores, budget } = this.#parts
    const signals = [this.#stopping.signal, rewrite.signal].filter((each) => each !== undefined)
    const signal = AbortSignal.any(signals)
    if (signal.aborted) throw new Fault('closed', 'rewriting was stopped')
    const ranges = this.#rangesFrom(rewrite.streamId, rewrite.fromOffset).filter((r) => r.startOffset < toOffset)
    const objects: UploadedObject[] = []
    const removed: ObjectRange[] = []
    if (ranges[0] !== undefined) {
      const sources = new SourceObjects({ image: metadata.image, stores, budget })
      const { profile } = (await sources.open(ranges[0].objectId)).stored
      const layout = new ObjectLayout()
      const content = this.#content(rewrite, ranges, { sources, layout, removed, profile })
      const { id } = await storeObject({ prepared, stores, signal }, profile, layout, content)
      objects.push({ objectId: id, bytes: layout.bytes, ranges: joined(removed, layout) })
    }
    const last = removed.at(-1)
    const isLast = last === undefined || last === ranges.at(-1)
    const cleanedTo = isLast ? { cleanedTo: new Map([[rewrite.streamId, rewrite.cleanedTo]]) } : {}
    await commitForCertain({ ...this.#parts, signal }, { objects, removed, ...cleanedTo })
    return isLast ? undefined : last.endOffset
  }

  /** The step's blocks; `removed` has, in the end, the ranges whose entries they are. */
  async *#content(
    rewrite: Rewrite,
    ranges: readonly ObjectRange[],
    step: {
      readonly sources: SourceObjects
      readonly layout: ObjectLayout
      readonly removed: ObjectRange[]
      readonly profile: string
    }
  ): AsyncGenerator<Piece> {
    const { sources, layout, removed, profile } = step
    const { stepBytes = STEP_BYTES, budget } = this.#parts
    const { streamId, fromOffset, toOffset } = rewrite
    const gatherer = new BlockGatherer(layout)
    let readBytes = 0
    for (const range of ranges) {
      const written = layout.bytes + gatherer.bytes
      if (removed.length > 0 && (written >= stepBytes || readBytes >= STEP_READ_BYTES_MAX)) break
      if ((await sources.open(range.objectId)).stored.profile !== profile) break
      removed.push(range)
      readBytes += range.bytes
      for await (const entries of loadEntries(sources, budget, range)) {
        for (const entry of entries) {
          const isOffered = entry.baseOffset >= fromOffset && entry.lastOffset < toOffset
          const kept = isOffered ? await rewrite.keep(entry) : entry
          if (kept === undefined) continue
          const isWithin = kept.baseOffset >= entry.baseOffset && kept.lastOffset <= entry.lastOffset
          assert(
            isWithin,
            `[${kept.baseOffset}, ${kept.lastOffset}] cannot take the place of offset ${entry.baseOffset}`
          )
          const full = gatherer.add(streamId, kept)
          if (full.length > 0) yield { parts: full }
        }
      }
    }
    yield { parts: gatherer.flush() }
    for (const range of removed) await takeNotes(rewrite, range, sources, layout)
  }

  /** Committed ranges of the stream that end after `offset`. */
  #rangesFrom(streamId: number, offset: number): readonly ObjectRange[] {
    const ranges = this.#parts.metadata.image.ranges(streamId)
    return ranges.slice(firstIndexWhere(ranges.length, (at) => (ranges[at]?.endOffset ?? 0) > offset))
  }
}

/** The notes of a range whose entries have all been offered. */
async function takeNotes(
  { keepNote }: Rewrite,
  { objectId, streamId, startOffset, endOffset }: ObjectRange,
  sources: SourceObjects,
  layout: ObjectLayout
): Promise<void> {
  const { index } = await sources.open(objectId)
  for (const note of index.notes(streamId, startOffset, endOffset)) {
    const bytes = keepNote === undefined ? note.bytes : keepNote(note)
    if (bytes !== undefined) layout.note({ ...note, bytes })
  }
}

async function* loadEntries(
  sources: SourceObjects,
  budget: TransferBudget,
  range: ObjectRange
): AsyncGenerator<readonly Entry[]> {
  const { reader } = await sources.open(range.objectId)
  const blocks = await sources.blocks(range)
  const source = new BlockSource(reader, budget, blocks, CHUNK_BYTES)
  for (const block of blocks) yield (await sources.reading(range.objectId, () => source.load(block))).entries
}
