/**
 * Reads an object of the format in docs/formats/objects.md through an object store, block by block.
 * Holds the index once it is loaded, never data: caching blocks and reading ahead are the caller's work.
 */

import type { ObjectStore } from '../../object-store/object-store.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import type { Entry } from '../entry.ts'
import { decodeDataBlock } from './data-block.ts'
import { decodeObjectFooter, FOOTER_BYTES } from './object-footer.ts'
import { type BlockRef, decodeObjectIndex, findBlocks } from './object-index.ts'

/** Holds the footer and an index of 1 300 blocks (650 MiB of data): one GET in nearly every case. */
const TAIL_BYTES = 64 * 1024

export interface ObjectReaderOptions {
  readonly store: ObjectStore
  readonly key: string
  /** Bytes of the object. */
  readonly size: number
}

export class ObjectReader {
  readonly #store: ObjectStore
  readonly #key: string
  readonly #size: number
  #index: Promise<readonly BlockRef[]> | undefined

  constructor(options: ObjectReaderOptions) {
    this.#store = options.store
    this.#key = options.key
    this.#size = options.size
  }

  /**
   * All data blocks, by stream, then offset. Loaded once; a failed load is tried again by the next call.
   * Fault `corrupt` names the key; `missing` and `unavailable` come from the store.
   */
  loadIndex(): Promise<readonly BlockRef[]> {
    this.#index ??= this.#readIndex().catch((error) => {
      this.#index = undefined
      throw error
    })
    return this.#index
  }

  /** The blocks of a stream that hold offsets at or after `fromOffset`, in offset order; may be none. */
  async findBlocks(streamId: number, fromOffset: number): Promise<readonly BlockRef[]> {
    return findBlocks(await this.loadIndex(), streamId, fromOffset)
  }

  /** The entries of one block. Fault `corrupt` names key and position. */
  async loadBlock(block: BlockRef): Promise<Entry[]> {
    const bytes = await this.#load(block.position, block.position + block.bytes)
    const place = `object ${this.#key} at position ${block.position}`
    const entries = decodeDataBlock(bytes, block.streamId, place)
    const agrees =
      entries.length === block.entries &&
      entries[0]?.baseOffset === block.firstOffset &&
      entries[entries.length - 1]?.lastOffset === block.lastOffset
    if (!agrees) throw new Fault('corrupt', `data block of ${place} is not the one that the index describes`)
    return entries
  }

  async #readIndex(): Promise<BlockRef[]> {
    const place = `object ${this.#key}`
    if (this.#size < FOOTER_BYTES) throw new Fault('corrupt', `${place} has only ${this.#size} bytes`)
    const tailStart = Math.max(0, this.#size - TAIL_BYTES)
    const tail = await this.#load(tailStart, this.#size)
    const { indexPosition, indexBytes } = decodeObjectFooter(tail, this.#size, place)
    const indexEnd = indexPosition + indexBytes
    const bytes =
      indexPosition >= tailStart
        ? tail.subarray(indexPosition - tailStart, indexEnd - tailStart)
        : await this.#load(indexPosition, indexEnd)
    const blocks = decodeObjectIndex(bytes, `${place} at position ${indexPosition}`)
    requireContiguous(blocks, indexPosition, place)
    return blocks
  }

  async #load(start: number, end: number): Promise<Buffer> {
    try {
      return await this.#store.get(this.#key, { start, end })
    } catch (cause) {
      if (!isFault(cause, 'invalid')) throw cause
      // The range lies within the size that the object had when it was written.
      throw new Fault('corrupt', `object ${this.#key} is shorter than its ${this.#size} bytes`, { cause })
    }
  }
}

/** Blocks follow each other without gaps from the beginning to the index: a wrong index is noticed before it misleads. */
function requireContiguous(blocks: readonly BlockRef[], end: number, place: string): void {
  let position = 0
  let previous: BlockRef | undefined
  for (const block of blocks) {
    const rises =
      previous === undefined ||
      block.streamId > previous.streamId ||
      (block.streamId === previous.streamId && block.firstOffset > previous.lastOffset)
    if (block.position !== position || !rises) throw new Fault('corrupt', `index of ${place} is not in order`)
    position += block.bytes
    previous = block
  }
  if (position !== end) throw new Fault('corrupt', `index of ${place} covers ${position} of ${end} bytes`)
}
