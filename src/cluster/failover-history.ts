/** The last failovers that this node led as the controller, with their timings, for people to look at. Memory only. */
import type { Failover } from '../metadata/failovers.ts'

/** What a recovery reports on its way; handing over is its end. */
export type RecoveryStep = 'opened' | 'replayed' | 'committed'

export class FailoverHistory {
  readonly #limit: number
  /** Oldest first. */
  readonly #entries: Failover[] = []

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Newest last. */
  all(): readonly Failover[] {
    return [...this.#entries]
  }

  add(failover: Failover): FailoverEntry {
    this.#entries.push(failover)
    if (this.#entries.length > this.#limit) this.#entries.shift()
    let current = failover
    return {
      get: () => current,
      set: (changes) => {
        const at = this.#entries.indexOf(current)
        current = { ...current, ...changes }
        if (at !== -1) this.#entries[at] = current
      }
    }
  }
}

/** One failover under way; changes after it left the ring are seen by its holder only. */
export interface FailoverEntry {
  get(): Failover
  set(changes: Partial<Failover>): void
}
