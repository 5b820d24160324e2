/**
 * Keeps an image current with what other nodes change: at once when the database says that the change feed has grown,
 * and by asking from time to time, since it promises to say nothing. Asks more often while it cannot hear.
 *
 * An outage of the database is logged once and waited for: the image stays as it was, and goes on from there.
 */
import { type Clock, sleep } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import type { ChangeListener, Database } from './database.ts'
import type { ImageFollower } from './image-follower.ts'

const POLL_MS = 5000
const DEAF_POLL_MS = 500

export interface FeedWatcherParts {
  readonly database: Database
  readonly follower: ImageFollower
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export class FeedWatcher {
  readonly #parts: FeedWatcherParts
  readonly #stopListening: () => void
  readonly #running: Promise<void>
  /** Ends the present pause. */
  #wake = new AbortController()
  #isDeaf = true
  #isAway = false
  #closed = false

  /** Starts at once. */
  constructor(parts: FeedWatcherParts) {
    this.#parts = parts
    const listener: ChangeListener = {
      changed: (seq) => {
        this.#isDeaf = false
        if (seq === undefined || seq > parts.follower.seen) this.#wake.abort()
      },
      deaf: (fault) => {
        this.#isDeaf = true
        parts.log.debug({ error: fault.message }, 'changes of the metadata are asked for, not heard of')
        this.#wake.abort()
      }
    }
    this.#stopListening = parts.database.onChange(listener)
    this.#running = this.#run()
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    this.#closed = true
    this.#stopListening()
    this.#wake.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#parts
    for (;;) {
      const pauseMs = (this.#isDeaf ? DEAF_POLL_MS : POLL_MS) * (0.75 + random.float() / 2)
      await sleep(clock, pauseMs, this.#wake.signal)
      if (this.#closed) return
      // Before looking: what is said while it looks may be about a change that it no longer sees.
      this.#wake = new AbortController()
      await this.#look()
    }
  }

  async #look(): Promise<void> {
    const { database, follower, log } = this.#parts
    try {
      await follower.catchUp()
      if (this.#isAway) log.info({}, `metadata database ${database.name} is back`)
      this.#isAway = false
    } catch (error) {
      if (isFault(error, 'closed')) return
      if (!isFault(error)) throw error
      if (!this.#isAway) log.warn({ error: error.message }, 'changes that other nodes make are not seen for now')
      this.#isAway = true
    }
  }
}
