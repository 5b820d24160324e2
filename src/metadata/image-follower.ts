/**
 * Keeps an image equal to the tables: reads them once in full, then follows the change feed and reloads what it names.
 *
 * Invariant: the image shows one committed state of the database after another, each whole, never one older than before.
 */

import { lastSeq, readChanges } from './change-feed.ts'
import type { Database, Tx } from './database.ts'
import { Image, type ImageUpdate } from './image.ts'
import { loadChanged, loadEverything } from './image-loader.ts'

export class ImageFollower {
  readonly image = new Image()
  readonly #database: Database
  readonly #listeners = new Set<() => void>()
  #seen = -1
  #loads = 0
  #running: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor(database: Database) {
    this.#database = database
  }

  /** Seq of the newest change that the image holds; -1 before the first load. */
  get seen(): number {
    return this.#seen
  }

  /** How often everything was read: once, and again whenever the feed no longer reached back to what was seen. */
  get loads(): number {
    return this.#loads
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

  /** Runs `listener` whenever the image has changed; returns how to stop. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async #follow(): Promise<void> {
    const found = await this.#database.read(async (tx) => {
      const newest = await lastSeq(tx)
      return newest === this.#seen ? undefined : { newest, ...(await this.#load(tx, newest)) }
    })
    if (found === undefined) return
    // Outside the transaction, which may run several times.
    if (found.isWhole) this.image.replace(found.update)
    else this.image.apply(found.update)
    if (found.isWhole) this.#loads += 1
    this.#seen = found.newest
    for (const listener of this.#listeners) listener()
  }

  async #load(tx: Tx, newest: number): Promise<{ readonly update: ImageUpdate; readonly isWhole: boolean }> {
    const changes = this.#seen < 0 ? undefined : await readChanges(tx, this.#seen, newest)
    if (changes === undefined) return { update: await loadEverything(tx), isWhole: true }
    return { update: await loadChanged(tx, changes), isWhole: false }
  }
}
