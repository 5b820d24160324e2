/** Time as every component sees it: injected, so that a test or a simulation can own it. */

export interface Clock {
  /** Wall time in milliseconds since the Unix epoch. May jump; never use it to measure durations. */
  now(): number
  /** Milliseconds on a clock that only moves forward. */
  monotonic(): number
  /** Runs `callback` once after `delayMs`; the returned function cancels it. Never keeps a process alive by itself. */
  after(delayMs: number, callback: () => void): () => void
}

export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const finish = () => {
      cancel()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const cancel = clock.after(delayMs, finish)
    signal?.addEventListener('abort', finish, { once: true })
  })
}
