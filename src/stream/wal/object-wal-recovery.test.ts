/** Replay, take-over and fencing of the object WAL: single cases; random ones stand in `object-wal-owners.test.ts`. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { listed } from '../../object-store/object-store-contract.ts'
import { isFault } from '../../runtime/fault.ts'
import { Bench, callsOf, upTo } from './object-wal-fixture.ts'
import { encodeMark, keyOf } from './object-wal-place.ts'

/** A log of so many entries, each in an object of its own. */
async function filled(entries: number) {
  const bench = new Bench()
  const wal = await bench.open()
  for (let number = 0; number < entries; number++) {
    bench.append(wal, 100)
    await bench.clock.advance(100)
  }
  return { bench, wal }
}

it('a replay waits for a store that is away', async () => {
  const bench = new Bench()
  const wal = await bench.open()
  bench.append(wal, 100)
  await bench.clock.advance(100)
  bench.store.faults.outage = true
  bench.clock.after(10_000, () => {
    bench.store.faults.outage = false
  })
  assert.deepEqual(await bench.recovered(), [0])
})

it('an object that is damaged is named', async () => {
  const { bench } = await filled(5)
  const key = keyOf(1, { epoch: 1, sequence: 4 })
  const bytes = await bench.inner.get(key)
  bytes.writeUInt8(bytes.readUInt8(100) ^ 4, 100)
  await bench.inner.put(key, [bytes])
  await assert.rejects(bench.recovered(), (fault) => isFault(fault, 'corrupt') && fault.message.includes(key))
})

it('an object that is lost is named, and no fence is written in its place', async () => {
  const { bench } = await filled(5)
  const key = keyOf(1, { epoch: 1, sequence: 4 })
  await bench.inner.delete([key])
  await assert.rejects(bench.recovered(), (fault) => isFault(fault, 'corrupt') && fault.message.includes(key))
  await assert.rejects(bench.inner.get(key), (fault) => isFault(fault, 'missing'))
})

it('a mark from before a trim and a take-over is refused, not taken for an empty log', async () => {
  const bench = new Bench()
  const first = await bench.open()
  bench.append(first, 100)
  await bench.clock.advance(100)
  const old = first.mark(0)
  const second = await bench.open()
  bench.mark = second.mark(bench.outcomes[0]?.end ?? 0)
  await second.trim(bench.outcomes[0]?.end ?? 0)
  bench.append(second, 100)
  await bench.clock.advance(1000)
  bench.mark = old
  await assert.rejects(bench.recovered(), (fault) => isFault(fault, 'corrupt'))
})

it('what an earlier owner left before the mark is removed, fences and the rest stay', async () => {
  const { bench, wal } = await filled(6)
  bench.mark = wal.mark(bench.outcomes[3]?.end ?? 0)
  assert.equal(bench.mark, encodeMark({ epoch: 1, sequence: 6 }))
  const again = await bench.open()
  await bench.clock.advance(1000)
  assert.deepEqual(
    (await listed(bench.inner, 'wal/')).map(({ key }) => key),
    [keyOf(1, { epoch: 0, sequence: 1 }), ...[6, 7, 8].map((sequence) => keyOf(1, { epoch: 1, sequence }))]
  )
  await bench.within(1000, again.close())
  assert.deepEqual(await bench.recovered(), [4, 5])
})

it('a replay reads ahead: many objects take far less than their latencies one after the other', async () => {
  const bench = new Bench()
  const wal = await bench.open()
  for (let number = 0; number < 100; number++) {
    bench.append(wal, 100)
    await bench.clock.advance(30)
  }
  const began = bench.clock.monotonic()
  assert.deepEqual(await bench.recovered(), upTo(100))
  const tookMs = bench.clock.monotonic() - began
  assert.ok(tookMs < 100 * 20 * 0.35, `${tookMs} ms for 100 objects of 20 ms`)
})

it('a mark of another kind of log is refused with what to do', async () => {
  const bench = new Bench()
  bench.mark = 'file:4096'
  await assert.rejects(bench.recovered(), (fault) => isFault(fault, 'invalid') && /--wal/.test(fault.message))
})

it('an owner whose log was taken acknowledges nothing more and refuses appends for good', async () => {
  const bench = new Bench()
  const zombie = await bench.open()
  bench.append(zombie, 100)
  await bench.clock.advance(100)
  assert.deepEqual(await bench.recovered(), [0])
  for (let number = 0; number < 3; number++) bench.append(zombie, 100)
  await bench.clock.advance(1000)
  bench.append(zombie, 100)
  await bench.clock.advance(1000)
  assert.deepEqual(
    bench.outcomes.map(({ number, fault }) => `${number} ${fault?.kind}`),
    ['0 undefined', '1 fenced', '2 fenced', '3 fenced', '4 fenced']
  )
  await bench.within(1000, zombie.close())
  assert.equal(bench.clock.sleeping, 0)
})

it('a late PUT behind the fence counts for nothing', async () => {
  const bench = new Bench()
  const zombie = await bench.open({ batchBytesMax: 100 })
  // The first of three PUTs is lost, the others arrive.
  const { put } = bench.inner
  let lost = true
  bench.inner.put = async (key, parts, options) => {
    if (lost) {
      lost = false
      await new Promise<void>((resolve) => bench.clock.after(50_000, resolve))
    }
    return put.call(bench.inner, key, parts, options)
  }
  for (let number = 0; number < 3; number++) bench.append(zombie, 200)
  await bench.clock.advance(100)
  assert.equal((await listed(bench.inner, 'wal/1/0000000001/')).length, 2)
  assert.deepEqual(await bench.recovered(), [])
  await bench.clock.advance(60_000)
  assert.deepEqual(
    bench.outcomes.map(({ fault }) => fault?.kind),
    ['fenced', 'fenced', 'fenced']
  )
  assert.deepEqual(await bench.recovered(), [])
})

it('an owner that a newer one overtook during its replay gives up', async () => {
  const bench = new Bench()
  const slow = bench.prepare()
  const fast = await bench.open()
  bench.append(fast, 100)
  await bench.clock.advance(100)
  await assert.rejects(
    bench.within(
      1000,
      slow.replay(() => {})
    ),
    (fault) => isFault(fault, 'fenced')
  )
  bench.append(fast, 100)
  await bench.clock.advance(100)
  assert.deepEqual(bench.acknowledged, [0, 1])
  assert.deepEqual(await bench.recovered(), [0, 1])
})

it('an owner that reads an old mark while a newer one commits and trims gives up', async () => {
  const bench = new Bench()
  const first = await bench.open()
  bench.append(first, 100)
  await bench.clock.advance(100)
  bench.mark = first.mark(0)
  let held = true
  const slow = bench.prepare({
    loadMark: async () => {
      const { mark } = bench
      if (held) await new Promise<void>((resolve) => bench.clock.after(5_000, resolve))
      held = false
      return mark
    },
    // Sees none of the objects that would prove it wrong.
    store: { ...callsOf(bench.store), list: () => bench.inner.list('nothing/') }
  })
  const replay = slow.replay(() => {})
  replay.catch(() => {})
  await bench.clock.advance(0)
  const fast = await bench.open()
  bench.mark = fast.mark(bench.outcomes[0]?.end ?? 0)
  await fast.trim(bench.outcomes[0]?.end ?? 0)
  await assert.rejects(bench.within(20_000, replay), (fault) => isFault(fault, 'fenced'))
  bench.append(fast, 100)
  await bench.clock.advance(100)
  assert.deepEqual(await bench.recovered(), [1])
})

it('an epoch that was used before is refused', async () => {
  const bench = new Bench()
  await bench.open()
  const second = bench.prepare({ epoch: 1 })
  await assert.rejects(
    bench.within(
      1000,
      second.replay(() => {})
    ),
    (fault) => isFault(fault, 'fenced')
  )
})

it('closing a log right after it was taken over leaves it for the next owner', async () => {
  const bench = new Bench()
  for (let opening = 0; opening < 5; opening++) {
    const wal = await bench.open()
    bench.append(wal, 10)
    await bench.within(1000, wal.close())
    assert.deepEqual(await bench.recovered(), upTo(opening + 1))
  }
})
