/**
 * Tells a request that waits for data which of its many partitions have moved, so that it reads only those again.
 * A partition that is deleted or fails counts as moved. Whoever makes a watch closes it.
 */
import type { Clock } from '../runtime/clock.ts'
import type { Partition } from './partition/partition.ts'

export class PartitionWatch {
  readonly #clock: Clock
  readonly #stops: (() => void)[] = []
  readonly #moved = new Set<number>()
  #wake: (() => void) | undefined

  /** `partitions` by their place in the request; where there is none, nothing is watched. */
  constructor(clock: Clock, partitions: Iterable<Partition | undefined>) {
    this.#clock = clock
    let place = 0
    for (const partition of partitions) {
      const at = place++
      if (partition !== undefined) this.#stops.push(partition.stream.subscribe(() => this.#note(at)))
    }
  }

  /** The places that moved since the last call, in order; none when `waitMs` have passed or `signal` was aborted before. */
  async next(waitMs: number, signal: AbortSignal): Promise<readonly number[]> {
    if (this.#moved.size === 0) await this.#movement(waitMs, signal)
    const places = [...this.#moved].sort((a, b) => a - b)
    this.#moved.clear()
    return places
  }

  close(): void {
    for (const stop of this.#stops) stop()
  }

  #note(place: number): void {
    this.#moved.add(place)
    this.#wake?.()
  }

  #movement(waitMs: number, signal: AbortSignal): Promise<void> {
    if (waitMs <= 0 || signal.aborted) return Promise.resolve()
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
}
