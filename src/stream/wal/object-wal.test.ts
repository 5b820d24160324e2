/** Batches, acknowledgements, hedges, limits: what the owner of an object WAL relies on, in virtual time. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { ObjectStore } from '../../object-store/object-store.ts'
import { listed } from '../../object-store/object-store-contract.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import { silentLog } from '../../runtime/log.ts'
import { seededRandom } from '../../runtime/random.ts'
import { Bench, callsOf, upTo } from './object-wal-fixture.ts'
import { appended, recordOf, replayed, withoutEnd } from './wal-contract.ts'

it('an append after idle leaves at once; what comes meanwhile gathers and leaves when nothing is under way', async () => {
  const bench = new Bench()
  const wal = await bench.open()
  bench.calls.length = 0
  bench.append(wal, 100)
  await bench.clock.advance(0)
  assert.equal(bench.calls.length, 1)
  for (let number = 0; number < 10; number++) {
    bench.append(wal, 100)
    await bench.clock.advance(1)
  }
  await bench.clock.advance(30)
  assert.deepEqual(bench.acknowledged, upTo(11))
  assert.deepEqual(bench.calls, ['put wal/1/0000000001/000000000002', 'put wal/1/0000000001/000000000003'])
  assert.deepEqual(bench.outcomes.map(({ afterMs }) => afterMs).slice(0, 2), [20, 40])
})

it('while a slow PUT is under way, a batch leaves after its age, or at once when it is full', async () => {
  const bench = new Bench()
  const wal = await bench.open({ batchAgeMs: 250, batchBytesMax: 10_000 })
  bench.store.faults.latencyMs = { min: 1000, max: 1000 }
  bench.calls.length = 0
  bench.append(wal, 100)
  await bench.clock.advance(10)
  bench.append(wal, 100)
  await bench.clock.advance(100)
  bench.append(wal, 100)
  await bench.clock.advance(149)
  assert.equal(bench.calls.length, 1)
  await bench.clock.advance(1)
  assert.equal(bench.calls.length, 2)
  for (let number = 0; number < 10; number++) bench.append(wal, 3000)
  await bench.clock.advance(0)
  assert.equal(bench.calls.length, 4, 'two full batches beside the two that were under way')
  await bench.clock.advance(2500)
  assert.deepEqual(bench.acknowledged, upTo(13))
})

it('an entry larger than a batch goes alone, one larger than the limit is refused', async () => {
  const bench = new Bench()
  const wal = await bench.open({ batchBytesMax: 1000, payloadBytesMax: 5000 })
  bench.calls.length = 0
  for (const bytes of [100, 100, 5000, 100, 5001]) bench.append(wal, bytes)
  await bench.clock.advance(1000)
  assert.deepEqual(bench.acknowledged, [0, 1, 2, 3])
  assert.equal(bench.calls.length, 3)
  assert.equal(bench.outcomes.find(({ number }) => number === 4)?.fault?.kind, 'invalid')
})

it('a batch holds at most as many records as positions can tell apart', async () => {
  const bench = new Bench()
  const wal = await bench.open()
  const record = recordOf(0, 0)
  let last = 0
  for (let number = 0; number < 70_000; number++) {
    wal.append(
      record,
      (end) => {
        assert.ok(end > last)
        last = end
      },
      assert.fail
    )
  }
  await bench.clock.advance(100)
  assert.equal(wal.pendingBytes, 0)
  assert.ok(last > 0)
})

it('no more batches are under way than allowed, and closing sends the rest', async () => {
  const bench = new Bench()
  const wal = await bench.open({ batchBytesMax: 1000, inFlightMax: 3 })
  bench.calls.length = 0
  for (let number = 0; number < 50; number++) bench.append(wal, 900)
  await bench.clock.advance(0)
  assert.equal(bench.calls.length, 3)
  await bench.within(1000, wal.close())
  assert.deepEqual(bench.acknowledged, upTo(50))
  assert.equal(bench.clock.sleeping, 0)
})

it('acknowledges in order, whatever order the PUTs are answered in', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const bench = new Bench(seed)
    const wal = await bench.open({ batchBytesMax: 2000, hedging: { share: 0.5, delayMsMin: 5 } })
    bench.store.faults.latencyMs = { min: 1, max: 900 }
    bench.calls.length = 0
    for (let number = 0; number < 300; number++) {
      bench.append(wal, (number * 37) % 1500)
      await bench.clock.advance((number * 7) % 30)
    }
    while (wal.pendingBytes > 0) await bench.clock.advance(100)
    assert.deepEqual(bench.acknowledged, upTo(300), `seed ${seed}`)
    // A hedge that comes second may be answered first, with a refusal that says nothing: only then is anything read.
    const reads = bench.calls.filter((call) => !call.startsWith('put'))
    assert.equal(reads.length, wal.putCounts.readBacks)
    assert.ok(wal.putCounts.readBacks <= wal.putCounts.hedges)
    assert.deepEqual(await bench.recovered(), upTo(300), `seed ${seed}`)
  }
})

it('acknowledging sends no GET, HEAD or LIST as long as no PUT is refused', async () => {
  const bench = new Bench()
  const wal = await bench.open({ hedging: { share: 0 } })
  bench.calls.length = 0
  for (let number = 0; number < 200; number++) {
    bench.append(wal, 300)
    await bench.clock.advance(7)
  }
  await bench.within(1000, wal.close())
  assert.equal(bench.acknowledged.length, 200)
  assert.deepEqual(
    bench.calls.filter((call) => !call.startsWith('put')),
    []
  )
})

it('appends survive errors before and after the effect: nothing is lost, doubled or out of order', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const bench = new Bench(seed)
    bench.store.faults.errorsBefore = 0.2
    bench.store.faults.errorsAfter = 0.2
    const wal = await bench.open({ batchBytesMax: 3000 })
    for (let number = 0; number < 200; number++) {
      bench.append(wal, 700)
      await bench.clock.advance(number % 5 === 0 ? 60 : 3)
    }
    while (wal.pendingBytes > 0) await bench.clock.advance(100)
    assert.deepEqual(bench.acknowledged, upTo(200), `seed ${seed}`)
    assert.ok(wal.putCounts.retries > 0 && wal.putCounts.readBacks > 0)
    assert.deepEqual(await bench.recovered(), upTo(200), `seed ${seed}`)
  }
})

it('a minute of outage under load loses nothing and ends by itself', async () => {
  const bench = new Bench()
  const warnings: string[] = []
  const log = { ...silentLog, warn: (_: unknown, message: string) => warnings.push(message) }
  const wal = await bench.open({ log })
  const load = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 50) {
      bench.append(wal, 500)
      await bench.clock.advance(50)
    }
  }
  await load(1000)
  bench.store.faults.outage = true
  await load(60_000)
  assert.equal(wal.stalled, 'store-unavailable')
  assert.ok(wal.pendingBytes > 500_000)
  assert.equal(warnings.length, 1, 'an outage is told once')
  bench.store.faults.outage = false
  await load(10_000)
  assert.equal(wal.stalled, undefined)
  await bench.within(1000, wal.close())
  assert.deepEqual(bench.acknowledged, upTo(1420))
  assert.deepEqual(await bench.recovered(), upTo(1420))
})

it('the log goes on after credentials that were refused for a while', async () => {
  const bench = new Bench()
  let refused = false
  const put: ObjectStore['put'] = async (key, parts, options) => {
    if (refused) throw new Fault('invalid', 'access denied')
    return bench.inner.put(key, parts, options)
  }
  const wal = await bench.open({ store: { ...callsOf(bench.inner), put } })
  refused = true
  bench.append(wal, 100)
  await bench.clock.advance(10_000)
  assert.equal(wal.stalled, 'store-unavailable')
  refused = false
  await bench.clock.advance(10_000)
  assert.deepEqual(bench.acknowledged, [0])
})

it('the log takes what a throttling store gives, without flooding it', async () => {
  const bench = new Bench()
  let free = 0
  const put: ObjectStore['put'] = async (key, parts, options) => {
    if (bench.clock.monotonic() < free) throw new Fault('unavailable', 'SlowDown')
    free = bench.clock.monotonic() + 500
    return bench.inner.put(key, parts, options)
  }
  const wal = await bench.open({ store: { ...callsOf(bench.inner), put } })
  for (let number = 0; number < 400; number++) {
    bench.append(wal, 100)
    await bench.clock.advance(100)
  }
  while (wal.pendingBytes > 0) await bench.clock.advance(100)
  assert.deepEqual(bench.acknowledged, upTo(400))
  const { puts, retries } = wal.putCounts
  assert.ok(puts - retries < 100, `${puts - retries} batches at two each second`)
  assert.ok(retries < 400, `${retries} retries in about 40 seconds`)
})

it('a store that is closed beneath it ends the log', async () => {
  const bench = new Bench()
  const wal = await bench.open()
  await bench.inner.close()
  bench.append(wal, 100)
  await bench.clock.advance(1000)
  bench.append(wal, 100)
  await bench.clock.advance(0)
  assert.deepEqual(
    bench.outcomes.map(({ fault }) => fault?.kind),
    ['closed', 'closed']
  )
})

it('an acknowledgement takes the wait for its batch, at most 250 ms or one PUT, and one PUT', async () => {
  for (const latencyMs of [30, 100, 400]) {
    const bench = new Bench()
    bench.store.faults.latencyMs = { min: latencyMs, max: latencyMs }
    const wal = await bench.open()
    for (let number = 0; number < 500; number++) {
      bench.append(wal, 500)
      await bench.clock.advance(5)
    }
    await bench.clock.advance(1000)
    assert.deepEqual(bench.acknowledged, upTo(500))
    const slowest = Math.max(...bench.outcomes.map(({ afterMs }) => afterMs))
    assert.ok(slowest <= Math.min(250, latencyMs) + 1.1 * latencyMs, `${slowest} ms over a store of ${latencyMs} ms`)
    assert.equal(wal.putCounts.hedges, 0)
  }
})

it('PUTs that hang now and then hardly show, for a few more PUTs in a hundred', async () => {
  const bench = new Bench()
  const random = seededRandom(5)
  const put: ObjectStore['put'] = async (key, parts, options) => {
    const latencyMs = random.int(100) === 0 ? 3_000 : 30 + random.int(30)
    await new Promise<void>((resolve) => bench.clock.after(latencyMs, resolve))
    return bench.inner.put(key, parts, options)
  }
  const wal = await bench.open({ store: { ...callsOf(bench.inner), put } })
  for (let number = 0; number < 5000; number++) {
    bench.append(wal, 100)
    await bench.clock.advance(20)
    if (number % 100 === 0) await wal.trim(bench.outcomes.at(-1)?.end ?? 0)
  }
  await bench.clock.advance(5000)
  assert.deepEqual(bench.acknowledged, upTo(5000))
  const sorted = bench.outcomes.map(({ afterMs }) => afterMs).toSorted((a, b) => a - b)
  assert.ok((sorted[4950] ?? 0) < 300, `99 % are acknowledged within ${sorted[4950]} ms`)
  const { hedges, puts } = wal.putCounts
  assert.ok(hedges > 0 && hedges < puts * 0.05, `${hedges} of ${puts} PUTs were hedges`)
})

it('a PUT that hangs is sent again, and its late effect does no harm', async () => {
  const bench = new Bench()
  let hang = false
  const put: ObjectStore['put'] = async (key, parts, options) => {
    await new Promise<void>((resolve) => bench.clock.after(hang ? 30_000 : 20, resolve))
    return bench.inner.put(key, parts, options)
  }
  const wal = await bench.open({ store: { ...callsOf(bench.inner), put } })
  for (let number = 0; number < 50; number++) {
    bench.append(wal, 100)
    await bench.clock.advance(100)
  }
  hang = true
  bench.append(wal, 100)
  await bench.clock.advance(0)
  hang = false
  await bench.clock.advance(200)
  assert.equal(bench.outcomes.at(-1)?.number, 50)
  assert.equal(bench.outcomes.at(-1)?.afterMs, 70, 'the least wait for a hedge, and its PUT')
  assert.equal(wal.putCounts.hedgesWon, 1)
  await bench.clock.advance(60_000)
  bench.append(wal, 100)
  await bench.within(1000, wal.close())
  assert.deepEqual(await bench.recovered(), upTo(52))
})

it('a log at its limit makes appends wait, in order, until it is trimmed', async () => {
  const bench = new Bench()
  const wal = await bench.open({ bytesMax: 20_000, batchBytesMax: 3000 })
  for (let number = 0; number < 60; number++) bench.append(wal, 1000)
  await bench.clock.advance(5000)
  assert.equal(wal.stalled, 'log-full')
  const fits = bench.acknowledged.length
  assert.ok(fits >= 14 && fits < 20, `${fits} appends fit`)
  for (let round = 0; round < 10; round++) {
    await wal.trim(bench.outcomes.at(-1)?.end ?? 0)
    await bench.clock.advance(5000)
    assert.ok((await listed(bench.inner, 'wal/')).reduce((sum, { size }) => sum + size, 0) <= 20_000 + 128)
  }
  assert.deepEqual(bench.acknowledged, upTo(60))
  assert.equal(wal.stalled, undefined)
})

it('deletes that fail are tried again and disturb no append', async () => {
  const bench = new Bench()
  const wal = await bench.open({
    store: { ...callsOf(bench.store), put: callsOf(bench.inner).put }
  })
  for (let number = 0; number < 10; number++) {
    bench.append(wal, 100)
    await bench.clock.advance(100)
  }
  bench.store.faults.outage = true
  await wal.trim(bench.outcomes.at(-1)?.end ?? 0)
  assert.equal(wal.bytes, 0)
  for (let number = 0; number < 10; number++) {
    bench.append(wal, 100)
    await bench.clock.advance(1000)
  }
  assert.equal(bench.acknowledged.length, 20)
  assert.equal((await listed(bench.inner, 'wal/')).length, 21)
  bench.store.faults.outage = false
  await bench.clock.advance(10_000)
  assert.equal((await listed(bench.inner, 'wal/')).length, 11)
})

it('closing ends although the store is away, and fails what it could not store', async () => {
  const bench = new Bench()
  const wal = await bench.open({ closeMsMax: 2000 })
  bench.store.faults.outage = true
  for (let number = 0; number < 3; number++) bench.append(wal, 100)
  await bench.clock.advance(500)
  const began = bench.clock.monotonic()
  await bench.within(3000, wal.close())
  assert.ok(bench.clock.monotonic() - began <= 2010)
  assert.deepEqual(
    bench.outcomes.map(({ number, fault }) => `${number} ${fault?.kind}`),
    ['0 closed', '1 closed', '2 closed']
  )
  assert.ok(bench.clock.sleeping <= 1, 'at most the request under way is left')
  await bench.clock.advance(100)
  assert.equal(bench.clock.sleeping, 0)
})

it('closing ends a replay that waits for the store', async () => {
  const bench = new Bench()
  bench.store.faults.outage = true
  const wal = bench.prepare()
  const replay = assert.rejects(
    wal.replay(() => {}),
    (fault) => isFault(fault, 'closed')
  )
  await bench.clock.advance(60_000)
  await bench.within(10_000, wal.close())
  await bench.within(1000, replay)
  assert.equal(bench.clock.sleeping, 0)
})

it('records come back with their bytes, from many batches of all sizes', async () => {
  const bench = new Bench()
  const wal = await bench.open({ batchBytesMax: 20_000 })
  const records = Array.from({ length: 80 }, (_, number) =>
    recordOf(number, [0, 10, 2047, 2049, 9000][number % 5] ?? 0)
  )
  const all = Promise.all(records.map((record) => appended(wal, record)))
  await bench.within(1000, all)
  const again = bench.prepare()
  const found = await bench.within(5000, replayed(again))
  assert.deepEqual(found.map(withoutEnd), records)
  assert.deepEqual(
    found.map(({ end }) => end),
    await all
  )
  assert.ok(again.bytes > wal.bytes * 0.99)
})
