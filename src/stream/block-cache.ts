/**
 * Decoded blocks of objects, least recently used out first. Readers of the same block at the same time share one
 * load. Bounded in bytes.
 */
import type { Entry } from './entry.ts'

interface CachedBlock {
  readonly entries: Promise<readonly Entry[]>
  bytes: number
}

export class BlockCache {
  readonly #bytesMax: number
  /** In order of use, oldest first. */
  readonly #blocks = new Map<string, CachedBlock>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  get(key: string, bytes: number, load: () => Promise<readonly Entry[]>): Promise<readonly Entry[]> {
    const known = this.#blocks.get(key)
    if (known !== undefined) {
      this.#blocks.delete(key)
      this.#blocks.set(key, known)
      return known.entries
    }
    const block = { entries: load(), bytes }
    this.#blocks.set(key, block)
    this.#bytes += bytes
    block.entries.catch(() => this.#remove(key, block))
    this.#evict()
    return block.entries
  }

  #remove(key: string, block: CachedBlock): void {
    if (this.#blocks.get(key) !== block) return
    this.#blocks.delete(key)
    this.#bytes -= block.bytes
  }

  #evict(): void {
    for (const [key, block] of this.#blocks) {
      if (this.#bytes <= this.#bytesMax || this.#blocks.size === 1) return
      this.#remove(key, block)
    }
  }
}
