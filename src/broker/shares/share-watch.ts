/**
 * Wakes a ShareFetch that waits: when records were appended, came back, or can be read at last. Whoever makes a watch
 * closes it.
 */
import type { Clock } from '../../runtime/clock.ts'
import type { SharePartition } from './share-partition.ts'

export class ShareWatch {
  readonly #clock: Clock
  readonly #stops: (() => void)[] = []
  #moved = false
  #wake: (() => void) | undefined

  constructor(clock: Clock, shares: Iterable<SharePartition>) {
    this.#clock = clock
    for (const share of shares) {
      this.#stops.push(share.subscribe(this.note), share.partition.stream.subscribe(this.note))
    }
  }

  /** Something may be there that was not before. */
  readonly note = (): void => {
    this.#moved = true
    this.#wake?.()
  }

  /** What has happened up to now is known. */
  clear(): void {
    this.#moved = false
  }

  /** Resolves when something has happened since `clear`, after `waitMs` at the latest, or when `signal` is aborted. */
  next(waitMs: number, signal: AbortSignal): Promise<void> {
    if (this.#moved || waitMs <= 0 || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const finish = () => {
        cancel()
        signal.removeEventListener('abort', finish)
        this.#wake = undefined
        resolve()
      }
      const cancel = this.#clock.after(waitMs, finish)
      signal.addEventListener('abort', finish, { once: true })
      this.#wake = finish
    })
  }

  close(): void {
    for (const stop of this.#stops) stop()
  }
}
