/**
 * Keeps an image equal to the tables: reads them once in full, then follows the change feed and reloads what it names.
 *
 * Invariant: the image shows one committed state of the database after another, each whole, never one older than before.
 */

import { lastSeq, readChanges } from './change-feed.ts'
import type { Database, Tx } from './database.ts'
import { Image } from './image.ts'
import { loadChanged, loadEverything } from './image-loader.ts'

export class ImageFollower {
  readonly image = new Image()
  readonly #database: Database
  #seen = -1
  #running: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor(database: Database) {
    this.#database = database
  }

  /**
   * Resolves once the image holds every change committed before the call. Runs never overlap; callers that come while
   * one is under way share the next, since that one may have begun before their change.
   */
  catchUp(): Promise<void> {
    if (this.#next === undefined) {
      this.#next = this.#running.then(() => {
        this.#next = undefined
        const run = this.#follow()
        // Who waits for the run hears of its failure; the next run starts afresh.
        this.#running = run.catch(() => {})
        return run
      })
    }
    return this.#next
  }

  async #follow(): Promise<void> {
    await this.#database.read(async (tx) => {
      const newest = await lastSeq(tx)
      if (newest === this.#seen) return
      await this.#applyUpTo(tx, newest)
      this.#seen = newest
    })
  }

  async #applyUpTo(tx: Tx, newest: number): Promise<void> {
    const changes = this.#seen < 0 ? undefined : await readChanges(tx, this.#seen, newest)
    if (changes === undefined) this.image.replace(await loadEverything(tx))
    else this.image.apply(await loadChanged(tx, changes))
  }
}
