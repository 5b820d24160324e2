/**
 * How much came per second of late, and how long to wait until it is little enough. Pure: every call says what time it is.
 *
 * The arithmetic is Kafka's (`quota.window.num` 11, `quota.window.size.seconds` 1): the present window and the ten
 * before it; what is younger than ten windows counts as if ten had passed, so that a start is not mistaken for a burst.
 */

/** Kafka's default of `quota.window.size.seconds`. */
export const WINDOW_MS = 1000
/** Kafka's default of `quota.window.num`: ten whole windows and the present one. */
export const WINDOWS = 11
const SPAN_MS = WINDOWS * WINDOW_MS

interface Window {
  readonly startMs: number
  lastMs: number
  value: number
}

export class RateWindow {
  /** By time; the last is the present one. */
  readonly #windows: Window[] = []

  /** `value` may be negative: it takes back what was recorded. */
  record(value: number, nowMs: number): void {
    const present = this.#windows.at(-1)
    if (present !== undefined && nowMs - present.startMs < WINDOW_MS) {
      present.value += value
      present.lastMs = nowMs
      return
    }
    this.#forget(nowMs)
    this.#windows.push({ startMs: nowMs, lastMs: nowMs, value })
  }

  /** What was recorded in the time that counts. */
  total(nowMs: number): number {
    this.#forget(nowMs)
    return this.#windows.reduce((sum, { value }) => sum + value, 0)
  }

  /** Whole milliseconds without anything new after which the rate is `perSecond`; 0 when it is not above that now. */
  throttleMs(perSecond: number, nowMs: number): number {
    const total = this.total(nowMs)
    const elapsedMs = this.#elapsedMs(nowMs)
    const rate = (total * 1000) / elapsedMs
    // total / (elapsed + wait) = perSecond, solved for the wait.
    return rate > perSecond ? Math.round(((rate - perSecond) / perSecond) * elapsedMs) : 0
  }

  /** Nothing is left that would count: a new window would say the same. */
  isIdle(nowMs: number): boolean {
    this.#forget(nowMs)
    return this.#windows.length === 0
  }

  #elapsedMs(nowMs: number): number {
    const elapsed = nowMs - (this.#windows[0]?.startMs ?? nowMs)
    const missing = Math.max(0, WINDOWS - 1 - Math.floor(elapsed / WINDOW_MS))
    return Math.max(1, elapsed + missing * WINDOW_MS)
  }

  #forget(nowMs: number): void {
    let first = this.#windows[0]
    while (first !== undefined && nowMs - first.lastMs >= SPAN_MS) {
      this.#windows.shift()
      first = this.#windows[0]
    }
  }
}

/** The largest amount that a quota of `perSecond` lets through at once when nothing came before. */
export function burstOf(perSecond: number): number {
  return perSecond * (WINDOWS - 1) * (WINDOW_MS / 1000)
}
