/**
 * Wraps an object store and makes it misbehave as object stores do: slow answers, errors before the effect, errors
 * after the effect (the answer is lost, the object is there), outages. All from one seed and one clock, so that a
 * run can be repeated. With no faults set it is invisible.
 */
import { type Clock, sleep } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import type { Random } from '../runtime/random.ts'
import type { ByteRange, ObjectInfo, ObjectStore, PutOptions } from './object-store.ts'

/** What goes wrong; may be changed at any time, and holds for calls that begin afterwards. */
export interface ObjectStoreFaults {
  /** Every call takes between these milliseconds longer. */
  latencyMs: { readonly min: number; readonly max: number }
  /** Share of calls [0, 1] that fail without effect. */
  errorsBefore: number
  /** Share of calls [0, 1] that take effect and then fail. */
  errorsAfter: number
  /** While true, every call fails without effect. */
  outage: boolean
}

export interface FaultyObjectStoreOptions {
  readonly store: ObjectStore
  readonly random: Random
  readonly clock: Clock
}

export class FaultyObjectStore implements ObjectStore {
  readonly faults: ObjectStoreFaults = { latencyMs: { min: 0, max: 0 }, errorsBefore: 0, errorsAfter: 0, outage: false }
  readonly #store: ObjectStore
  readonly #random: Random
  readonly #clock: Clock

  constructor(options: FaultyObjectStoreOptions) {
    this.#store = options.store
    this.#random = options.random
    this.#clock = options.clock
  }

  put(key: string, parts: readonly Buffer[], options?: PutOptions): Promise<void> {
    return this.#disturbed(`put ${key}`, () => this.#store.put(key, parts, options))
  }

  get(key: string, range?: ByteRange): Promise<Buffer> {
    return this.#disturbed(`get ${key}`, () => this.#store.get(key, range))
  }

  head(key: string): Promise<ObjectInfo> {
    return this.#disturbed(`head ${key}`, () => this.#store.head(key))
  }

  /** A list is disturbed once, at its beginning: before or after its first object. */
  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    const objects = this.#store.list(prefix)[Symbol.asyncIterator]()
    const first = await this.#disturbed(`list ${prefix}`, () => objects.next())
    for (let next = first; !next.done; next = await objects.next()) yield next.value
  }

  delete(keys: readonly string[]): Promise<void> {
    return this.#disturbed(`delete ${keys.length} objects`, () => this.#store.delete(keys))
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  async #disturbed<T>(call: string, work: () => Promise<T>): Promise<T> {
    const { latencyMs, errorsBefore, errorsAfter, outage } = this.faults
    if (latencyMs.max > 0) {
      await sleep(this.#clock, latencyMs.min + this.#random.float() * (latencyMs.max - latencyMs.min))
    }
    if (outage) throw new Fault('unavailable', `${call}: injected outage`)
    if (this.#strikes(errorsBefore)) throw new Fault('unavailable', `${call}: injected error before the effect`)
    const strikesAfter = this.#strikes(errorsAfter)
    const answer = await work()
    if (strikesAfter) throw new Fault('unavailable', `${call}: injected error after the effect`)
    return answer
  }

  /** Draws only when asked to disturb, so that switching one fault on does not change what the others do. */
  #strikes(share: number): boolean {
    return share > 0 && this.#random.float() < share
  }
}
