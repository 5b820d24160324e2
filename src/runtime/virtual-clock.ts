/**
 * Time that stands still until it is told to go on: a `Clock` for tests and simulations. Wakes sleepers one by one,
 * earliest first (equal times in the order they were set), and lets everything they start come to rest before the
 * next one. Repeatable as long as what runs on it never touches the thread pool, sockets or real timers.
 */
import type { Clock } from './clock.ts'

interface Sleeper {
  readonly at: number
  readonly callback: () => void
}

export class VirtualClock implements Clock {
  readonly #start: number
  #elapsed = 0
  /** By time, and by age among equals. */
  readonly #sleepers: Sleeper[] = []

  /** `start`: wall time at which the clock begins, milliseconds since the epoch. */
  constructor(start = 1_700_000_000_000) {
    this.#start = start
  }

  now(): number {
    return this.#start + this.#elapsed
  }

  monotonic(): number {
    return this.#elapsed
  }

  after(delayMs: number, callback: () => void): () => void {
    const sleeper: Sleeper = { at: this.#elapsed + Math.max(0, delayMs), callback }
    const later = this.#sleepers.findLastIndex((other) => other.at <= sleeper.at)
    this.#sleepers.splice(later + 1, 0, sleeper)
    return () => {
      const position = this.#sleepers.indexOf(sleeper)
      if (position !== -1) this.#sleepers.splice(position, 1)
    }
  }

  /** Number of callbacks that wait for their time. */
  get sleeping(): number {
    return this.#sleepers.length
  }

  /** Milliseconds until the earliest callback; undefined when none waits. */
  get nextIn(): number | undefined {
    const next = this.#sleepers[0]
    return next === undefined ? undefined : next.at - this.#elapsed
  }

  /** Lets `ms` milliseconds pass and everything happen that is due in them, including what that sets off. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms
    await settle()
    for (let next = this.#sleepers[0]; next !== undefined && next.at <= end; next = this.#sleepers[0]) {
      this.#sleepers.shift()
      this.#elapsed = next.at
      next.callback()
      await settle()
    }
    this.#elapsed = end
  }
}

/** Waits until no promise has anything left to do: all of them run before the event loop comes round to `setImmediate`. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
