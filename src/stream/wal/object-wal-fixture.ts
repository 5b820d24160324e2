/** Object write-ahead logs in virtual time, over a store in memory that is slow and fails as a test asks. */
import assert from 'node:assert/strict'
import { FaultyObjectStore } from '../../object-store/faulty-object-store.ts'
import { MemoryObjectStore } from '../../object-store/memory-object-store.ts'
import type { ObjectStore } from '../../object-store/object-store.ts'
import { type Fault, isFault } from '../../runtime/fault.ts'
import { silentLog } from '../../runtime/log.ts'
import { seededRandom } from '../../runtime/random.ts'
import { settle, VirtualClock } from '../../runtime/virtual-clock.ts'
import { ObjectWal, type ObjectWalOptions } from './object-wal.ts'
import type { WalPosition } from './wal.ts'
import { recordOf } from './wal-contract.ts'

/** What an append came to. */
export interface Outcome {
  readonly number: number
  readonly end: WalPosition | undefined
  readonly fault: Fault | undefined
  /** Milliseconds since the append. */
  readonly afterMs: number
}

/** A store some of whose calls a test replaces. */
export function callsOf(store: ObjectStore): ObjectWalOptions['store'] {
  return {
    put: (key, parts, options) => store.put(key, parts, options),
    get: (key, range) => store.get(key, range),
    list: (prefix) => store.list(prefix),
    delete: (keys) => store.delete(keys)
  }
}

/** A store with faults in virtual time, what happened there, and logs over it. */
export class Bench {
  readonly clock = new VirtualClock()
  readonly inner = new MemoryObjectStore()
  readonly calls: string[] = []
  readonly outcomes: Outcome[] = []
  mark: string | undefined
  readonly store: FaultyObjectStore
  #epoch = 0
  #numbers = 0

  constructor(seed = 1) {
    this.store = new FaultyObjectStore({ store: this.inner, random: seededRandom(seed), clock: this.clock })
    this.store.faults.latencyMs = { min: 20, max: 20 }
  }

  async open(options: Partial<ObjectWalOptions> = {}): Promise<ObjectWal> {
    const wal = this.prepare(options)
    await this.within(
      60_000,
      wal.replay(() => {})
    )
    return wal
  }

  prepare(options: Partial<ObjectWalOptions> = {}): ObjectWal {
    return new ObjectWal({
      clock: this.clock,
      random: seededRandom(++this.#epoch),
      log: silentLog,
      nodeId: 1,
      epoch: this.#epoch,
      loadMark: async () => this.mark,
      ...options,
      store: this.#counted(options.store ?? this.store)
    })
  }

  append(wal: ObjectWal, bytes: number): void {
    const number = this.#numbers++
    const began = this.clock.monotonic()
    const note = (end: WalPosition | undefined, fault: Error | undefined) => {
      assert.ok(fault === undefined || isFault(fault))
      this.outcomes.push({ number, end, fault, afterMs: this.clock.monotonic() - began })
    }
    wal.append(
      recordOf(number, bytes),
      (end) => note(end, undefined),
      (fault) => note(undefined, fault)
    )
  }

  /** Lets time pass until `work` is done. */
  async within<T>(ms: number, work: Promise<T>): Promise<T> {
    let done = false
    const finish = () => {
      done = true
    }
    work.then(finish, finish)
    await settle()
    for (let passed = 0; !done; passed += 10) {
      assert.ok(passed < ms, `it took longer than ${ms} ms`)
      await this.clock.advance(10)
    }
    return work
  }

  /** Numbers of what was acknowledged, in the order in which it was. */
  get acknowledged(): number[] {
    return this.outcomes.filter(({ fault }) => fault === undefined).map(({ number }) => number)
  }

  /** Everything that a new owner finds. */
  async recovered(): Promise<number[]> {
    const wal = this.prepare()
    const found: number[] = []
    await this.within(
      60_000,
      wal.replay(({ entry }) => found.push(entry.baseOffset / 10))
    )
    await this.within(60_000, wal.close())
    return found
  }

  #counted(store: ObjectWalOptions['store']): ObjectWalOptions['store'] {
    return {
      put: (key, parts, options) => {
        assert.equal(options?.ifAbsent, true)
        this.calls.push(`put ${key}`)
        return store.put(key, parts, options)
      },
      get: (key, range) => {
        this.calls.push(`get ${key}`)
        return store.get(key, range)
      },
      list: (prefix) => {
        this.calls.push(`list ${prefix}`)
        return store.list(prefix)
      },
      delete: (keys) => {
        this.calls.push(`delete ${keys.length}`)
        return store.delete(keys)
      }
    }
  }
}

export const upTo = (count: number) => Array.from({ length: count }, (_, number) => number)
