/**
 * The objects that a compaction reads: opened once, their indexes held as long as the compaction runs. Reads at
 * compaction's priority.
 */
import type { MetadataImage, ObjectRange, StoredObject } from '../../metadata/metadata.ts'
import type { ObjectStores } from '../../object-store/object-stores.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import type { BlockRef, ObjectIndex } from '../objects/object-index.ts'
import { ObjectReader } from '../objects/object-reader.ts'
import type { TransferBudget } from '../read/transfer-budget.ts'

export interface SourceParts {
  readonly image: Pick<MetadataImage, 'object' | 'stream'>
  readonly stores: ObjectStores
  readonly budget: TransferBudget
}

export interface SourceObject {
  readonly stored: StoredObject
  readonly reader: ObjectReader
  readonly index: ObjectIndex
}

/** An object that the metadata names, and that the store does not have or that contradicts itself. */
export class DamagedObject extends Fault {
  readonly objectId: number

  constructor(objectId: number, cause: unknown) {
    super('corrupt', `object ${objectId}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    this.objectId = objectId
  }
}

export class SourceObjects {
  readonly #parts: SourceParts
  readonly #open = new Map<number, SourceObject>()

  constructor(parts: SourceParts) {
    this.#parts = parts
  }

  /** Fault `missing` when it is no longer in the metadata, `DamagedObject`, `unavailable`. */
  async open(objectId: number): Promise<SourceObject> {
    const known = this.#open.get(objectId)
    if (known !== undefined) return known
    const { image, stores, budget } = this.#parts
    const stored = image.object(objectId)
    if (stored === undefined) throw new Fault('missing', `object ${objectId} is no longer there`)
    const reader = new ObjectReader({ store: stores.store(stored.profile), key: stored.key, size: stored.bytes })
    const index = await this.reading(objectId, () =>
      budget.run('compaction', reader.tailBytes, () => reader.loadIndex())
    )
    const source = { stored, reader, index }
    this.#open.set(objectId, source)
    return source
  }

  /** The blocks that hold what is still needed of a range, in offset order. None of a stream that was deleted. */
  async blocks(range: ObjectRange): Promise<BlockRef[]> {
    const { index } = await this.open(range.objectId)
    const stream = this.#parts.image.stream(range.streamId)
    if (stream === undefined) return []
    const blocks: BlockRef[] = []
    for (const block of index.blocks(range.streamId, Math.max(range.startOffset, stream.startOffset))) {
      if (block.firstOffset >= range.endOffset) break
      blocks.push(block)
    }
    return blocks
  }

  /** Runs `work`, which reads the object: a failure that is the object's own becomes `DamagedObject`. */
  async reading<T>(objectId: number, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      // One that was compacted away meanwhile may be gone; one that is still needed must be there.
      const lost = isFault(error, 'missing') && this.#parts.image.object(objectId) !== undefined
      if (lost || isFault(error, 'corrupt')) throw new DamagedObject(objectId, error)
      throw error
    }
  }
}
