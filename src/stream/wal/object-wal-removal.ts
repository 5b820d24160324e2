/**
 * Deletes objects of the log that are no longer needed, in the background. Nothing waits for it and nothing depends on
 * it: what a failure or a crash leaves behind is found and deleted after the next start.
 */
import type { ObjectStore } from '../../object-store/object-store.ts'
import { sleep } from '../../runtime/clock.ts'
import { isFault } from '../../runtime/fault.ts'
import { OBJECT_HEADER_BYTES } from './object-wal-object.ts'
import { prefixOfNode, sequenceOf } from './object-wal-place.ts'
import { pauseMs, type RetryEffects } from './object-wal-retry.ts'

/** As many as S3 deletes with one request. */
const KEYS_PER_DELETE = 1000

export class ObjectRemoval {
  readonly #store: Pick<ObjectStore, 'delete' | 'list'>
  readonly #effects: Omit<RetryEffects, 'stopping'>
  readonly #finishing = new AbortController()
  #keys: string[] = []
  #running: Promise<void> | undefined
  #sweeping: Promise<void> | undefined

  constructor(store: Pick<ObjectStore, 'delete' | 'list'>, effects: Omit<RetryEffects, 'stopping'>) {
    this.#store = store
    this.#effects = effects
  }

  remove(keys: readonly string[]): void {
    this.#keys.push(...keys)
    if (this.#keys.length > 0) this.#running ??= this.#run()
  }

  /** Looks for batches of the node before `sequence` and removes them. Fences stay: a late owner must still meet them. */
  sweep(nodeId: number, sequence: number): void {
    this.#sweeping = this.#sweep(nodeId, sequence)
  }

  /** Deletes what is left, unless the store is unavailable. */
  async finish(): Promise<void> {
    this.#finishing.abort()
    await this.#sweeping
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, random, log } = this.#effects
    for (let failures = 0; this.#keys.length > 0; ) {
      const keys = this.#keys.slice(0, KEYS_PER_DELETE)
      try {
        await this.#store.delete(keys)
        this.#keys.splice(0, keys.length)
        failures = 0
      } catch (error) {
        if (!isFault(error, 'unavailable') || this.#finishing.signal.aborted) {
          log.warn(
            { objects: this.#keys.length, error },
            'trimmed objects of the write-ahead log stay until the next start'
          )
          this.#keys = []
          break
        }
        await sleep(clock, pauseMs(random, failures++), this.#finishing.signal)
      }
    }
    this.#running = undefined
  }

  async #sweep(nodeId: number, before: number): Promise<void> {
    const keys: string[] = []
    try {
      for await (const { key, size } of this.#store.list(prefixOfNode(nodeId))) {
        if (this.#finishing.signal.aborted) return
        const sequence = sequenceOf(key)
        if (sequence !== undefined && sequence < before && size > OBJECT_HEADER_BYTES) keys.push(key)
      }
    } catch (error) {
      this.#effects.log.warn({ error }, 'leftovers of the write-ahead log stay until the next start')
    }
    this.remove(keys)
  }
}
