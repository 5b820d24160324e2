/** Virtual time with a wall clock that somebody sets: `monotonic` and timers go on evenly, `now` jumps. */
import type { Clock } from '../../../src/runtime/clock.ts'
import { assert } from '../../../src/runtime/fault.ts'
import { VirtualClock } from '../../../src/runtime/virtual-clock.ts'

export class JumpingClock implements Clock {
  readonly #clock = new VirtualClock()
  #offsetMs = 0

  /** Whole milliseconds, as of a real clock. */
  now(): number {
    return Math.floor(this.#clock.now() + this.#offsetMs)
  }

  monotonic(): number {
    return this.#clock.monotonic()
  }

  after(delayMs: number, callback: () => void): () => void {
    assert(Number.isFinite(delayMs), `a timer of ${delayMs} ms`)
    return this.#clock.after(delayMs, callback)
  }

  advance(ms: number): Promise<void> {
    return this.#clock.advance(ms)
  }

  /** Milliseconds until something happens by itself; undefined when nothing will. */
  get nextIn(): number | undefined {
    return this.#clock.nextIn
  }

  /** Moves the wall clock by `ms`, forward or back, from where it should be. */
  jumpTo(offsetMs: number): void {
    this.#offsetMs = offsetMs
  }
}
