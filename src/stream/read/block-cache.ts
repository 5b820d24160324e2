/**
 * Data blocks of objects. Adjacent blocks come with one GET; whoever needs a block that is here, or on its way, shares it.
 *
 * What was read leaves first, least recently used before all, because most of it was read in order and is not needed
 * again. What was read ahead and still waits for its reader has up to half of the cache, and leaves only when there is
 * nothing else, or when its reader does not seem to come any more.
 *
 * Invariant: `bytes` counts whatever keeps memory: GETs from their start, buffers until the last block in them has gone,
 * an allowance for the entries decoded from them. It exceeds its maximum only by what is in flight (which the transfer
 * budget bounds) and by what reads under way hold (which their callers bound).
 */
import { isFault } from '../../runtime/fault.ts'
import type { Entry } from '../entry.ts'
import type { BlockRef } from '../objects/object-index.ts'
import type { ObjectReader } from '../objects/object-reader.ts'
import type { OpenObject } from './index-cache.ts'
import type { ReadCounters } from './read-counters.ts'
import type { SequentialReader } from './sequential-reader.ts'
import type { TransferBudget } from './transfer-budget.ts'

/**
 * Adjacent blocks are fetched in pieces of at most this; a larger block has a GET of its own. Doubling it halves the GETs
 * of sequential reading, and doubles what an answer may keep in memory that waits to be sent with one entry of the piece.
 */
export const GET_BYTES_MAX = 4 * 1024 * 1024
/** What an entry takes beside its payload: the object and the Buffer that points to the payload. */
const ENTRY_OVERHEAD_BYTES = 200
/** The part of the cache that may hold what was read ahead and not used yet. */
const UNREAD_SHARE = 1 / 2
/** A reader does not come any more when this many times the size of the cache was fetched since. */
const STALE_AFTER = 2

/** The buffer of one GET, shared by the blocks in it. */
class Piece {
  /** Where it begins in the object. */
  readonly position: number
  readonly bytes: Promise<Buffer>
  /** Blocks of it that are in the cache. */
  blocks: number
  /** What it counts; 0 until the GET starts. */
  cost = 0
  loaded = false
  /** Makes a GET that waits for its turn a demand read. */
  promote: () => void = () => {}

  constructor(position: number, blocks: number, load: (piece: Piece) => Promise<Buffer>) {
    this.position = position
    this.blocks = blocks
    this.bytes = load(this)
  }
}

/** A block in the cache, or on its way into it. */
export interface CachedBlock {
  readonly key: string
  readonly objectId: number
  readonly reader: ObjectReader
  readonly ref: BlockRef
  readonly piece: Piece
  /** Reads under way that need it: it stays. */
  holds: number
  /** Who had it read ahead and did not come to read it yet. */
  unreadBy: SequentialReader | undefined
  /** What all GETs before it counted. */
  readonly age: number
  /** Decoded by the first who reads it. */
  entries: readonly Entry[] | undefined
}

export interface BlockCacheParts {
  readonly budget: TransferBudget
  readonly counters: ReadCounters
  readonly bytesMax: number
}

export class BlockCache {
  readonly #parts: BlockCacheParts
  readonly #blocks = new Map<string, CachedBlock>()
  /** Those that were read, or are about to be, in order of use, oldest first. */
  readonly #read = new Set<CachedBlock>()
  /** Those that were read ahead and wait for their reader, oldest first. */
  readonly #unread = new Set<CachedBlock>()
  #bytes = 0
  /** What all GETs so far counted. */
  #fetchedBytes = 0
  #unreadBytes = 0

  constructor(parts: BlockCacheParts) {
    this.#parts = parts
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Bytes that were asked for ahead and not read yet. */
  get unreadBytes(): number {
    return this.#unreadBytes
  }

  /** Bytes that may be read ahead now; what waits in vain makes room. */
  makeReadAheadRoom(): number {
    this.#evictStale()
    return this.#parts.bytesMax * UNREAD_SHARE - this.#unreadBytes
  }

  /** The blocks, held until each is released; those that are not here are asked for. `refs` rise in position. */
  hold(object: OpenObject, refs: readonly BlockRef[]): CachedBlock[] {
    const known = this.#known(object, refs)
    const missing = refs.filter((_, at) => known[at] === undefined)
    this.#parts.counters.blockMisses += missing.length
    this.#parts.counters.blockHits += refs.length - missing.length
    const held = known.filter((block) => block !== undefined)
    // Before anything is asked for, as that may push others out.
    for (const block of held) this.#use(block)
    for (const block of this.#fetch(object, missing, undefined)) {
      this.#use(block)
      held.push(block)
    }
    return held.sort((a, b) => a.ref.position - b.ref.position)
  }

  release(block: CachedBlock): void {
    block.holds--
    if (block.holds === 0) this.#evict()
  }

  /** Asks for those of the blocks that are not here, on behalf of `reader`. */
  readAhead(object: OpenObject, refs: readonly BlockRef[], reader: SequentialReader): void {
    const known = this.#known(object, refs)
    this.#fetch(
      object,
      refs.filter((_, at) => known[at] === undefined),
      reader
    )
  }

  /** The entries of a block that is held. Faults of the store, or `corrupt`; the block is then forgotten. */
  async read(block: CachedBlock): Promise<readonly Entry[]> {
    const { piece, ref, reader } = block
    if (!piece.loaded) piece.promote()
    const bytes = await piece.bytes
    if (block.entries !== undefined) return block.entries
    const start = ref.position - piece.position
    try {
      block.entries = reader.decodeBlock(ref, bytes.subarray(start, start + ref.bytes))
    } catch (error) {
      this.#remove(block)
      throw error
    }
    return block.entries
  }

  #known(object: OpenObject, refs: readonly BlockRef[]): (CachedBlock | undefined)[] {
    return refs.map((ref) => this.#blocks.get(keyOf(object.id, ref)))
  }

  #use(block: CachedBlock): void {
    block.holds++
    this.#read.delete(block)
    this.#read.add(block)
    if (block.unreadBy === undefined) return
    this.#unread.delete(block)
    block.unreadBy.used(block.ref.bytes)
    block.unreadBy = undefined
    this.#unreadBytes -= block.ref.bytes
    this.#parts.counters.readAheadUsedBytes += block.ref.bytes
  }

  #fetch(object: OpenObject, refs: readonly BlockRef[], reader: SequentialReader | undefined): CachedBlock[] {
    return adjacent(refs).flatMap((group) => {
      const piece = this.#get(object, group, reader === undefined ? 'demand' : 'read-ahead')
      const blocks = group.map((ref) => ({
        key: keyOf(object.id, ref),
        objectId: object.id,
        reader: object.reader,
        ref,
        piece,
        holds: 0,
        unreadBy: reader,
        age: this.#fetchedBytes,
        entries: undefined
      }))
      for (const block of blocks) {
        this.#blocks.set(block.key, block)
        if (reader === undefined) continue
        this.#unread.add(block)
        reader.ahead(block.ref.bytes)
        this.#unreadBytes += block.ref.bytes
      }
      this.#settle(piece, blocks)
      return blocks
    })
  }

  #get(object: OpenObject, group: readonly BlockRef[], kind: 'demand' | 'read-ahead'): Piece {
    const position = group[0]?.position ?? 0
    const bytes = sumOf(group, (ref) => ref.bytes)
    const load = (piece: Piece) =>
      this.#parts.budget.run(
        kind,
        bytes,
        () => {
          this.#parts.counters.moved(kind, bytes)
          this.#charge(piece, sumOf(group, costOf))
          return object.reader.loadRaw(position, bytes)
        },
        (promote) => {
          piece.promote = promote
        }
      )
    return new Piece(position, group.length, load)
  }

  #settle(piece: Piece, blocks: readonly CachedBlock[]): void {
    piece.bytes.then(
      () => {
        piece.loaded = true
        this.#evict()
      },
      (error) => {
        // Whoever holds a block hears of it; what was read ahead in vain is asked for again by whoever needs it.
        for (const block of blocks) this.#remove(block)
        if (!isFault(error)) throw error
      }
    )
  }

  #charge(piece: Piece, cost: number): void {
    piece.cost = cost
    this.#bytes += cost
    this.#fetchedBytes += cost
    this.#evict()
  }

  #evict(): void {
    if (this.#bytes <= this.#parts.bytesMax) return
    this.#evictStale()
    for (const blocks of [this.#read, this.#unread]) {
      for (const block of blocks) {
        if (this.#bytes <= this.#parts.bytesMax) return
        this.#drop(block)
      }
    }
  }

  #evictStale(): void {
    for (const block of this.#unread) {
      if (this.#fetchedBytes - block.age <= this.#parts.bytesMax * STALE_AFTER) return
      this.#drop(block)
    }
  }

  /** Removes a block unless it is needed, or on its way. */
  #drop(block: CachedBlock): void {
    if (block.holds > 0 || !block.piece.loaded) return
    if (block.unreadBy !== undefined) this.#parts.counters.readAheadWastedBytes += block.ref.bytes
    this.#remove(block)
  }

  #remove(block: CachedBlock): void {
    if (this.#blocks.get(block.key) !== block) return
    this.#blocks.delete(block.key)
    this.#read.delete(block)
    this.#unread.delete(block)
    if (block.unreadBy !== undefined) {
      block.unreadBy.lost(block.ref.bytes)
      block.unreadBy = undefined
      this.#unreadBytes -= block.ref.bytes
    }
    block.piece.blocks--
    if (block.piece.blocks === 0) this.#bytes -= block.piece.cost
  }
}

/** Groups of blocks that follow each other in the object, for one GET each. */
function adjacent(refs: readonly BlockRef[]): BlockRef[][] {
  const groups: BlockRef[][] = []
  let group: BlockRef[] = []
  let end = -1
  let bytes = 0
  for (const ref of refs) {
    if (ref.position !== end || bytes + ref.bytes > GET_BYTES_MAX) {
      group = []
      groups.push(group)
      bytes = 0
    }
    group.push(ref)
    bytes += ref.bytes
    end = ref.position + ref.bytes
  }
  return groups
}

/** What a block counts in memory. */
function costOf(ref: BlockRef): number {
  return ref.bytes + ref.entries * ENTRY_OVERHEAD_BYTES
}

function sumOf(refs: readonly BlockRef[], measure: (ref: BlockRef) => number): number {
  return refs.reduce((sum, ref) => sum + measure(ref), 0)
}

function keyOf(objectId: number, ref: BlockRef): string {
  return `${objectId}/${ref.position}`
}
