/** Producer ids for idempotent producers, handed out from blocks that the metadata reserves. */
import type { Metadata } from '../metadata/metadata.ts'

/** Ids lost by a restart cost nothing; a reservation per producer would cost a transaction. */
const BLOCK_SIZE = 1000

export class ProducerIds {
  readonly #metadata: Metadata
  #next = 0
  #end = 0
  #reserving: Promise<void> | undefined

  constructor(metadata: Metadata) {
    this.#metadata = metadata
  }

  async next(): Promise<number> {
    while (this.#next === this.#end) {
      this.#reserving ??= this.#reserve()
      await this.#reserving
    }
    return this.#next++
  }

  async #reserve(): Promise<void> {
    try {
      this.#next = await this.#metadata.allocateProducerIds(BLOCK_SIZE)
      this.#end = this.#next + BLOCK_SIZE
    } finally {
      this.#reserving = undefined
    }
  }
}
