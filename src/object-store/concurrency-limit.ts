/**
 * How many requests may be under way at once, found by additive increase and multiplicative decrease (AIMD), as TCP
 * finds the rate of a link: a store that answers "slow down" halves the limit, answers while the limit is reached raise
 * it by one per round. `limitAfter` decides and is pure; `ConcurrencyLimit` lets callers in, first come, first served.
 *
 * Invariant: never more than `limit` (rounded down) work at once. It does not bound how many wait: callers do.
 */
import type { Clock } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'

export interface LimitBounds {
  /** At least 1. */
  readonly min: number
  readonly max: number
}

export interface LimitState {
  /** A real number, so that many answers together make one more place. */
  readonly limit: number
  /** When the limit was last halved, on the monotonic clock. */
  readonly halvedAt: number
}

/** What came of one request. `failed` says nothing about load: a missing object, a broken connection. */
export interface Outcome {
  readonly kind: 'answered' | 'throttled' | 'failed'
  /** When the request began, on the monotonic clock. */
  readonly startedAt: number
  readonly now: number
  /** Requests under way when it ended, itself included. */
  readonly inFlight: number
}

export function limitAfter(state: LimitState, outcome: Outcome, bounds: LimitBounds): LimitState {
  const { limit, halvedAt } = state
  if (outcome.kind === 'throttled') {
    // One burst is one signal: what was under way at the halving says nothing about the new limit.
    if (outcome.startedAt < halvedAt) return state
    return { limit: Math.max(bounds.min, limit / 2), halvedAt: outcome.now }
  }
  // A limit that nobody reaches must not grow: nothing has shown that the store could bear more.
  if (outcome.kind === 'failed' || outcome.inFlight < Math.floor(limit)) return state
  return { limit: Math.min(bounds.max, limit + 1 / limit), halvedAt }
}

export interface ConcurrencyLimitOptions {
  readonly clock: Clock
  readonly bounds: LimitBounds
  /** Where the search begins. */
  readonly start: number
  /** Whether an error says that the other side wants fewer requests. */
  readonly isThrottling: (error: unknown) => boolean
}

interface Waiting {
  readonly enter: () => void
  readonly refuse: (fault: Fault) => void
}

export class ConcurrencyLimit {
  readonly #options: ConcurrencyLimitOptions
  readonly #waiting: Waiting[] = []
  #state: LimitState
  #inFlight = 0
  #closed = false

  constructor(options: ConcurrencyLimitOptions) {
    this.#options = options
    this.#state = { limit: options.start, halvedAt: Number.NEGATIVE_INFINITY }
  }

  get limit(): number {
    return Math.floor(this.#state.limit)
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Runs `work` as soon as there is a place for it. Fault `closed` when there was none before `close`. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.#enter()
    const { clock, isThrottling } = this.#options
    const startedAt = clock.monotonic()
    try {
      const answer = await work()
      this.#leave('answered', startedAt)
      return answer
    } catch (error) {
      this.#leave(isThrottling(error) ? 'throttled' : 'failed', startedAt)
      throw error
    }
  }

  /** Refuses everybody who waits and who comes later; what runs goes on. */
  close(): void {
    this.#closed = true
    for (const { refuse } of this.#waiting.splice(0)) refuse(closedFault())
  }

  async #enter(): Promise<void> {
    if (this.#closed) throw closedFault()
    if (this.#inFlight < this.limit && this.#waiting.length === 0) {
      this.#inFlight++
      return
    }
    await new Promise<void>((enter, refuse) => this.#waiting.push({ enter, refuse }))
  }

  #leave(kind: Outcome['kind'], startedAt: number): void {
    const { clock, bounds } = this.#options
    const outcome = { kind, startedAt, now: clock.monotonic(), inFlight: this.#inFlight }
    this.#state = limitAfter(this.#state, outcome, bounds)
    this.#inFlight--
    while (this.#inFlight < this.limit) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#inFlight++
      next.enter()
    }
  }
}

function closedFault(): Fault {
  return new Fault('closed', 'the object store was closed before the request could begin')
}
