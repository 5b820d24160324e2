/**
 * The order of batches that cannot be appended at once, because something must be known or done before: those of one
 * producer in one partition go on as they came. Nobody else is held up by them.
 *
 * It does not know what they wait for: `handlers/produce.ts` does.
 */
import type { Partition } from './partition/partition.ts'

export class AppendOrder {
  /** Per partition and producer, the last that waits. Producers without an id are one. */
  readonly #lanes = new Map<Partition, Map<number, Promise<unknown>>>()

  /** Whether a batch of this producer has to wait for others. */
  isBusy(partition: Partition, producerId: number): boolean {
    return this.#lanes.size > 0 && this.#lanes.get(partition)?.has(producerId) === true
  }

  /** Runs `work` when all that this producer has waiting in the partition is done, soon at the earliest. */
  enqueue<T>(partition: Partition, producerId: number, work: () => Promise<T>): Promise<T> {
    let lanes = this.#lanes.get(partition)
    if (lanes === undefined) {
      lanes = new Map()
      this.#lanes.set(partition, lanes)
    }
    const before = lanes.get(producerId) ?? Promise.resolve()
    const done = before.then(work, work)
    lanes.set(producerId, done)
    const leave = () => this.#leave(partition, producerId, done)
    done.then(leave, leave)
    return done
  }

  #leave(partition: Partition, producerId: number, done: Promise<unknown>): void {
    const lanes = this.#lanes.get(partition)
    if (lanes?.get(producerId) !== done) return
    lanes.delete(producerId)
    if (lanes.size === 0) this.#lanes.delete(partition)
  }
}
