/**
 * How long a lease may be relied on, judged by its holder's own monotonic clock and never by asking.
 *
 * Invariant: `holds` is false before the database's clock lets anybody else act. The database counts the lease from a
 * moment after the request left, so the holder counts it from before; and it gives up a part of it for what the two
 * clocks can differ by. Correct as long as neither clock gains more than `CLOCK_DRIFT_MAX` on the other during one
 * lease: the database's host must slew its clock and never step it forward, and the machine of the holder must not be
 * suspended as a whole (a paused process is fine: the monotonic clock goes on).
 */
import type { Clock } from '../runtime/clock.ts'

/** Far beyond what quartz (0.01 %) and the slewing of NTP (0.05 %) do. */
const CLOCK_DRIFT_MAX = 0.01
/** For clocks that tick in whole milliseconds, and to be told before others act rather than at the same time. */
const MARGIN = 0.025

export class LeaseTerm {
  readonly clock: Clock
  readonly #trustedMs: number
  #untilMs = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, leaseMs: number) {
    this.clock = clock
    this.#trustedMs = leaseMs * (1 - CLOCK_DRIFT_MAX - MARGIN)
  }

  /** One read of the monotonic clock: no timer has to have run, so it is right in a process that was just woken. */
  get holds(): boolean {
    return this.clock.monotonic() < this.#untilMs
  }

  /** Milliseconds, not above 0 when it does not hold. */
  get remainingMs(): number {
    return this.#untilMs - this.clock.monotonic()
  }

  /** The database granted a lease; `askedMs` is the monotonic time before the request was sent. */
  extend(askedMs: number): void {
    this.#untilMs = Math.max(this.#untilMs, askedMs + this.#trustedMs)
  }

  end(): void {
    this.#untilMs = Number.NEGATIVE_INFINITY
  }
}
