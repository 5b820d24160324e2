import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { AcquireRequest } from './acquisition.ts'
import type { OffsetRange } from './record-runs.ts'
import { type Change, type DeliveryLimits, SharePartitionState } from './share-partition-state.ts'
import type { StateBatch } from './share-state.ts'
import { joinStateBatches } from './state-batches.ts'

const LIMITS: DeliveryLimits = { deliveriesMax: 3, inFlightMax: 25, lockMs: 100, renewals: true }
const MEMBERS = ['a', 'b', 'c']

/** What must be true of one record, kept without any runs. */
interface Model {
  holder: string | undefined
  /** Of the life of the process; `stored` is what a crash leaves of it. */
  deliveries: number
  stored: number
  /** Acknowledged or archived, as it is stored. */
  done: boolean
}

interface Pending {
  readonly change: Change
  readonly stored: boolean
}

/** A share partition over a log of batches, its store, and a model of each record. */
class World {
  state = new SharePartitionState(0)
  readonly batches: readonly OffsetRange[]
  readonly model: Model[]
  readonly end: number
  #stored: { startOffset: number; batches: readonly StateBatch[] } = { startOffset: 0, batches: [] }
  #pending: Pending[] = []
  now = 0

  constructor(sizes: readonly number[]) {
    let first = 0
    this.batches = sizes.map((size) => {
      const batch = { first, last: first + size - 1 }
      first += size
      return batch
    })
    this.end = first
    this.model = Array.from({ length: first }, () => ({ holder: undefined, deliveries: 0, stored: 0, done: false }))
  }

  acquire(member: string, exact: boolean, recordsMax: number, batchSize: number, readBatches: number): number {
    const { state } = this
    const fetchOffset = state.nextFetchOffset
    if (fetchOffset >= this.end || !state.canAcquire(LIMITS)) return 0
    const batches = this.batches.filter(({ last }) => last >= fetchOffset).slice(0, readBatches)
    const mode = exact ? 'record-limit' : 'batch-optimized'
    const request = new AcquireRequest({ member, mode, recordsMax, batchSize, fetchOffset, batches, skipped: [] })
    let count = 0
    let behind = -1
    for (const { first, last, deliveries } of state.acquire(request, this.now, LIMITS)) {
      assert.ok(first > behind && last >= first, 'what is acquired is in order')
      behind = last
      for (let offset = first; offset <= last; offset++) {
        const record = this.record(offset)
        assert.equal(record.holder, undefined, `${offset} is held by ${record.holder}`)
        assert.ok(!record.done, `${offset} is done with and was delivered again`)
        assert.equal(deliveries, record.deliveries + 1, `deliveries of ${offset}`)
        assert.ok(deliveries <= LIMITS.deliveriesMax, `${offset} was delivered too often`)
        record.holder = member
        record.deliveries = deliveries
        count++
      }
    }
    if (exact) assert.ok(count <= recordsMax, 'a record limit is a limit')
    assert.ok(behind < this.end)
    return count
  }

  acknowledge(member: string, first: number, last: number, types: readonly number[], stored: boolean): void {
    const change = this.state.acknowledge(member, [{ first, last, types }], this.now, LIMITS)
    const inFlight = Math.max(first, this.state.startOffset)
    if ('errorCode' in change) return
    for (let offset = inFlight; offset <= last; offset++) assert.equal(this.record(offset).holder, member)
    this.#begin(change, stored)
  }

  release(member: string, stored: boolean): void {
    this.#begin(this.state.release(member, LIMITS), stored)
  }

  settle(place: number): void {
    const [pending] = this.#pending.splice(place % Math.max(1, this.#pending.length), 1)
    if (pending === undefined) return
    const { change, stored } = pending
    this.state.settle(change.id, stored, this.now, LIMITS)
    this.#follow()
  }

  advance(ms: number): void {
    this.now += ms
    this.#store(this.state.expire(this.now, LIMITS))
    this.#follow()
  }

  restart(): void {
    this.state = new SharePartitionState(this.#stored.startOffset, this.#stored.batches)
    this.#pending = []
    for (const record of this.model) {
      record.holder = undefined
      record.deliveries = record.stored
    }
  }

  /** Everybody accepts what comes, until nothing comes any more. */
  drain(): void {
    while (this.#pending.length > 0) this.settle(0)
    this.advance(LIMITS.lockMs)
    for (let round = 0; this.state.nextFetchOffset < this.end; round++) {
      assert.ok(round < 1_000, 'it comes to an end')
      this.acquire('a', false, 50, 50, 50)
      for (const { first, last, state } of [...this.state.runs()]) {
        if (state === 'acquired') this.acknowledge('a', first, last, [1], true)
      }
      this.settle(0)
      while (this.#pending.length > 0) this.settle(0)
    }
    assert.equal(this.state.startOffset, this.end)
    for (const [offset, record] of this.model.entries()) assert.ok(record.done, `${offset} was lost`)
  }

  record(offset: number): Model {
    const record = this.model[offset]
    assert.ok(record !== undefined, `there is no record ${offset}`)
    return record
  }

  #begin(change: Change, stored: boolean): void {
    if (stored) this.#store(change.batches)
    this.#pending.push({ change, stored })
  }

  #store(batches: readonly StateBatch[]): void {
    if (batches.length === 0) return
    const { startOffset } = this.state
    this.#stored = { startOffset, batches: joinStateBatches(this.#stored.batches, batches, startOffset) }
    for (const { firstOffset, lastOffset, deliveryState, deliveryCount } of batches) {
      for (let offset = firstOffset; offset <= lastOffset; offset++) {
        const record = this.record(offset)
        record.stored = deliveryCount
        if (deliveryState !== 0) record.done = true
        assert.equal(deliveryCount, record.deliveries, `stored deliveries of ${offset}`)
      }
    }
  }

  /** Who still holds what, told by the state; that nobody holds what another does is checked when it is given. */
  #follow(): void {
    const held = new Map<number, string>()
    for (const { first, last, state, change, member } of this.state.runs()) {
      if (state !== 'acquired' && change === 0) continue
      for (let offset = first; offset <= last; offset++) held.set(offset, member)
    }
    for (const [offset, record] of this.model.entries()) {
      if (!held.has(offset)) record.holder = undefined
      else assert.equal(held.get(offset), record.holder, `holder of ${offset}`)
    }
  }
}

type Step = (world: World) => void

const member = fc.constantFrom(...MEMBERS)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc
    .tuple(
      member,
      fc.boolean(),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 4 })
    )
    .map(
      ([who, exact, recordsMax, batchSize, read]): Step =>
        (world) =>
          void world.acquire(who, exact, recordsMax, batchSize, read)
    ),
  fc
    .tuple(
      fc.nat(),
      fc.nat(8),
      fc.array(fc.constantFrom(0, 1, 1, 2, 2, 2, 3, 4), { minLength: 1, maxLength: 9 }),
      fc.boolean(),
      fc.boolean()
    )
    .map(
      ([from, more, types, one, stored]): Step =>
        (world) => {
          const first = world.state.startOffset + (from % 20)
          const last = one ? first + more : first + types.length - 1
          const holder = world.model[first]?.holder ?? 'a'
          world.acknowledge(holder, first, last, one ? types.slice(0, 1) : types, stored)
        }
    ),
  fc.tuple(member, fc.boolean()).map(
    ([who, stored]): Step =>
      (world) =>
        world.release(who, stored)
  ),
  fc.nat().map(
    (place): Step =>
      (world) =>
        world.settle(place)
  ),
  fc.nat(120).map(
    (ms): Step =>
      (world) =>
        world.advance(ms)
  ),
  fc.constant<Step>((world) => world.restart())
)

it('every record is acknowledged, archived or given again; none is held twice or delivered after its end', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 3, maxLength: 12 })
  fc.assert(
    fc.property(sizes, fc.array(step, { minLength: 5, maxLength: 80 }), (batches, steps) => {
      const world = new World(batches)
      for (const take of steps) take(world)
      world.drain()
    }),
    { numRuns: 1_500 }
  )
})
