/**
 * Indexes of objects, encoded as they are stored, least recently used out first. Whoever needs the same one at the same
 * time shares one load. Bounded in bytes; what is being loaded counts in the transfer budget instead.
 */
import type { StoredObject } from '../../metadata/metadata.ts'
import type { ObjectStores } from '../../object-store/object-stores.ts'
import type { ObjectIndex } from '../objects/object-index.ts'
import { ObjectReader } from '../objects/object-reader.ts'
import type { ReadCounters } from './read-counters.ts'
import type { TransferBudget, TransferClass } from './transfer-budget.ts'

/** What an index takes beside its bytes: promise, reader, map entry. */
const INDEX_OVERHEAD_BYTES = 512

/** An object whose index is at hand. */
export interface OpenObject {
  readonly id: number
  readonly reader: ObjectReader
  readonly index: ObjectIndex
}

interface CachedIndex {
  readonly object: Promise<OpenObject>
  /** 0 while it is loaded. */
  bytes: number
  /** Makes a load that waits for its turn a demand read. */
  promote: () => void
}

export interface IndexCacheParts {
  readonly stores: ObjectStores
  readonly budget: TransferBudget
  readonly counters: ReadCounters
  readonly bytesMax: number
}

export class IndexCache {
  readonly #parts: IndexCacheParts
  /** By object id, in order of use, oldest first. */
  readonly #indexes = new Map<number, CachedIndex>()
  #bytes = 0

  constructor(parts: IndexCacheParts) {
    this.#parts = parts
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Whether it is here, or on its way. */
  has(objectId: number): boolean {
    return this.#indexes.has(objectId)
  }

  /** Faults as `ObjectReader.loadIndex`; a failed load is forgotten. */
  load(stored: StoredObject, kind: TransferClass): Promise<OpenObject> {
    const known = this.#indexes.get(stored.id)
    if (known !== undefined) {
      this.#indexes.delete(stored.id)
      this.#indexes.set(stored.id, known)
      if (kind === 'demand') known.promote()
      return known.object
    }
    this.#parts.counters.indexLoads++
    return this.#start(stored, kind)
  }

  #start(stored: StoredObject, kind: TransferClass): Promise<OpenObject> {
    const { stores, budget, counters } = this.#parts
    let promote = () => {}
    const load = async (): Promise<OpenObject> => {
      const reader = new ObjectReader({ store: stores.store(stored.profile), key: stored.key, size: stored.bytes })
      const bytes = reader.tailBytes
      const index = await budget.run(
        kind,
        bytes,
        () => {
          counters.moved(kind, bytes)
          return reader.loadIndex()
        },
        (how) => {
          promote = how
        }
      )
      return { id: stored.id, reader, index }
    }
    const cached: CachedIndex = { object: load(), bytes: 0, promote: () => promote() }
    this.#indexes.set(stored.id, cached)
    cached.object.then(
      ({ index }) => this.#loaded(cached, index.bytes + INDEX_OVERHEAD_BYTES),
      () => this.#indexes.delete(stored.id)
    )
    return cached.object
  }

  #loaded(cached: CachedIndex, bytes: number): void {
    cached.bytes = bytes
    this.#bytes += bytes
    for (const [id, oldest] of this.#indexes) {
      if (this.#bytes <= this.#parts.bytesMax) return
      if (oldest.bytes === 0) continue
      this.#indexes.delete(id)
      this.#bytes -= oldest.bytes
    }
  }
}
