import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { sleep } from '../../runtime/clock.ts'
import { isFault } from '../../runtime/fault.ts'
import { settle, VirtualClock } from '../../runtime/virtual-clock.ts'
import { PriorityTransferBudget, type TransferLimits } from './priority-transfer-budget.ts'
import type { TransferClass } from './transfer-budget.ts'

/** A budget whose transfers take 10 ms each, and what happened on it. */
function bench(limits: Partial<TransferLimits> = {}) {
  const clock = new VirtualClock()
  const budget = new PriorityTransferBudget({
    clock,
    bytesInFlightMax: 100,
    requestsInFlightMax: 8,
    bytesPerSecond: 0,
    ...limits
  })
  const started: string[] = []
  let bytesInFlight = 0
  let bytesInFlightMost = 0
  const transfer = (kind: TransferClass, bytes: number, name: string = kind, ms = 10) => {
    const promotion: { promote?: () => void } = {}
    const asked = clock.monotonic()
    const waited = budget.run(
      kind,
      bytes,
      async () => {
        started.push(name)
        bytesInFlight += bytes
        bytesInFlightMost = Math.max(bytesInFlightMost, bytesInFlight)
        const waitedMs = clock.monotonic() - asked
        await sleep(clock, ms)
        bytesInFlight -= bytes
        return waitedMs
      },
      (promote) => {
        promotion.promote = promote
      }
    )
    return { waited, promotion }
  }
  return { clock, budget, started, transfer, most: () => bytesInFlightMost }
}

it('a demand read starts at once beside any flood of read-ahead and compaction', async () => {
  const { clock, transfer, most } = bench()
  const flood = Array.from({ length: 60 }, (_, at) => transfer(at % 2 ? 'compaction' : 'read-ahead', 20).waited)
  await clock.advance(15)
  const demand = transfer('demand', 25)
  await clock.advance(10)
  assert.equal(await demand.waited, 0)
  await clock.advance(10_000)
  await Promise.all(flood)
  assert.ok(most() <= 100, `${most()} bytes were in flight`)
})

it('waiting demand goes before read-ahead, and read-ahead before compaction', async () => {
  const { clock, started, transfer } = bench({ requestsInFlightMax: 1 })
  const all = (['compaction', 'compaction', 'read-ahead', 'read-ahead', 'demand', 'demand'] as const).map((kind) =>
    transfer(kind, 1)
  )
  await clock.advance(1_000)
  await Promise.all(all.map(({ waited }) => waited))
  // The first was alone when it came.
  assert.deepEqual(started, ['compaction', 'demand', 'demand', 'read-ahead', 'read-ahead', 'compaction'])
})

it('compaction gets a sixteenth of the bytes under endless demand and read-ahead', async () => {
  const { clock, budget, transfer } = bench()
  const busy = { on: true }
  const endless = async (kind: TransferClass, bytes: number) => {
    while (busy.on) await transfer(kind, bytes).waited
  }
  const loops = Array.from({ length: 12 }, (_, at) => endless(at % 2 ? 'demand' : 'read-ahead', 10 + at))
  const compaction = [endless('compaction', 12), endless('compaction', 30)]
  await clock.advance(10_000)
  busy.on = false
  const { classes } = budget.stats()
  const share =
    classes.compaction.bytes / (classes.compaction.bytes + classes.demand.bytes + classes['read-ahead'].bytes)
  assert.ok(share > 1 / 18 && share < 1 / 14, `compaction had ${share} of the bytes`)
  await clock.advance(1_000)
  await Promise.all([...loops, ...compaction])
})

it('a large compaction transfer gets its turn under an endless flood of small read-ahead and demand', async () => {
  const { clock, transfer } = bench({ requestsInFlightMax: 100 })
  const busy = { on: true }
  const endless = async (kind: TransferClass, at: number) => {
    while (busy.on) await transfer(kind, 5, kind, 5 + at).waited
  }
  const loops = Array.from({ length: 40 }, (_, at) => endless(at % 2 ? 'demand' : 'read-ahead', at))
  const compaction = transfer('compaction', 75)
  await clock.advance(2_000)
  busy.on = false
  assert.ok((await compaction.waited) < 1_500)
  await clock.advance(1_000)
  await Promise.all(loops)
})

it('a transfer larger than everything runs, alone in its class', async () => {
  const { clock, started, transfer } = bench()
  const small = transfer('demand', 10, 'small')
  const huge = transfer('demand', 1_000, 'huge', 50)
  const after = transfer('demand', 10, 'after')
  const background = transfer('read-ahead', 1_000, 'background')
  assert.deepEqual(started, ['small'])
  await clock.advance(11)
  assert.deepEqual(started, ['small', 'huge'])
  await clock.advance(50)
  assert.deepEqual(started, ['small', 'huge', 'after', 'background'])
  const beside = transfer('demand', 15, 'beside')
  await clock.advance(100)
  assert.equal(await beside.waited, 0)
  await Promise.all([small.waited, huge.waited, after.waited, background.waited])
})

it('a transfer that somebody comes to wait for is promoted past its class', async () => {
  const { clock, started, transfer } = bench({ requestsInFlightMax: 1 })
  const names = ['a', 'b', 'c']
  const all = names.map((name) => transfer('read-ahead', 1, name))
  all[0]?.promotion.promote?.()
  all[2]?.promotion.promote?.()
  const demand = transfer('demand', 1, 'demand')
  await clock.advance(100)
  all[2]?.promotion.promote?.()
  assert.equal(all[0]?.promotion.promote, undefined)
  assert.deepEqual(started, ['a', 'c', 'demand', 'b'])
  await Promise.all([...all, demand].map(({ waited }) => waited))
})

it('no more bytes start per second than allowed, and demand waits for one background transfer at most', async () => {
  const { clock, budget, transfer } = bench({ bytesPerSecond: 1_000, bytesInFlightMax: 10_000 })
  const flood = Array.from({ length: 100 }, () => transfer('read-ahead', 300).waited)
  await clock.advance(5_000)
  const { bytes } = budget.stats().classes['read-ahead']
  // A second's worth at first, five seconds' after that; the last may have overdrawn.
  assert.ok(bytes >= 5_000 && bytes <= 6_300, `${bytes} bytes started in 5 s`)
  const demand = transfer('demand', 50)
  await clock.advance(1_000)
  assert.ok((await demand.waited) <= 60, `demand waited ${await demand.waited} ms`)
  await clock.advance(60_000)
  await Promise.all(flood)
})

it('what fails gives its room back and rejects only its own caller', async () => {
  const { clock, budget, transfer } = bench({ requestsInFlightMax: 1 })
  const failing = budget.run('demand', 1, () => Promise.reject(new RangeError('mine')))
  const throwing = budget.run('demand', 1, () => {
    throw new RangeError('mine, too')
  })
  const fine = transfer('compaction', 1)
  await assert.rejects(failing, RangeError)
  await assert.rejects(throwing, RangeError)
  await clock.advance(100)
  assert.equal(await fine.waited, 0)
  assert.deepEqual([budget.stats().bytesInFlight, budget.stats().requestsInFlight], [0, 0])
})

it('closing rejects who waits and who comes later, and lets what runs end', async () => {
  const { clock, budget, transfer } = bench({ requestsInFlightMax: 1, bytesPerSecond: 1 })
  const running = transfer('demand', 10)
  const waiting = (['demand', 'read-ahead', 'compaction'] as const).map((kind) => transfer(kind, 1).waited)
  budget.close()
  for (const rejected of [...waiting, transfer('demand', 1).waited]) {
    await assert.rejects(rejected, (error) => isFault(error, 'closed'))
  }
  await clock.advance(10)
  assert.equal(await running.waited, 0)
  assert.equal(clock.sleeping, 0)
})

it('limits that can let nothing pass are refused', () => {
  for (const wrong of [{ bytesInFlightMax: 0 }, { requestsInFlightMax: 0 }, { bytesPerSecond: -1 }]) {
    assert.throws(
      () => bench(wrong),
      (error) => isFault(error, 'invalid')
    )
  }
})

it('whatever comes, limits hold, everything runs once, and each class in its own order', async () => {
  const kinds = fc.constantFrom<TransferClass>('demand', 'read-ahead', 'compaction')
  const step = fc.record({ kind: kinds, bytes: fc.integer({ min: 1, max: 150 }), ms: fc.nat(30), pause: fc.nat(20) })
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom(0, 500, 5_000),
      async (steps, requestsInFlightMax, bytesPerSecond) => {
        const { clock, budget, started, transfer } = bench({ requestsInFlightMax, bytesPerSecond })
        const all: Promise<number>[] = []
        for (const [at, { kind, bytes, ms, pause }] of steps.entries()) {
          all.push(transfer(kind, bytes, `${kind} ${at}`, ms).waited)
          const { bytesInFlight, requestsInFlight } = budget.stats()
          assert.ok(bytesInFlight <= 100 && requestsInFlight <= requestsInFlightMax)
          if (pause > 10) await clock.advance(pause)
        }
        await clock.advance(60_000)
        await settle()
        await Promise.all(all)
        for (const wanted of ['demand', 'read-ahead', 'compaction']) {
          const names = steps.map(({ kind }, at) => `${kind} ${at}`).filter((name) => name.startsWith(wanted))
          assert.deepEqual(
            started.filter((name) => name.startsWith(wanted)),
            names
          )
        }
      }
    ),
    { numRuns: 200 }
  )
})
