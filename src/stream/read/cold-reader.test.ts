import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../../runtime/fault.ts'
import { type Random, seededRandom } from '../../runtime/random.ts'
import { settle } from '../../runtime/virtual-clock.ts'
import type { Entry } from '../entry.ts'
import { ColdReadFixture, plainEntries, sparseEntries } from './cold-read-fixture.ts'
import type { ColdEntries } from './cold-reader.ts'

const KIB = 1024
const MIB = 1024 * 1024
const seeds = fc.integer({ min: 0, max: 2 ** 31 })

/** Objects of several streams each, with gaps, empty ranges, and now and then a trim or a compaction. */
async function grow(fixture: ColdReadFixture, random: Random, steps: number): Promise<void> {
  for (let step = 0; step < steps; step++) {
    const streamIds = [1, 2, 3].filter(() => random.int(3) > 0)
    const parts = streamIds.map((streamId) => {
      const { endOffset } = fixture.stream(streamId)
      const entries = sparseEntries(random, endOffset, 12)
      const last = entries.at(-1)?.lastOffset ?? endOffset
      return { streamId, entries, endOffset: last + 1 + (random.int(3) === 0 ? random.int(20) : 0) }
    })
    if (parts.length > 0) await fixture.commit(parts, 1 + random.int(600))
    if (random.int(4) === 0) await compactSomewhere(fixture, random)
    if (random.int(8) === 0) await trimSomewhere(fixture, random)
  }
}

async function compactSomewhere(fixture: ColdReadFixture, random: Random): Promise<void> {
  const streamId = 1 + random.int(3)
  const ranges = fixture.image.ranges(streamId).length
  const share = random.int(3)
  const keep = share === 0 ? () => true : () => random.int(4) >= share
  await fixture.compact(streamId, random.int(ranges + 1), 1 + random.int(4), keep, 1 + random.int(600))
}

async function trimSomewhere(fixture: ColdReadFixture, random: Random): Promise<void> {
  const { id, startOffset, endOffset } = fixture.stream(1 + random.int(3))
  if (endOffset > 0) await fixture.trim(id, startOffset + random.int(Math.floor((endOffset - startOffset) / 3) + 1))
}

/** What a read must give when nothing else happens. */
function assertRead(fixture: ColdReadFixture, streamId: number, from: number, bytesMax: number, read: ColdEntries) {
  const { startOffset, endOffset } = fixture.stream(streamId)
  const all = (fixture.held.get(streamId) ?? []).filter(({ lastOffset }) => lastOffset >= from)
  if (from < startOffset && read.entries.length === 0) {
    assert.equal(read.nextOffset, from)
    return
  }
  assert.deepEqual(read.entries, all.slice(0, read.entries.length))
  if (all.length === 0) {
    assert.equal(read.nextOffset, Math.max(from, endOffset))
    return
  }
  assert.ok(read.entries.length > 0)
  const bytes = read.entries.reduce((sum, { payload }) => sum + payload.length, 0)
  assert.ok(read.entries.length === 1 || bytes <= bytesMax)
  const following = all[read.entries.length]
  assert.ok(read.nextOffset > (read.entries.at(-1)?.lastOffset ?? from))
  assert.ok(read.nextOffset <= (following?.baseOffset ?? endOffset))
}

function assertBounded(fixture: ColdReadFixture, blockCacheBytes: number, indexCacheBytes: number) {
  const { blockCacheBytes: blocks, indexCacheBytes: indexes, unreadBytes } = fixture.reader.stats()
  assert.ok(blocks <= blockCacheBytes, `${blocks} bytes of blocks`)
  assert.ok(indexes <= indexCacheBytes, `${indexes} bytes of indexes`)
  assert.ok(unreadBytes >= 0 && unreadBytes <= blockCacheBytes / 2)
}

it('every read and every search by timestamp gives what a plain list would', async () => {
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const random = seededRandom(seed)
      const [blockCacheBytes, indexCacheBytes] = [1 + random.int(20_000), 1 + random.int(3_000)]
      const fixture = new ColdReadFixture({ blockCacheBytes, indexCacheBytes, readAheadBytesMax: random.int(5_000) })
      await grow(fixture, random, 12)
      for (let step = 0; step < 30; step++) {
        const streamId = 1 + random.int(3)
        const { startOffset, endOffset } = fixture.stream(streamId)
        const from = startOffset + random.int(endOffset - startOffset + 5)
        const bytesMax = random.int(400)
        assertRead(fixture, streamId, from, bytesMax, await fixture.run(fixture.reader.read(streamId, from, bytesMax)))
        const rest = (fixture.held.get(streamId) ?? []).filter(({ lastOffset }) => lastOffset >= from)
        const timestamp = 1_000 + random.int(endOffset + 80)
        assert.deepEqual(
          await fixture.run(fixture.reader.findTimestamp(streamId, timestamp, from)),
          rest.find(({ maxTimestamp }) => maxTimestamp >= timestamp)
        )
        assert.equal(
          await fixture.run(fixture.reader.maxTimestamp(streamId, from)),
          Math.max(-1, ...rest.map(({ maxTimestamp }) => maxTimestamp))
        )
        await fixture.clock.advance(1_000)
        assertBounded(fixture, blockCacheBytes, indexCacheBytes)
      }
    }),
    { numRuns: 50 }
  )
})

it('a reader that goes on at nextOffset misses nothing while objects are compacted, trimmed and deleted under it', async () => {
  let refreshes = 0
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const random = seededRandom(seed)
      const fixture = new ColdReadFixture({ blockCacheBytes: 4_000, indexCacheBytes: 2_000, readAheadBytesMax: 2_000 })
      fixture.store.jitterMs = () => random.int(40)
      await grow(fixture, random, 10)
      const appended = new Map([1, 2, 3].map((id) => [id, [...(fixture.held.get(id) ?? [])]]))
      const follow = async (streamId: number): Promise<void> => {
        const { startOffset, endOffset } = fixture.stream(streamId)
        const found: Entry[] = []
        let next = startOffset
        while (next < endOffset) {
          const read = await fixture.reader.read(streamId, next, random.int(300))
          found.push(...read.entries)
          if (read.nextOffset === next) {
            const { startOffset: start } = fixture.stream(streamId)
            assert.ok(next < start, `nothing at ${next} though the stream starts at ${start}`)
            next = start
          } else {
            assert.ok(read.entries.every((entry) => entry.lastOffset >= next && entry.baseOffset < read.nextOffset))
            next = read.nextOffset
          }
        }
        // Old or new, every entry is one that was written, once; what is left at the end was never passed over.
        const known = appended.get(streamId) ?? []
        assert.ok(found.every((entry, at) => entry.baseOffset > (found[at - 1]?.lastOffset ?? -1)))
        const byOffset = new Map(known.map((entry) => [entry.baseOffset, entry]))
        for (const entry of found) assert.deepEqual(entry, byOffset.get(entry.baseOffset))
        const seen = new Set(found.map(({ baseOffset }) => baseOffset))
        for (const { baseOffset, lastOffset } of fixture.held.get(streamId) ?? []) {
          if (lastOffset < endOffset) assert.ok(seen.has(baseOffset), `entry ${baseOffset} was passed over`)
        }
      }
      let reading = true
      const disturb = async () => {
        while (reading) {
          if (random.int(6) === 0) await trimSomewhere(fixture, random)
          else await compactSomewhere(fixture, random)
          await new Promise<void>((resolve) => fixture.clock.after(random.int(60), resolve))
        }
      }
      const readers = Promise.all([1, 2, 3, 1, 2, 3].map(follow)).finally(() => {
        reading = false
      })
      const disturbance = disturb()
      await fixture.run(readers)
      await fixture.run(disturbance)
      await fixture.clock.advance(1_000)
      assertBounded(fixture, 4_000, 2_000)
      refreshes += fixture.reader.stats().refreshes
    }),
    { numRuns: 60 }
  )
  assert.ok(refreshes > 20, `objects vanished only ${refreshes} times under a read: the test does not test`)
})

it('an object that the metadata names and the store does not have is corrupt, after one more look', async () => {
  const fixture = new ColdReadFixture()
  const { key } = await fixture.commit([{ streamId: 1, entries: plainEntries(0, 10, 100) }])
  await fixture.commit([{ streamId: 1, entries: plainEntries(10, 10, 100) }])
  await fixture.store.delete([key])
  const lost = (error: unknown) => isFault(error, 'corrupt') && /object 1 is in the metadata/.test(error.message)
  await assert.rejects(fixture.run(fixture.reader.read(1, 3, 1_000)), lost)
  await assert.rejects(fixture.run(fixture.reader.findTimestamp(1, 1_000, 3)), lost)
  assert.equal(fixture.store.gets.filter((get) => get.key === key).length, 4)
  assert.equal((await fixture.run(fixture.reader.read(1, 10, 1_000))).entries.length, 10)
})

it('an image that lags is refreshed before an object counts as lost', async () => {
  const fixture: ColdReadFixture = new ColdReadFixture({
    refresh: async () => {
      await fixture.compact(1, 0, 2)
    }
  })
  const { key } = await fixture.commit([{ streamId: 1, entries: plainEntries(0, 10, 100) }])
  await fixture.commit([{ streamId: 1, entries: plainEntries(10, 10, 100) }])
  await fixture.store.delete([key])
  const { entries } = await fixture.run(fixture.reader.read(1, 5, 10_000))
  assert.deepEqual(
    entries.map(({ baseOffset }) => baseOffset),
    Array.from({ length: 15 }, (_, at) => at + 5)
  )
})

it('a gap in the metadata is corrupt, not an end', async () => {
  const fixture = new ColdReadFixture()
  await fixture.commit([{ streamId: 1, entries: plainEntries(0, 10, 100) }])
  fixture.image.apply({
    topics: new Map(),
    streams: new Map([[1, { ...fixture.stream(1), endOffset: 20 }]]),
    objects: new Map(),
    ranges: []
  })
  await assert.rejects(fixture.run(fixture.reader.read(1, 12, 1_000)), (error) => isFault(error, 'corrupt'))
})

it('a gap between two ranges is corrupt, and never passed over', async () => {
  const fixture = new ColdReadFixture()
  await fixture.commit([{ streamId: 1, entries: plainEntries(0, 10, 100) }])
  const { endOffset } = fixture.stream(1)
  fixture.image.apply({
    topics: new Map(),
    streams: new Map([[1, { ...fixture.stream(1), endOffset: endOffset + 5 }]]),
    objects: new Map(),
    ranges: []
  })
  await fixture.commit([{ streamId: 1, entries: plainEntries(15, 10, 100) }])
  const { entries, nextOffset } = await fixture.run(fixture.reader.read(1, 0, 10_000))
  assert.deepEqual([entries.length, nextOffset], [10, 10])
  await assert.rejects(fixture.run(fixture.reader.read(1, 10, 10_000)), (error) => isFault(error, 'corrupt'))
})

it('a read before the start, of a stream that is gone, or at the end gives nothing and goes nowhere', async () => {
  const fixture = new ColdReadFixture()
  await fixture.commit([{ streamId: 1, entries: plainEntries(0, 10, 100) }])
  await fixture.commit([{ streamId: 1, entries: plainEntries(10, 10, 100) }])
  await fixture.trim(1, 12)
  for (const [streamId, offset] of [
    [1, 5],
    [1, 20],
    [2, 7]
  ] as const) {
    assert.deepEqual(await fixture.reader.read(streamId, offset, 1_000), { entries: [], nextOffset: offset })
  }
  assert.equal(fixture.store.gets.length, 0)
})

it('a range without entries is passed, and the end of the last one is where memory goes on', async () => {
  const fixture = new ColdReadFixture()
  await fixture.commit([{ streamId: 1, entries: plainEntries(0, 10, 100) }])
  await fixture.commit([{ streamId: 1, entries: [], endOffset: 30 }])
  await fixture.commit([{ streamId: 1, entries: plainEntries(40, 2, 100), endOffset: 50 }])
  const read = (from: number) => fixture.run(fixture.reader.read(1, from, 1))
  assert.deepEqual((await read(12)).entries[0]?.baseOffset, 40)
  assert.deepEqual(await read(42), { entries: [], nextOffset: 50 })
})

it('a block that is gone behind entries that were found waits for the next read', async () => {
  const fixture = new ColdReadFixture({ readAheadBytesMax: 0 })
  await fixture.commit([{ streamId: 1, entries: plainEntries(0, 10, 100) }])
  const { key } = await fixture.commit([{ streamId: 1, entries: plainEntries(10, 10, 100) }], 300)
  // Its index is at hand, most of its blocks are not.
  await fixture.run(fixture.reader.read(1, 10, 1))
  await fixture.store.delete([key])
  const { entries } = await fixture.run(fixture.reader.read(1, 0, 10_000))
  assert.ok(entries.length >= 10 && entries.length < 20)
  await assert.rejects(fixture.run(fixture.reader.read(1, 15, 10_000)), (error) => isFault(error, 'corrupt'))
})

it('a fault behind entries that were found waits for the next read', async () => {
  const fixture = new ColdReadFixture({ readAheadBytesMax: 0 })
  await fixture.commit([{ streamId: 1, entries: plainEntries(0, 10, 100) }])
  const { key } = await fixture.commit([{ streamId: 1, entries: plainEntries(10, 10, 100) }])
  await fixture.store.delete([key])
  const { entries, nextOffset } = await fixture.run(fixture.reader.read(1, 0, 10_000))
  assert.deepEqual([entries.length, nextOffset], [10, 10])
  await assert.rejects(fixture.run(fixture.reader.read(1, 10, 10_000)), (error) => isFault(error, 'corrupt'))
})

it('damage in a block is corrupt for every reader, and the block is read anew by the next', async () => {
  const fixture = new ColdReadFixture()
  const object = await fixture.commit([{ streamId: 1, entries: plainEntries(0, 10, 100) }])
  const intact = await fixture.run(fixture.store.get(object.key, { start: 0, end: object.bytes }))
  const damaged = Buffer.from(intact)
  damaged.writeUInt8(damaged.readUInt8(100) ^ 1, 100)
  await fixture.store.put(object.key, [damaged])
  const reads = [0, 5].map((from) => fixture.run(fixture.reader.read(1, from, 1_000)))
  for (const read of reads) await assert.rejects(read, (error) => isFault(error, 'corrupt'))
  await fixture.store.put(object.key, [intact])
  assert.equal((await fixture.run(fixture.reader.read(1, 0, 10_000))).entries.length, 10)
})

/** An object of 128 blocks of about 512 KiB, 64 MiB together. */
async function largeObject(sizes: ConstructorParameters<typeof ColdReadFixture>[0] = {}): Promise<ColdReadFixture> {
  const fixture = new ColdReadFixture(sizes)
  await fixture.commit([{ streamId: 1, entries: plainEntries(0, 128 * 4, 128 * KIB - 100) }])
  return fixture
}

async function readThrough(fixture: ColdReadFixture, bytesMax = MIB): Promise<void> {
  const { endOffset } = fixture.stream(1)
  for (let next = 0; next < endOffset; ) {
    const { entries, nextOffset } = await fixture.run(fixture.reader.read(1, next, bytesMax))
    assert.equal(entries[0]?.baseOffset, next)
    assert.equal(nextOffset, next + entries.length)
    next = nextOffset
  }
}

it('reading 64 MiB in order takes far fewer GETs than blocks, none of them twice, and hardly waits', async () => {
  const fixture = await largeObject()
  const start = fixture.clock.monotonic()
  await readThrough(fixture)
  const stats = fixture.reader.stats()
  const { gets } = fixture.store
  assert.ok(gets.length <= 28, `${gets.length} GETs for 128 blocks`)
  assert.ok(gets.every(({ bytes }) => bytes <= 4 * MIB))
  const bytes = gets.reduce((sum, get) => sum + get.bytes, 0)
  assert.ok(bytes < 65 * MIB, `${bytes} bytes were read of 64 MiB`)
  assert.equal(stats.readAheadWastedBytes, 0)
  assert.ok(stats.readAheadUsedBytes > 56 * MIB)
  // Several GETs side by side: less time than the bytes take one after the other.
  const tookMs = fixture.clock.monotonic() - start
  assert.ok(tookMs < (64 * MIB) / fixture.store.bytesPerMs, `${tookMs} ms`)
})

it('ten readers at the same place share their GETs', async () => {
  const fixture = await largeObject()
  const alone = await largeObject()
  await readThrough(alone)
  const readers = Array.from({ length: 10 }, () => readThrough(fixture))
  await fixture.run(Promise.all(readers))
  const most = alone.store.gets.length + 4
  assert.ok(fixture.store.gets.length <= most, `${fixture.store.gets.length} GETs, ${most} allowed`)
})

it('a read that is not in order reads nothing ahead', async () => {
  const fixture = await largeObject()
  for (const from of [300, 17, 450, 100]) await fixture.run(fixture.reader.read(1, from, 1))
  await fixture.clock.advance(1_000)
  assert.equal(fixture.reader.stats().readAheadGets, 0)
  // The index, and a block each.
  assert.equal(fixture.store.gets.length, 5)
})

it('read-ahead goes on into the next objects, so that many small ones do not cost a round trip each', async () => {
  const fixture = new ColdReadFixture()
  for (let object = 0; object < 100; object++) {
    await fixture.commit([{ streamId: 1, entries: plainEntries(object * 10, 10, 10 * KIB) }])
  }
  const start = fixture.clock.monotonic()
  await readThrough(fixture, 100 * KIB)
  const trips = (fixture.clock.monotonic() - start) / fixture.store.latencyMs
  assert.ok(trips < 60, `${trips} round trips for 100 objects`)
})

it('one large read of many small objects loads them side by side', async () => {
  const fixture = new ColdReadFixture({ readAheadBytesMax: 0 })
  for (let object = 0; object < 32; object++) {
    await fixture.commit([{ streamId: 1, entries: plainEntries(object * 10, 10, 10 * KIB) }])
  }
  const start = fixture.clock.monotonic()
  const { entries } = await fixture.run(fixture.reader.read(1, 0, 10 * MIB))
  const trips = (fixture.clock.monotonic() - start) / fixture.store.latencyMs
  assert.equal(entries.length, 320)
  assert.ok(trips < 10, `${trips} round trips`)
})

it('memory stays within its bounds while readers compete for it, and read-ahead that is pushed out starts small again', async () => {
  const blockCacheBytes = 6 * MIB
  const fixture = new ColdReadFixture({ blockCacheBytes })
  for (const streamId of [1, 2, 3, 4, 5, 6]) {
    await fixture.commit([{ streamId, entries: plainEntries(0, 64, 128 * KIB - 100) }])
  }
  const random = seededRandom(7)
  const next = new Map([1, 2, 3, 4, 5, 6].map((id) => [id, 0]))
  let peak = 0
  for (let step = 0; step < 400; step++) {
    const streamId = 1 + random.int(6)
    const from = next.get(streamId) ?? 0
    const read = fixture.reader.read(streamId, from >= 64 ? 0 : from, 300 * KIB)
    await settle()
    const { blockCacheBytes: bytes, unreadBytes } = fixture.reader.stats()
    // In flight, or held by the one read under way.
    peak = Math.max(peak, bytes - fixture.store.bytesInFlight)
    assert.ok(unreadBytes <= blockCacheBytes / 2)
    next.set(streamId, (await fixture.run(read)).nextOffset)
  }
  assert.ok(peak <= blockCacheBytes + MIB, `${peak} bytes`)
  await fixture.clock.advance(10_000)
  const stats = fixture.reader.stats()
  assert.ok(stats.blockCacheBytes <= blockCacheBytes)
  assert.ok(stats.readAheadWastedBytes > 0, 'nothing was pushed out: the test does not test')
  assert.ok(stats.readAheadWastedBytes < stats.readAheadUsedBytes, `${stats.readAheadWastedBytes} bytes in vain`)
})

it('a demand read waits neither for compaction nor for the read-ahead of others', async () => {
  const fixture = await largeObject()
  await fixture.commit([{ streamId: 2, entries: plainEntries(0, 4, 100 * KIB) }])
  const flood = Array.from({ length: 40 }, (_, at) =>
    fixture.budget.run(at % 2 ? 'compaction' : 'read-ahead', 8 * MIB, () =>
      fixture.store.get('objects/1', { start: 0, end: 8 * MIB })
    )
  )
  await fixture.clock.advance(100)
  const asked = fixture.clock.monotonic()
  await fixture.run(fixture.reader.read(2, 0, MIB))
  const tookMs = fixture.clock.monotonic() - asked
  assert.ok(tookMs < 30, `${tookMs} ms for an index and a block`)
  await fixture.run(Promise.all(flood))
})

it('a demand read promotes the read-ahead that it needs and that still waits for its turn', async () => {
  const fixture = await largeObject()
  await fixture.run(fixture.reader.read(1, 0, 512 * KIB))
  const flood = Array.from({ length: 60 }, () =>
    fixture.budget.run('compaction', 8 * MIB, () => fixture.store.get('objects/1', { start: 0, end: 8 * MIB }))
  )
  const { nextOffset } = await fixture.run(fixture.reader.read(1, 4, 512 * KIB))
  const queued = fixture.store.gets.length
  const asked = fixture.clock.monotonic()
  const { entries } = await fixture.run(fixture.reader.read(1, nextOffset, 512 * KIB))
  assert.equal(entries[0]?.baseOffset, nextOffset)
  const tookMs = fixture.clock.monotonic() - asked
  assert.ok(tookMs <= 100, `${tookMs} ms, behind ${queued} GETs`)
  await fixture.run(Promise.all(flood))
})

it('a search by timestamp costs one index and one block at most, whatever the number of objects', async () => {
  const fixture = new ColdReadFixture()
  for (let object = 0; object < 200; object++) {
    await fixture.commit([{ streamId: 1, entries: plainEntries(object * 10, 10, 1 * KIB) }], 2 * KIB)
  }
  const found = await fixture.run(fixture.reader.findTimestamp(1, 1_000 + 1_234, 0))
  assert.equal(found?.baseOffset, 1_234)
  assert.equal(fixture.store.gets.length, 2)
  assert.equal(await fixture.run(fixture.reader.findTimestamp(1, 9_999, 0)), undefined)
  assert.equal(await fixture.run(fixture.reader.maxTimestamp(1, 0)), 2_999)
  assert.equal(fixture.store.gets.length, 2)
})
