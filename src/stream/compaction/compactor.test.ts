import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Metadata } from '../../metadata/metadata.ts'
import { sleep } from '../../runtime/clock.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import { silentLog } from '../../runtime/log.ts'
import { settle } from '../../runtime/virtual-clock.ts'
import { ObjectSweeper } from '../object-sweeper.ts'
import type { TransferBudget } from '../read/transfer-budget.ts'
import { CompactionTurn } from './compaction-turn.ts'
import { CompactionWorld, type Life, mortal, storesOf } from './compaction-world-fixture.ts'
import { COMPACTION_SETTINGS } from './compactor.ts'

const KiB = 1024
const MiB = 1024 * KiB
const HOUR_MS = 3_600_000

/** Uploads of three streams with `bytes` and less of each. */
async function filled(uploads: number, bytes: number, seed = 1): Promise<CompactionWorld> {
  const world = await CompactionWorld.start(3, seed)
  for (let i = 0; i < uploads; i++) {
    await world.upload([
      [0, bytes],
      [1, Math.ceil(bytes / 4)],
      [2, 100]
    ])
  }
  return world
}

function sweeperOf(world: CompactionWorld): ObjectSweeper {
  const { clock, random, metadata, stores } = world
  return new ObjectSweeper({ clock, random, log: silentLog, metadata, stores })
}

describe('the compactor', () => {
  it('leaves every stream as it was, in fewer objects', async () => {
    const world = await filled(100, 1_500)
    await world.compactor().compact()
    assert.equal(world.budgeted.bytes, world.memory.bytesRead, 'every GET goes through the budget')
    await world.verify()
    assert.ok(world.liveKeys().length < 30, `${world.liveKeys().length} objects`)
    for (const id of world.streamIds) assert.ok(world.metadata.image.ranges(id).length < 20)
    assert.deepEqual([...world.budgeted.kinds], ['compaction'])
  })

  it('gathers small blocks into large ones', async () => {
    const world = await filled(8, 4 * KiB)
    await world.compactor({ settings: COMPACTION_SETTINGS }).compact()
    const [key] = world.liveKeys()
    assert.equal(world.liveKeys().length, 1)
    const bytes = await world.memory.get(key ?? '')
    assert.equal(bytes.toString('latin1').split('LHB\x01').length - 1, 3, 'one block per stream')
    await world.verify()
  })

  it('copies large blocks byte by byte, and reads none of them', async () => {
    const world = await CompactionWorld.start(1)
    for (let i = 0; i < 8; i++) await world.upload([[0, 9 * MiB, MiB]])
    await world.compactor({ settings: COMPACTION_SETTINGS }).compact()
    assert.equal(world.liveKeys().length, 1)
    assert.ok(world.budgeted.bytes < MiB, `${world.budgeted.bytes} bytes read`)
    await world.verify()
  })

  it('leaves out what lies before the start, also of a stream that was trimmed meanwhile', async () => {
    const world = await filled(7, 3_000)
    const end = (world.written.get(world.streamIds[0] ?? -1)?.at(-1)?.lastOffset ?? 0) + 1
    await world.upload([
      [0, 3_000],
      [1, 100]
    ])
    await world.trim(0, end)
    await world.compactor().compact()
    await world.verify()
    await world.upload([[0, 100]])
    await world.verify()
  })

  it('frees the bytes of a deleted stream from old sets', async () => {
    const world = await filled(3, 500)
    await world.metadata.deleteTopic(world.topicIds[1] ?? '')
    await world.compactor().compact()
    const before = world.liveKeys()
    await world.clock.advance(7 * HOUR_MS)
    await world.compactor().compact()
    await world.verify()
    for (const key of world.liveKeys()) {
      assert.ok(!before.includes(key))
      const bytes = await world.memory.get(key)
      for (const entry of world.written.get(world.streamIds[1] ?? -1) ?? [])
        assert.equal(bytes.indexOf(entry.payload), -1)
    }
  })

  it('looks once at an old set that holds nothing but what is needed', async () => {
    const world = await filled(1, 500)
    await world.clock.advance(7 * HOUR_MS)
    const compactor = world.compactor()
    await compactor.compact()
    const { gets } = world.memory
    assert.ok(gets > 0)
    await compactor.compact()
    assert.equal(world.memory.gets, gets)
    assert.equal(compactor.stats().jobs, 0)
  })

  it('comes to its commit however slowly it reads: a sweep does not take its object for a leftover', async () => {
    const world = await filled(8, 3_000)
    let reads = 0
    const graceMs = 5 * 60_000
    const budget: TransferBudget = {
      run: async (_kind, _bytes, work) => {
        reads++
        await sleep(world.clock, 4 * 60_000)
        assert.deepEqual(await world.metadata.expiredObjects(world.clock.now() - graceMs, 100), [])
        return work()
      }
    }
    const compactor = world.compactor({ budget })
    await Promise.all([compactor.compact(), world.clock.advance(4 * HOUR_MS)])
    assert.ok(reads > 3, 'it took longer than the grace time')
    assert.ok(compactor.stats().jobs > 0)
    assert.equal(compactor.stats().failures, 0)
    await world.verify()
  })

  it('runs by itself after uploads and on its timer, and stops when it is closed', async () => {
    const world = await filled(8, 1_000)
    const compactor = world.compactor()
    compactor.start()
    compactor.noticed()
    await world.clock.advance(2_000)
    assert.ok(compactor.stats().jobs > 0)
    const { jobs } = compactor.stats()
    for (let i = 0; i < 8; i++)
      await world.upload([
        [0, 1_000],
        [1, 100]
      ])
    await world.clock.advance(61_000)
    assert.ok(compactor.stats().jobs > jobs)
    await compactor.close()
    assert.equal(world.clock.sleeping, 0)
  })

  it('leaves a damaged object out, keeps it, and goes on with the others', async () => {
    const world = await filled(9, 1_000)
    const [damaged] = [...world.metadata.image.objects()]
    const bytes = await world.memory.get(damaged?.key ?? '')
    bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100)
    await world.memory.put(damaged?.key ?? '', [bytes])
    const errors: unknown[] = []
    const compactor = world.compactor({ log: { ...silentLog, error: (fields) => errors.push(fields) } })
    await compactor.compact()
    await compactor.compact()
    assert.equal(compactor.stats().damaged, 1)
    assert.equal(errors.length, 1)
    assert.ok(compactor.stats().jobs > 0)
    assert.ok(world.metadata.image.object(damaged?.id ?? -1) !== undefined)
  })

  it('waits longer and longer while the store is away, and recovers by itself', async () => {
    const world = await filled(8, 1_000)
    world.store.faults.outage = true
    const compactor = world.compactor()
    compactor.start()
    await world.clock.advance(300_000)
    const { failures } = compactor.stats()
    assert.ok(failures >= 5 && failures <= 12, `${failures} failures in four minutes`)
    world.store.faults.outage = false
    await world.clock.advance(61_000)
    assert.ok(compactor.stats().jobs > 0)
    await compactor.close()
    await world.verify()
  })

  it('repeats a commit whose answer was lost', async () => {
    const world = await filled(8, 1_000)
    let commits = 0
    const metadata: Metadata = Object.create(world.metadata, {
      commitCompaction: {
        value: async (compaction: Parameters<Metadata['commitCompaction']>[0]) => {
          await world.metadata.commitCompaction(compaction)
          if (++commits === 1) throw new Fault('unavailable', 'the answer was lost')
        }
      },
      image: { get: () => world.metadata.image },
      prepareObject: { value: (profile: string) => world.metadata.prepareObject(profile) },
      renewObjects: { value: (ids: readonly number[]) => world.metadata.renewObjects(ids) }
    })
    const compactor = world.compactor({ metadata })
    await world.pass(compactor.compact())
    assert.equal(commits, compactor.stats().jobs + 1)
    await world.verify()
  })

  it('plans anew when somebody else compacted the same objects first', async () => {
    const world = await filled(8, 1_000)
    const other = world.compactor({ turn: new CompactionTurn() })
    const late = world.compactor({ metadata: behind(world, () => other.compact()) })
    await assert.rejects(late.compact(), (error) => isFault(error, 'conflict'))
    await late.compact()
    await world.verify()
  })

  it('takes nothing from a reader that looked before, until the grace time is over', async () => {
    const world = await filled(10, 1_000)
    const before = world.liveKeys()
    await world.compactor().compact()
    const sweeper = sweeperOf(world)
    await world.clock.advance(599_000)
    await sweeper.sweep()
    for (const key of before) await world.memory.get(key)
    await world.clock.advance(2_000)
    await sweeper.sweep()
    assert.deepEqual(await world.keys(), world.liveKeys())
  })

  it('leaves nothing of a deleted topic in the end', async () => {
    const world = await filled(40, 2_000)
    await world.compactor().compact()
    for (const id of world.topicIds) await world.metadata.deleteTopic(id)
    await world.clock.advance(601_000)
    await sweeperOf(world).sweep()
    assert.deepEqual(await world.keys(), [])
  })
})

/** Metadata whose first commit comes after `first` has run. */
function behind(world: CompactionWorld, first: () => Promise<void>): Metadata {
  let isFirst = true
  return Object.create(world.metadata, {
    commitCompaction: {
      value: async (compaction: Parameters<Metadata['commitCompaction']>[0]) => {
        if (isFirst) {
          isFirst = false
          await first()
        }
        return world.metadata.commitCompaction(compaction)
      }
    },
    image: { get: () => world.metadata.image },
    prepareObject: { value: (profile: string) => world.metadata.prepareObject(profile) },
    renewObjects: { value: (ids: readonly number[]) => world.metadata.renewObjects(ids) }
  })
}

describe('compaction that crashes at any call', () => {
  it('loses nothing, and leaves nothing behind after the grace time', async () => {
    for (let callsLeft = 1, finished = false; !finished; callsLeft++) {
      const world = await filled(10, 1_500, callsLeft)
      const life: Life = { alive: true, callsLeft }
      const compactor = world.compactor({
        clock: mortal(world.clock, life),
        metadata: mortal(world.metadata, life),
        stores: storesOf(mortal(world.store, life))
      })
      void compactor.compact().then(() => {
        finished = true
      })
      while (life.alive && !finished) await settle()
      await world.verify()
      // The next process.
      const sweeper = sweeperOf(world)
      await world.compactor({ turn: new CompactionTurn() }).compact()
      await world.verify()
      await world.clock.advance(601_000)
      await sweeper.sweep()
      assert.deepEqual(await world.keys(), world.liveKeys(), `after ${callsLeft} calls`)
      await world.verify()
      assert.ok(callsLeft < 200, 'it comes to an end')
    }
  })

  it('stands faults of the store, readers, trims and deletions at any time', async () => {
    for (let seed = 1; seed <= 3; seed++) await live(seed)
  })
})

/** One life under random load and faults. */
async function live(seed: number): Promise<void> {
  const world = await CompactionWorld.start(5, seed)
  const { random, clock, store } = world
  let compactor = world.compactor()
  compactor.start()
  const sweeper = sweeperOf(world)
  sweeper.start()
  for (let step = 0; step < 80; step++) {
    const at = random.int(4)
    const dice = random.int(100)
    if (dice < 60) {
      await world.upload([
        [at, 1 + random.int(random.int(3) === 0 ? 20_000 : 2_000)],
        [4, 1 + random.int(300)]
      ])
      compactor.noticed()
    } else if (dice < 75) {
      await clock.advance(random.int(120_000))
    } else if (dice < 85) {
      store.faults.errorsBefore = random.int(2) * 0.1
      store.faults.errorsAfter = random.int(2) * 0.1
      store.faults.latencyMs = { min: 0, max: random.int(2) * 100 }
    } else if (dice < 90) {
      const stream = world.metadata.image.stream(world.streamIds[at] ?? -1)
      if (stream !== undefined) await world.trim(at, random.int(stream.endOffset + 1))
    } else if (dice < 93) {
      await world.pass(compactor.close())
      compactor = world.compactor()
      compactor.start()
    } else if (dice < 95) {
      await clock.advance(3 * HOUR_MS)
    }
    if (step % 20 === 0) await world.verify()
  }
  Object.assign(store.faults, { errorsBefore: 0, errorsAfter: 0, latencyMs: { min: 0, max: 0 } })
  await world.metadata.deleteTopic(world.topicIds[4] ?? '')
  await clock.advance(8 * HOUR_MS)
  await world.pass(compactor.close())
  await clock.advance(HOUR_MS)
  await sweeper.collectOrphans()
  assert.deepEqual(await world.keys(), world.liveKeys(), `seed ${seed}`)
  await world.verify()
  for (const id of world.streamIds) assert.ok(world.metadata.image.ranges(id).length < 60)
  await sweeper.close()
}
