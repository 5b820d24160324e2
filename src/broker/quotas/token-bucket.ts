/**
 * Permits that come back at a steady rate, and may be overdrawn once (KIP-599): whoever finds the bucket in debt has to
 * wait until it is not. Pure: every call says what time it is, and the rate, which may change in between.
 */
import { WINDOW_MS, WINDOWS } from './rate-window.ts'

export class TokenBucket {
  /** Undefined until first used: full. */
  #state: { permits: number; atMs: number } | undefined

  /** Milliseconds until the bucket is out of debt; 0 when it is not in debt now. */
  throttleMs(perSecond: number, nowMs: number): number {
    const permits = this.#refilled(perSecond, nowMs)
    return permits < 0 ? Math.round((-permits / perSecond) * 1000) : 0
  }

  /** Takes permits, whether they are there or not. */
  take(count: number, perSecond: number, nowMs: number): void {
    this.#state = { permits: this.#refilled(perSecond, nowMs) - count, atMs: nowMs }
  }

  /** Full: a new bucket would say the same. */
  isIdle(perSecond: number, nowMs: number): boolean {
    return this.#refilled(perSecond, nowMs) >= burst(perSecond)
  }

  #refilled(perSecond: number, nowMs: number): number {
    if (this.#state === undefined) return burst(perSecond)
    const { permits, atMs } = this.#state
    return Math.min(burst(perSecond), permits + (perSecond * (nowMs - atMs)) / 1000)
  }
}

function burst(perSecond: number): number {
  return (perSecond * WINDOWS * WINDOW_MS) / 1000
}
