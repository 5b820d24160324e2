/**
 * Writes down now and then what the object stores of this node were asked for, so that `longhaul storage describe` can
 * tell what storing costs. A node that is killed loses what it counted since the last time.
 */
import type { Database } from '../metadata/database.ts'
import { addStorageUse, type StorageUse } from '../metadata/storage-use.ts'
import type { ConfiguredObjectStores } from '../object-store/configured-object-stores.ts'
import type { Clock } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'

const INTERVAL_MS = 30_000

export interface StorageUseRecorderParts {
  readonly nodeId: number
  readonly clock: Clock
  readonly log: Log
  readonly database: Database
  readonly stores: ConfiguredObjectStores
  /** Payload bytes uploaded so far to the profile. */
  readonly uploadedBytes: (profile: string) => number
}

export class StorageUseRecorder {
  readonly #parts: StorageUseRecorderParts
  /** By profile: what stands in the database already. */
  readonly #written = new Map<string, StorageUse>()
  #cancel: (() => void) | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(parts: StorageUseRecorderParts) {
    this.#parts = parts
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(INTERVAL_MS, () => {
      this.#writing = this.#write()
      this.start()
    })
  }

  async close(): Promise<void> {
    this.#cancel?.()
    await this.#writing
    await this.#write()
  }

  async #write(): Promise<void> {
    const { nodeId, database, stores, log } = this.#parts
    for (const profile of stores.profiles()) {
      const now = this.#countersOf(profile)
      const before = this.#written.get(profile) ?? {}
      const added = Object.entries(now).map(([name, value]) => [name, value - (before[name] ?? 0)] as const)
      try {
        await addStorageUse(database, nodeId, profile, Object.fromEntries(added.filter(([, value]) => value > 0)))
        this.#written.set(profile, now)
      } catch (error) {
        if (!isFault(error)) throw error
        log.warn({ error: error.message }, 'what the object store was asked for is written down later')
      }
    }
  }

  #countersOf(profile: string): StorageUse {
    const { requests, ...counts } = this.#parts.stores.store(profile).stats()
    const onTheWire = Object.entries(requests ?? {}).map(([name, value]) => [`requests.${name}`, value] as const)
    return { ...counts, ...Object.fromEntries(onTheWire), uploadedBytes: this.#parts.uploadedBytes(profile) }
  }
}
