import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { sleep } from '../runtime/clock.ts'
import { Fault, isFault } from '../runtime/fault.ts'
import { settle, VirtualClock } from '../runtime/virtual-clock.ts'
import { ConcurrencyLimit, type LimitState, limitAfter, type Outcome } from './concurrency-limit.ts'

const bounds = { min: 1, max: 64 }
const slowDown = new Fault('unavailable', 'slow down')
const limitOf = (clock: VirtualClock, start: number) =>
  new ConcurrencyLimit({ clock, bounds, start, isThrottling: (error) => error === slowDown })

test('a burst of refusals halves the limit once, later refusals halve it again', () => {
  const throttled = (startedAt: number, now: number): Outcome => ({ kind: 'throttled', startedAt, now, inFlight: 8 })
  let state: LimitState = { limit: 40, halvedAt: Number.NEGATIVE_INFINITY }
  for (const now of [100, 101, 102]) state = limitAfter(state, throttled(50, now), bounds)
  assert.deepEqual(state, { limit: 20, halvedAt: 100 })
  assert.equal(limitAfter(state, throttled(100, 150), bounds).limit, 10)
})

test('answers raise the limit only while it is reached, other failures never move it', () => {
  const state: LimitState = { limit: 10, halvedAt: 0 }
  const at = { startedAt: 1, now: 2 }
  assert.equal(limitAfter(state, { kind: 'answered', ...at, inFlight: 9 }, bounds), state)
  assert.equal(limitAfter(state, { kind: 'failed', ...at, inFlight: 10 }, bounds), state)
  assert.equal(limitAfter(state, { kind: 'answered', ...at, inFlight: 10 }, bounds).limit, 10.1)
})

test('the limit never leaves its bounds', () => {
  const kind = fc.constantFrom('answered' as const, 'throttled' as const, 'failed' as const)
  fc.assert(
    fc.property(fc.array(fc.tuple(kind, fc.nat(100), fc.nat(80))), (outcomes) => {
      let state: LimitState = { limit: 8, halvedAt: Number.NEGATIVE_INFINITY }
      outcomes.forEach(([kind, startedAt, inFlight], now) => {
        state = limitAfter(state, { kind, startedAt, now, inFlight }, bounds)
        assert.ok(state.limit >= bounds.min && state.limit <= bounds.max)
      })
    })
  )
})

test('work beyond the limit waits its turn, in order', async () => {
  const clock = new VirtualClock()
  const limit = limitOf(clock, 2)
  const begun: number[] = []
  const done = Promise.all(
    [0, 1, 2, 3, 4].map((index) =>
      limit.run(async () => {
        begun.push(index)
        await sleep(clock, 10)
      })
    )
  )
  await settle()
  assert.deepEqual(begun, [0, 1])
  assert.deepEqual([limit.inFlight, limit.waiting], [2, 3])
  await clock.advance(10)
  assert.deepEqual(begun.slice(0, 4), [0, 1, 2, 3])
  await clock.advance(20)
  await done
  assert.deepEqual(begun, [0, 1, 2, 3, 4])
  assert.equal(limit.inFlight, 0)
})

test('a failure passes through and gives its place back', async () => {
  const limit = limitOf(new VirtualClock(), 1)
  const failure = new Error('no such thing')
  await assert.rejects(
    limit.run(() => Promise.reject(failure)),
    (error) => error === failure
  )
  assert.equal(await limit.run(async () => 7), 7)
  assert.equal(limit.inFlight, 0)
})

test('closing refuses who waits and who comes, and leaves alone what runs', async () => {
  const clock = new VirtualClock()
  const limit = limitOf(clock, 1)
  const running = limit.run(async () => {
    await sleep(clock, 5)
    return 'done'
  })
  const waiting = limit.run(async () => assert.fail('it was refused'))
  limit.close()
  await assert.rejects(waiting, (error) => isFault(error, 'closed'))
  await assert.rejects(
    limit.run(async () => {}),
    (error) => isFault(error, 'closed')
  )
  await clock.advance(5)
  assert.equal(await running, 'done')
})

/** A store that bears `capacity` requests of 20 ms at once and refuses more. Share of refused requests in the end. */
async function refusedShare(start: number, capacity: number): Promise<{ limit: number; share: number }> {
  const clock = new VirtualClock()
  const limit = limitOf(clock, start)
  let busy = 0
  const counts = { asked: 0, refused: 0 }
  const request = async (): Promise<void> => {
    counts.asked++
    if (busy >= capacity) {
      counts.refused++
      throw slowDown
    }
    busy++
    await sleep(clock, 20)
    busy--
  }
  const client = async (): Promise<void> => {
    while (clock.monotonic() < 20_000) {
      await limit.run(request).catch(() => sleep(clock, 50))
    }
  }
  const clients = Promise.all(Array.from({ length: 100 }, client))
  await clock.advance(10_000)
  Object.assign(counts, { asked: 0, refused: 0 })
  await clock.advance(11_000)
  await clients
  return { limit: limit.limit, share: counts.refused / counts.asked }
}

test('the limit finds what a store bears, from above and from below', async () => {
  for (const start of [64, 1]) {
    const { limit, share } = await refusedShare(start, 16)
    assert.ok(limit >= 7 && limit <= 18, `limit ${limit} for a store that bears 16 (start ${start})`)
    assert.ok(share > 0 && share < 0.02, `${share} of the requests were refused (start ${start})`)
  }
})
