/**
 * Wraps an object store and makes it misbehave as object stores do: slow answers, throttling, errors before the effect,
 * errors after the effect (the answer is lost, the object is there), lists of the past, outages. All from one seed and
 * one clock, so that a run can be repeated. With no faults set it is invisible.
 */
import { type Clock, sleep } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import type { Random } from '../runtime/random.ts'
import type { ByteRange, ObjectInfo, ObjectStore, Piece, PutOptions } from './object-store.ts'

/** What goes wrong; may be changed at any time, and holds for calls that begin afterwards. */
export interface ObjectStoreFaults {
  /** Every call takes between these milliseconds longer. */
  latencyMs: { readonly min: number; readonly max: number }
  /** Share of calls [0, 1] that fail without effect because the store wants fewer of them (SlowDown). */
  throttling: number
  /** Share of calls [0, 1] that fail without effect. */
  errorsBefore: number
  /** Share of calls [0, 1] that take effect and then fail. */
  errorsAfter: number
  /** Share of lists [0, 1] that do not show some of the newest changes: objects are missing, deleted ones still there. */
  staleLists: number
  /** While true, every call fails without effect. */
  outage: boolean
}

export interface FaultyObjectStoreOptions {
  readonly store: ObjectStore
  readonly random: Random
  readonly clock: Clock
}

/** How many changes a stale list may be behind. */
const CHANGES_MAX = 32

/** What a change took the place of: the size of an object, or nothing. */
interface Change {
  readonly key: string
  readonly sizeBefore: number | undefined
}

interface Gate {
  readonly holds: (call: string) => boolean
  readonly opened: Promise<void>
}

export class FaultyObjectStore implements ObjectStore {
  readonly faults: ObjectStoreFaults = {
    latencyMs: { min: 0, max: 0 },
    throttling: 0,
    errorsBefore: 0,
    errorsAfter: 0,
    staleLists: 0,
    outage: false
  }
  readonly #store: ObjectStore
  readonly #random: Random
  readonly #clock: Clock
  readonly #gates = new Set<Gate>()
  /** Of objects that went through here. */
  readonly #sizes = new Map<string, number>()
  /** The newest changes, the newest last. */
  readonly #changes: Change[] = []

  constructor(options: FaultyObjectStoreOptions) {
    this.#store = options.store
    this.#random = options.random
    this.#clock = options.clock
  }

  /**
   * From now on, calls wait before they do anything, until the function that this returns is called. `holds` picks the
   * calls by their text, such as `put a/b`, `compose a/b`, `get a/b`, `head a/b`, `list a/`, `delete 3 objects`.
   */
  hold(holds: (call: string) => boolean = () => true): () => void {
    let open = (): void => {}
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    const gate = { holds, opened }
    this.#gates.add(gate)
    return () => {
      this.#gates.delete(gate)
      open()
    }
  }

  put(key: string, parts: readonly Buffer[], options?: PutOptions): Promise<void> {
    return this.#disturbed(`put ${key}`, async () => {
      await this.#store.put(key, parts, options)
      this.#changed(
        key,
        parts.reduce((sum, part) => sum + part.length, 0)
      )
    })
  }

  compose(key: string, pieces: AsyncIterable<Piece>, options?: PutOptions): Promise<ObjectInfo> {
    return this.#disturbed(`compose ${key}`, async () => {
      const made = await this.#store.compose(key, pieces, options)
      this.#changed(key, made.size)
      return made
    })
  }

  get(key: string, range?: ByteRange): Promise<Buffer> {
    return this.#disturbed(`get ${key}`, () => this.#store.get(key, range))
  }

  head(key: string): Promise<ObjectInfo> {
    return this.#disturbed(`head ${key}`, () => this.#store.head(key))
  }

  /** A list is disturbed once, at its beginning: before or after its first object. */
  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    const isStale = this.#strikes(this.faults.staleLists)
    const objects = (isStale ? this.#pastList(prefix) : this.#store.list(prefix))[Symbol.asyncIterator]()
    const first = await this.#disturbed(`list ${prefix}`, () => objects.next())
    for (let next = first; !next.done; next = await objects.next()) yield next.value
  }

  delete(keys: readonly string[]): Promise<void> {
    return this.#disturbed(`delete ${keys.length} objects`, async () => {
      await this.#store.delete(keys)
      for (const key of keys) if (this.#sizes.has(key)) this.#changed(key, undefined)
    })
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  async #disturbed<T>(call: string, work: () => Promise<T>): Promise<T> {
    const { latencyMs, throttling, errorsBefore, errorsAfter, outage } = this.faults
    for (const gate of this.#gates) if (gate.holds(call)) await gate.opened
    if (latencyMs.max > 0) {
      await sleep(this.#clock, latencyMs.min + this.#random.float() * (latencyMs.max - latencyMs.min))
    }
    if (outage) throw new Fault('unavailable', `${call}: injected outage`)
    if (this.#strikes(throttling)) throw new Fault('unavailable', `${call}: injected SlowDown: reduce the request rate`)
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

  #changed(key: string, size: number | undefined): void {
    this.#changes.push({ key, sizeBefore: this.#sizes.get(key) })
    if (this.#changes.length > CHANGES_MAX) this.#changes.shift()
    if (size === undefined) this.#sizes.delete(key)
    else this.#sizes.set(key, size)
  }

  /** The list as it was one or more changes ago. */
  async *#pastList(prefix: string): AsyncIterable<ObjectInfo> {
    const sizes = new Map<string, number>()
    for await (const { key, size } of this.#store.list(prefix)) sizes.set(key, size)
    const behind = Math.min(this.#changes.length, 1 + this.#random.int(CHANGES_MAX))
    for (const { key, sizeBefore } of this.#changes.slice(this.#changes.length - behind).reverse()) {
      if (!key.startsWith(prefix)) continue
      if (sizeBefore === undefined) sizes.delete(key)
      else sizes.set(key, sizeBefore)
    }
    for (const [key, size] of [...sizes].sort(([a], [b]) => (a < b ? -1 : 1))) yield { key, size }
  }
}
