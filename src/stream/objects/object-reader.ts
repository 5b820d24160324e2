/**
 * Reads an object of the format in docs/formats/objects.md through an object store: its index, single blocks, raw bytes.
 * Checks what it reads and holds nothing: caching, read-ahead and budgets are the caller's work.
 */
import type { ObjectStore } from '../../object-store/object-store.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import type { Entry } from '../entry.ts'
import { decodeDataBlock } from './data-block.ts'
import { decodeObjectFooter, FOOTER_BYTES } from './object-footer.ts'
import { type BlockRef, decodeObjectIndex, type ObjectIndex } from './object-index.ts'

/** The end of an object that is read first. Holds the footer and an index of 1 300 rows. */
const TAIL_BYTES = 64 * 1024
/** A row of 48 bytes stands for a block of about 512 KiB: with this, one GET is enough for most larger indexes, too. */
const OBJECT_BYTES_PER_TAIL_BYTE = 4096

export interface ObjectReaderOptions {
  readonly store: ObjectStore
  readonly key: string
  /** Bytes of the object. */
  readonly size: number
}

/** Every Fault `corrupt` names the key, and the position where there is one; `missing` and `unavailable` come from the store. */
export class ObjectReader {
  readonly #store: ObjectStore
  readonly #key: string
  readonly #size: number

  constructor(options: ObjectReaderOptions) {
    this.#store = options.store
    this.#key = options.key
    this.#size = options.size
  }

  /** Bytes that the first GET of `loadIndex` moves; nearly always the only one. */
  get tailBytes(): number {
    return Math.min(this.#size, Math.max(TAIL_BYTES, Math.ceil(this.#size / OBJECT_BYTES_PER_TAIL_BYTE)))
  }

  /** All data blocks, by stream, then offset. One GET, or two when the index is larger than expected. */
  async loadIndex(): Promise<ObjectIndex> {
    const place = `object ${this.#key}`
    if (this.#size < FOOTER_BYTES) throw new Fault('corrupt', `${place} has only ${this.#size} bytes`)
    const tailStart = this.#size - this.tailBytes
    const tail = await this.loadRaw(tailStart, this.tailBytes)
    const { indexPosition, indexBytes } = decodeObjectFooter(tail, this.#size, place)
    const bytes =
      indexPosition >= tailStart
        ? compact(tail, indexPosition - tailStart, indexBytes)
        : await this.loadRaw(indexPosition, indexBytes)
    const index = decodeObjectIndex(bytes, `${place} at position ${indexPosition}`)
    requireContiguous(index, indexPosition, place)
    return index
  }

  /** The entries of one block. */
  async loadBlock(block: BlockRef): Promise<Entry[]> {
    return this.decodeBlock(block, await this.loadRaw(block.position, block.bytes))
  }

  /** The entries of one block whose `bytes` were loaded, perhaps together with its neighbours; payloads are slices of them. */
  decodeBlock(block: BlockRef, bytes: Buffer): Entry[] {
    const place = `object ${this.#key} at position ${block.position}`
    const entries = decodeDataBlock(bytes, block.streamId, place)
    const agrees =
      entries.length === block.entries &&
      entries[0]?.baseOffset === block.firstOffset &&
      entries[entries.length - 1]?.lastOffset === block.lastOffset
    if (!agrees) throw new Fault('corrupt', `data block of ${place} is not the one that the index describes`)
    return entries
  }

  /** Bytes [position, position + bytes) as they are stored, unchecked. */
  async loadRaw(position: number, bytes: number): Promise<Buffer> {
    try {
      return await this.#store.get(this.#key, { start: position, end: position + bytes })
    } catch (cause) {
      if (!isFault(cause, 'invalid')) throw cause
      // The range lies within the size that the object had when it was written.
      throw new Fault('corrupt', `object ${this.#key} is shorter than its ${this.#size} bytes`, { cause })
    }
  }
}

/** The index in a buffer of about its size: a short one must not keep the whole tail in memory. */
function compact(tail: Buffer, start: number, bytes: number): Buffer {
  const index = tail.subarray(start, start + bytes)
  if (bytes > tail.length / 2) return index
  const copy = Buffer.allocUnsafeSlow(bytes)
  index.copy(copy)
  return copy
}

/** Blocks follow each other without gaps from the beginning to the index: a wrong index is noticed before it misleads. */
function requireContiguous(blocks: ObjectIndex, end: number, place: string): void {
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
