/**
 * Deletes objects that nothing refers to any more: destroyed ones, and those announced by an upload that never came to
 * its commit. It waits longer than any reader or commit may lag, and never runs beside an upload of this broker.
 */
import type { Metadata } from '../metadata/metadata.ts'
import type { ObjectStore } from '../object-store/object-store.ts'
import type { Clock } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'

const SWEEP_INTERVAL_MS = 60_000
const GRACE_MS = 600_000
/** How soon to look again when an upload is under way. */
const BUSY_RETRY_MS = 1_000

export interface ObjectSweeperParts {
  readonly clock: Clock
  readonly log: Log
  readonly metadata: Metadata
  readonly store: ObjectStore
  readonly uploading: () => boolean
}

export class ObjectSweeper {
  readonly #parts: ObjectSweeperParts
  #cancel: (() => void) | undefined
  #sweeping: Promise<void> | undefined
  #closed = false

  constructor(parts: ObjectSweeperParts) {
    this.#parts = parts
  }

  start(delayMs = SWEEP_INTERVAL_MS): void {
    if (this.#closed) return
    this.#cancel = this.#parts.clock.after(delayMs, () => {
      if (this.#parts.uploading()) {
        this.start(BUSY_RETRY_MS)
        return
      }
      this.#sweeping = this.sweep().finally(() => this.start())
    })
  }

  async sweep(): Promise<void> {
    const { metadata, store, clock, log } = this.#parts
    try {
      const expired = await metadata.expiredObjects(clock.now() - GRACE_MS)
      if (expired.length === 0) return
      await store.delete(expired.map(({ key }) => key))
      await metadata.forgetObjects(expired.map(({ id }) => id))
      log.debug({ objects: expired.length }, 'expired objects deleted')
    } catch (error) {
      if (!isFault(error)) throw error
      log.warn({ error: error.message }, 'expired objects stay until the next sweep')
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancel?.()
    await this.#sweeping
  }
}
