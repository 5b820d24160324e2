/**
 * The objects that a compaction has announced and not committed yet. They are renewed while it runs: however slow it is,
 * the sweeper must not take them for leftovers, or it could never come to its commit.
 */
import type { Metadata, StoredObject } from '../../metadata/metadata.ts'
import type { Clock } from '../../runtime/clock.ts'
import { isFault } from '../../runtime/fault.ts'

/** Several times within the shortest grace time that can be configured. */
const RENEW_MS = 60_000

export interface PreparedObjectsParts {
  readonly clock: Clock
  readonly metadata: Pick<Metadata, 'prepareObject' | 'renewObjects'>
}

export class PreparedObjects {
  readonly #parts: PreparedObjectsParts
  readonly #ids: number[] = []
  #cancel: (() => void) | undefined

  constructor(parts: PreparedObjectsParts) {
    this.#parts = parts
  }

  async prepare(profile: string): Promise<StoredObject> {
    const object = await this.#parts.metadata.prepareObject(profile)
    this.#ids.push(object.id)
    if (this.#cancel === undefined) this.#schedule()
    return object
  }

  /** They are committed, or are leftovers from now on. */
  release(): void {
    this.#cancel?.()
    this.#ids.length = 0
  }

  #schedule(): void {
    this.#cancel = this.#parts.clock.after(RENEW_MS, () => {
      this.#schedule()
      this.#parts.metadata.renewObjects(this.#ids).catch((error) => {
        // A database that is away is asked again the next time.
        if (!isFault(error)) throw error
      })
    })
  }
}
