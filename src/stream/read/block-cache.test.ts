import assert from 'node:assert/strict'
import { it } from 'node:test'
import { MemoryObjectStore } from '../../object-store/memory-object-store.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import { ObjectReader } from '../objects/object-reader.ts'
import { buildObject } from '../objects/object-writer.ts'
import { BlockCache } from './block-cache.ts'
import { plainEntries } from './cold-read-fixture.ts'
import type { OpenObject } from './index-cache.ts'
import { ReadCounters } from './read-counters.ts'
import { SequentialReader } from './sequential-reader.ts'
import type { TransferBudget } from './transfer-budget.ts'

/** One entry of 1 000 bytes per block; a block counts 1 252 bytes. */
const BLOCK_COST = 1_252

async function setUp(cacheBlocks: number, budget: TransferBudget = { run: (_kind, _bytes, work) => work() }) {
  const store = new MemoryObjectStore()
  const { parts, bytes } = buildObject([{ streamId: 1, entries: plainEntries(0, 40, 1_000) }], 1)
  await store.put('o', parts)
  const reader = new ObjectReader({ store, key: 'o', size: bytes })
  const object: OpenObject = { id: 1, reader, index: await reader.loadIndex() }
  const counters = new ReadCounters()
  const cache = new BlockCache({ budget, counters, bytesMax: cacheBlocks * BLOCK_COST })
  const refs = [...object.index]
  const readAll = async (from: number, to: number) => {
    const blocks = cache.hold(object, refs.slice(from, to))
    const entries = (await Promise.all(blocks.map((block) => cache.read(block)))).flat()
    for (const block of blocks) cache.release(block)
    return entries.map(({ baseOffset }) => baseOffset)
  }
  return { store, object, counters, cache, refs, readAll }
}

it('adjacent blocks that are not here come with one GET, around those that are', async () => {
  const { counters, cache, readAll } = await setUp(20)
  assert.deepEqual(await readAll(3, 5), [3, 4])
  assert.deepEqual(await readAll(0, 8), [0, 1, 2, 3, 4, 5, 6, 7])
  assert.equal(counters.demandGets, 3)
  assert.deepEqual([counters.blockHits, counters.blockMisses], [2, 8])
  assert.equal(cache.bytes, 8 * BLOCK_COST)
})

it('a buffer counts until the last block in it has gone', async () => {
  const { cache, counters, readAll } = await setUp(10)
  await readAll(0, 8)
  // Keeps one block of the eight in use while others push the rest out.
  for (let at = 10; at < 17; at++) {
    await readAll(0, 1)
    await readAll(at, at + 1)
    assert.ok(cache.bytes <= 10 * BLOCK_COST)
  }
  assert.equal(counters.demandGets, 8)
  assert.ok(cache.bytes >= 9 * BLOCK_COST, 'the first buffer is still there')
})

it('blocks in use stay, count, and leave once they are released', async () => {
  const { object, counters, cache, refs, readAll } = await setUp(2)
  const held = cache.hold(object, refs.slice(0, 5))
  for (const block of held) await cache.read(block)
  assert.equal(cache.bytes, 5 * BLOCK_COST)
  await readAll(10, 11)
  assert.equal(cache.bytes, 5 * BLOCK_COST)
  assert.deepEqual(await readAll(0, 5), [0, 1, 2, 3, 4])
  assert.equal(counters.demandGets, 2)
  for (const block of held) cache.release(block)
  assert.ok(cache.bytes <= 2 * BLOCK_COST)
})

it('what was read leaves before what was read ahead, and that before its reader only when it never comes', async () => {
  const { object, counters, cache, refs, readAll } = await setUp(8)
  const reader = new SequentialReader(1, 0)
  reader.windowBytes = 1_000_000
  cache.readAhead(object, refs.slice(0, 1), reader)
  cache.readAhead(object, refs.slice(1, 3), reader)
  for (let at = 10; at < 20; at++) await readAll(at, at + 1)
  assert.equal(cache.unreadBytes, reader.unreadBytes)
  assert.equal(
    cache.unreadBytes,
    refs.slice(0, 3).reduce((sum, { bytes }) => sum + bytes, 0)
  )
  await readAll(0, 1)
  assert.equal(counters.readAheadUsedBytes, refs[0]?.bytes)
  for (let at = 20; at < 31; at++) await readAll(at, at + 1)
  assert.deepEqual([cache.unreadBytes, reader.unreadBytes, reader.windowBytes], [0, 0, 0])
  assert.equal(
    counters.readAheadWastedBytes,
    refs.slice(1, 3).reduce((sum, { bytes }) => sum + bytes, 0)
  )
  assert.ok(cache.bytes <= 8 * BLOCK_COST)
})

it('what is on its way stays whatever else is read, and counts', async () => {
  const { store, object, counters, cache, refs, readAll } = await setUp(2)
  const { get } = store
  let arrive = () => {}
  store.get = async (key, range) => {
    await new Promise<void>((resolve) => {
      arrive = resolve
    })
    return get.call(store, key, range)
  }
  cache.readAhead(object, refs.slice(0, 4), new SequentialReader(1, 0))
  store.get = get
  for (let at = 10; at < 30; at++) await readAll(at, at + 1)
  assert.equal(cache.bytes, 4 * BLOCK_COST)
  const read = readAll(0, 4)
  arrive()
  assert.deepEqual(await read, [0, 1, 2, 3])
  assert.equal(counters.readAheadGets, 1)
  assert.equal(counters.demandGets, 20)
  assert.ok(cache.bytes <= 2 * BLOCK_COST)
})

it('a GET that fails is forgotten, fails all who wait for it, and costs no memory', async () => {
  const { store, object, cache, refs, readAll } = await setUp(8)
  const reader = new SequentialReader(1, 0)
  const get = store.get
  store.get = () => Promise.reject(new Fault('unavailable', 'down'))
  cache.readAhead(object, refs.slice(0, 2), reader)
  const waiting = [readAll(0, 1), readAll(1, 3)]
  for (const read of waiting) await assert.rejects(read, (error) => isFault(error, 'unavailable'))
  assert.deepEqual([cache.bytes, cache.unreadBytes, reader.unreadBytes], [0, 0, 0])
  store.get = get
  assert.deepEqual(await readAll(0, 3), [0, 1, 2])
})

it('what waits for its turn takes no memory yet, and is promoted by whoever reads it', async () => {
  const turns: (() => void)[] = []
  let promoted = 0
  const { object, cache, refs } = await setUp(8, {
    run: (_kind, _bytes, work, waiting) =>
      new Promise((resolve, reject) => {
        turns.push(() => work().then(resolve, reject))
        waiting?.(() => {
          promoted++
        })
      })
  })
  cache.readAhead(object, refs.slice(0, 4), new SequentialReader(1, 0))
  const [block] = cache.hold(object, refs.slice(2, 3))
  assert.ok(block !== undefined)
  assert.equal(cache.bytes, 0)
  const entries = cache.read(block)
  assert.equal(promoted, 1)
  assert.equal(turns.length, 1)
  turns[0]?.()
  assert.equal((await entries)[0]?.baseOffset, 2)
  assert.equal(cache.bytes, 4 * BLOCK_COST)
})
