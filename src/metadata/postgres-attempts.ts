/**
 * Which work on PostgreSQL is tried again, when and how often, and how much of it begins at once.
 *
 * What may be tried again: a transaction that the server rolled back because of others (40001, 40P01), and one whose
 * connection could not be made or broke before its commit was sent. Never one whose commit was sent and not answered:
 * it may have happened, and whoever asked for it must look (`isWorthAnotherTry`). Callers do so by repeating the call:
 * uploads and compactions recognise their own repetition, whatever is guarded by an epoch is refused when that has
 * moved on, and clients that create or delete a topic are told that it exists or is gone.
 */
import { type Clock, sleep } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import type { WorkKind } from './database.ts'
import { isWorthAnotherTry } from './postgres-faults.ts'

/** So long new tries begin: through a lost connection or a failover of the server, not through an outage. */
const TRY_FOR_MS = 5000
const BACKOFF_FIRST_MS = 10
const BACKOFF_MAX_MS = 500
/**
 * One works while the next waits for the writers of other nodes. More would gain nothing, and their connections would
 * be missing to those who only read.
 */
const EXCLUSIVE_MAX = 2

export class PostgresAttempts {
  readonly #clock: Clock
  readonly #random: Random
  readonly #waiting: (() => void)[] = []
  #exclusive = 0

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock
    this.#random = random
  }

  async run<T>(work: () => Promise<T>, kind: WorkKind): Promise<T> {
    if (kind === 'free') return this.#persist(work)
    if (this.#exclusive >= EXCLUSIVE_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#exclusive += 1
    try {
      return await this.#persist(work)
    } finally {
      // The place goes straight to the next, before anybody else can come.
      const next = this.#waiting.shift()
      if (next === undefined) this.#exclusive -= 1
      else next()
    }
  }

  async #persist<T>(work: () => Promise<T>): Promise<T> {
    const deadline = this.#clock.monotonic() + TRY_FOR_MS
    for (let backoffMs = BACKOFF_FIRST_MS; ; backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS)) {
      try {
        return await work()
      } catch (error) {
        // Jitter: those who were in each other's way must not meet again.
        const delayMs = backoffMs * (0.5 + this.#random.float())
        if (!isWorthAnotherTry(error) || this.#clock.monotonic() + delayMs > deadline) throw error
        await sleep(this.#clock, delayMs)
      }
    }
  }
}
