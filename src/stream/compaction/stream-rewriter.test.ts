import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../../runtime/fault.ts'
import type { Entry } from '../entry.ts'
import { CompactionTurn } from './compaction-turn.ts'
import { assertSame, CompactionWorld } from './compaction-world-fixture.ts'

const KiB = 1024

async function filled(uploads: number): Promise<CompactionWorld> {
  const world = await CompactionWorld.start(2)
  for (let i = 0; i < uploads; i++) {
    await world.upload([
      [0, 2 * KiB],
      [1, 300]
    ])
  }
  return world
}

function writtenTo(world: CompactionWorld, at: number): Entry[] {
  return world.written.get(world.streamIds[at] ?? -1) ?? []
}

/** What a rewrite leaves of an entry here: most vanish, some shrink, some stay. */
function keep(entry: Entry): Entry | undefined {
  if (entry.baseOffset % 3 === 0) return entry
  if (entry.baseOffset % 3 === 1) return undefined
  return { ...entry, baseOffset: entry.lastOffset, payload: entry.payload.subarray(0, 10) }
}

async function collect(batches: AsyncIterable<readonly Entry[]>): Promise<Entry[]> {
  const found: Entry[] = []
  for await (const batch of batches) found.push(...batch)
  return found
}

describe('rewriting a stream', () => {
  it('scans every entry that has an offset in the interval, whatever object holds it', async () => {
    const world = await filled(12)
    await world.compactor().compact()
    await world.upload([[0, KiB]])
    const [streamId = -1] = world.streamIds
    const all = writtenTo(world, 0)
    const rewriter = world.rewriter(4 * KiB)
    assertSame(await collect(rewriter.scan(streamId, 0, Number.MAX_SAFE_INTEGER)), all)
    const wanted = all.filter((entry) => entry.lastOffset >= 50 && entry.baseOffset < 120)
    assertSame(await collect(rewriter.scan(streamId, 50, 120)), wanted)
  })

  it('scans on when what it reads is compacted away and deleted meanwhile', async () => {
    const world = await filled(10)
    const [streamId = -1] = world.streamIds
    const found: Entry[] = []
    for await (const batch of world.rewriter(4 * KiB).scan(streamId, 0, Number.MAX_SAFE_INTEGER)) {
      if (found.length === 0) {
        await world.compactor().compact()
        const live = new Set(world.liveKeys())
        await world.memory.delete((await world.keys()).filter((key) => !live.has(key)))
      }
      found.push(...batch)
    }
    assertSame(found, writtenTo(world, 0))
  })

  it('offers each entry of the interval once and in order, and puts what is kept in its place', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(200), fc.nat(400), fc.nat(60), fc.boolean(), async (from, length, start, compacted) => {
        const world = await filled(9)
        if (compacted) await world.compactor().compact()
        const [streamId = -1] = world.streamIds
        await world.trim(0, start)
        const offered: Entry[] = []
        const done = await world.rewriter(2 * KiB).rewrite({
          streamId,
          fromOffset: from,
          toOffset: from + length,
          cleanedTo: 7,
          keep: async (entry) => {
            offered.push(entry)
            return keep(entry)
          }
        })
        assert.ok(done)
        const isOffered = (e: Entry) => e.baseOffset >= from && e.lastOffset < from + length
        const readable = writtenTo(world, 0).filter((entry) => entry.lastOffset >= start)
        const expected = readable.flatMap((entry) => (isOffered(entry) ? (keep(entry) ?? []) : [entry]))
        assertSame(
          (await world.read(0)).filter((entry) => entry.lastOffset >= start),
          expected.filter((entry) => entry.lastOffset >= start)
        )
        for (const [at, { baseOffset }] of offered.entries())
          assert.ok(baseOffset > (offered[at - 1]?.baseOffset ?? -1))
        // Those of a block that the start cuts through may come as well.
        const wanted = readable.filter(isOffered).map(({ baseOffset }) => baseOffset)
        const got = new Set(offered.map(({ baseOffset }) => baseOffset))
        for (const baseOffset of wanted) assert.ok(got.has(baseOffset))
        assert.equal(world.metadata.image.stream(streamId)?.cleanedOffset, 7)
        assertSame(await world.read(1), writtenTo(world, 1))
        await world.metadata.close()
      }),
      { numRuns: 15 }
    )
  })

  it('ends with one object when nothing is kept, and takes the stream out of its sets', async () => {
    const world = await filled(10)
    const [streamId = -1, other = -1] = world.streamIds
    const end = world.metadata.image.stream(streamId)?.endOffset ?? 0
    const gone = { streamId, fromOffset: 0, toOffset: end, cleanedTo: end, keep: async () => undefined }
    assert.ok(await world.rewriter(4 * KiB).rewrite(gone))
    assert.deepEqual(
      world.metadata.image.ranges(streamId).map(({ startOffset, endOffset, bytes, maxTimestamp }) => {
        return { startOffset, endOffset, bytes, maxTimestamp }
      }),
      [{ startOffset: 0, endOffset: end, bytes: 0, maxTimestamp: -1 }]
    )
    assert.deepEqual(await world.read(0), [])
    for (const { objectId } of world.metadata.image.ranges(other)) {
      assert.deepEqual(
        world.metadata.image.rangesOf(objectId).map((range) => range.streamId),
        [other]
      )
    }
    await world.compactor().compact()
    assertSame(await world.read(1), writtenTo(world, 1))
  })

  it('writes about a step at a time, each in one commit', async () => {
    const world = await filled(20)
    const [streamId = -1] = world.streamIds
    const same = { streamId, fromOffset: 0, toOffset: 10_000, cleanedTo: 0, keep: async (entry: Entry) => entry }
    assert.ok(await world.rewriter(6 * KiB).rewrite(same))
    assertSame(await world.read(0), writtenTo(world, 0))
    const sizes = world.metadata.image.ranges(streamId).map(({ bytes }) => bytes)
    assert.equal(sizes.length, 7)
    for (const bytes of sizes) assert.ok(bytes <= 8 * KiB)
  })

  it('gives up when the stream is compacted by somebody else or deleted, and stands a trim', async () => {
    const world = await filled(10)
    const [streamId = -1] = world.streamIds
    const during = (what: () => Promise<void>) => {
      let isFirst = true
      return async (entry: Entry) => {
        if (isFirst) await what()
        isFirst = false
        return entry
      }
    }
    const rewrite = { streamId, fromOffset: 0, toOffset: 10_000, cleanedTo: 0 }
    const elsewhere = () => world.compactor({ turn: new CompactionTurn() }).compact()
    assert.equal(await world.rewriter(64 * KiB).rewrite({ ...rewrite, keep: during(elsewhere) }), false)
    await world.verify()
    assert.equal(await world.rewriter(64 * KiB).rewrite({ ...rewrite, keep: during(() => world.trim(0, 60)) }), true)
    await world.verify()
    const deletion = () => world.metadata.deleteTopic(world.topicIds[0] ?? '')
    assert.equal(await world.rewriter(64 * KiB).rewrite({ ...rewrite, keep: during(deletion) }), false)
    await world.verify()
  })

  it('shares its turn with the compactor: neither makes the work of the other obsolete', async () => {
    const world = await filled(30)
    const [streamId = -1] = world.streamIds
    const rewrite = { streamId, fromOffset: 0, toOffset: 10_000, cleanedTo: 0, keep: async (entry: Entry) => entry }
    const [done] = await Promise.all([world.rewriter(4 * KiB).rewrite(rewrite), world.compactor().compact()])
    assert.ok(done)
    await world.verify()
  })

  it('ends with a fault when the store fails, changes nothing, and does it the next time', async () => {
    const world = await filled(5)
    const [streamId = -1] = world.streamIds
    const rewriter = world.rewriter(64 * KiB)
    const rewrite = { streamId, fromOffset: 0, toOffset: 10_000, cleanedTo: 0, keep: async (entry: Entry) => entry }
    world.store.faults.outage = true
    await assert.rejects(rewriter.rewrite(rewrite), (error) => isFault(error, 'unavailable'))
    await world.verify()
    world.store.faults.outage = false
    assert.ok(await rewriter.rewrite(rewrite))
    const stopped = { ...rewrite, signal: AbortSignal.abort() }
    await assert.rejects(rewriter.rewrite(stopped), (error) => isFault(error, 'closed'))
    await rewriter.close()
    await assert.rejects(rewriter.rewrite(rewrite), (error) => isFault(error, 'closed'))
    await world.verify()
  })
})
