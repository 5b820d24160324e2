/** Lays entries out in blocks of the usual size, as they come. Holds one block's worth. */
import type { Entry } from '../entry.ts'
import { storedBytes } from '../objects/data-block.ts'
import { BLOCK_BYTES_TARGET, type ObjectLayout } from '../objects/object-writer.ts'

export class BlockGatherer {
  readonly #layout: ObjectLayout
  #streamId = -1
  #entries: Entry[] = []
  #bytes = 0

  constructor(layout: ObjectLayout) {
    this.#layout = layout
  }

  /** Bytes that are gathered and not laid out yet. */
  get bytes(): number {
    return this.#bytes
  }

  /** The bytes of a block that is full now; empty when none is. Entries come by stream, then offset. */
  add(streamId: number, entry: Entry): Buffer[] {
    const isFull = this.#bytes + storedBytes(entry) > BLOCK_BYTES_TARGET
    const full = isFull || streamId !== this.#streamId ? this.flush() : []
    this.#streamId = streamId
    this.#entries.push(entry)
    this.#bytes += storedBytes(entry)
    return full
  }

  /** The bytes of what was gathered. */
  flush(): Buffer[] {
    if (this.#entries.length === 0) return []
    const parts = this.#layout.encode(this.#streamId, this.#entries)
    this.#entries = []
    this.#bytes = 0
    return parts
  }
}
