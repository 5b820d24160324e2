/**
 * Reads blocks of one object in the order of their positions, with few large GETs at compaction's priority. Holds one GET's
 * worth of bytes.
 */
import type { Entry } from '../entry.ts'
import type { BlockRef } from '../objects/object-index.ts'
import type { ObjectReader } from '../objects/object-reader.ts'
import type { TransferBudget } from '../read/transfer-budget.ts'

/** Blocks that nobody wants are read as well when they are no more than this: a GET costs about as much. */
const GAP_BYTES_MAX = 256 * 1024

export interface LoadedBlock {
  readonly block: BlockRef
  /** As it is stored. */
  readonly bytes: Buffer
  /** Payloads are slices of `bytes`. */
  readonly entries: readonly Entry[]
}

export class BlockSource {
  readonly #reader: ObjectReader
  readonly #budget: TransferBudget
  readonly #chunkBytes: number
  /** In order of position. */
  readonly #wanted: readonly BlockRef[]
  #next = 0
  #chunk: Buffer = Buffer.alloc(0)
  #chunkStart = 0

  constructor(reader: ObjectReader, budget: TransferBudget, wanted: readonly BlockRef[], chunkBytes: number) {
    this.#reader = reader
    this.#budget = budget
    this.#wanted = wanted
    this.#chunkBytes = chunkBytes
  }

  /** The next block that is wanted. Faults as `ObjectReader`. */
  async load(block: BlockRef): Promise<LoadedBlock> {
    if (block.position + block.bytes > this.#chunkStart + this.#chunk.length) await this.#loadChunk(block.position)
    const start = block.position - this.#chunkStart
    const bytes = this.#chunk.subarray(start, start + block.bytes)
    return { block, bytes, entries: this.#reader.decodeBlock(block, bytes) }
  }

  async #loadChunk(start: number): Promise<void> {
    let end = start
    while (this.#wanted[this.#next] !== undefined && (this.#wanted[this.#next] as BlockRef).position < start)
      this.#next++
    for (let block = this.#wanted[this.#next]; block !== undefined; block = this.#wanted[++this.#next]) {
      const blockEnd = block.position + block.bytes
      const fits = blockEnd - start <= this.#chunkBytes && block.position - end <= GAP_BYTES_MAX
      if (end > start && !fits) break
      end = blockEnd
    }
    this.#chunk = await this.#budget.run('compaction', end - start, () => this.#reader.loadRaw(start, end - start))
    this.#chunkStart = start
  }
}
