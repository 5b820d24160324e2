import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { StoredObject } from '../metadata/metadata.ts'
import { MemoryObjectStore } from '../object-store/memory-object-store.ts'
import type { ObjectStores } from '../object-store/object-stores.ts'
import { Fault, isFault } from '../runtime/fault.ts'
import { silentLog } from '../runtime/log.ts'
import { CompactionWorld } from './compaction/compaction-world-fixture.ts'
import { ObjectSweeper, type ObjectSweeperParts, SWEEP_SETTINGS } from './object-sweeper.ts'

const GRACE_MS = 600_000
const HOUR_MS = 3_600_000

function sweeperOf(world: CompactionWorld, differs: Partial<ObjectSweeperParts> = {}): ObjectSweeper {
  const { clock, random, metadata, stores } = world
  return new ObjectSweeper({ clock, random, log: silentLog, metadata, stores, ...differs })
}

/** An object that was announced and stored, and never committed. */
async function abandoned(world: CompactionWorld): Promise<StoredObject> {
  const object = await world.metadata.prepareObject('default')
  await world.memory.put(object.key, [Buffer.from('nobody needs this')])
  return object
}

describe('the object sweeper', () => {
  it('deletes abandoned and destroyed objects once the grace time is over, not before', async () => {
    const world = await CompactionWorld.start(1)
    const orphan = await abandoned(world)
    await world.upload([[0, 500]])
    await world.trim(0, world.metadata.image.stream(world.streamIds[0] ?? -1)?.endOffset ?? 0)
    await world.upload([[0, 500]])
    assert.equal((await world.keys()).length, 3)
    const sweeper = sweeperOf(world)
    await world.clock.advance(GRACE_MS - 1)
    await sweeper.sweep()
    assert.equal((await world.keys()).length, 3)
    await world.clock.advance(2)
    await sweeper.sweep()
    assert.deepEqual(await world.keys(), world.liveKeys())
    assert.deepEqual(await world.metadata.knownObjects([orphan.id]), new Set())
    assert.equal(sweeper.stats().expired, 2)
    await world.verify()
  })

  it('never deletes what a late commit could still bring back', async () => {
    const world = await CompactionWorld.start(1)
    const { id } = await abandoned(world)
    await world.clock.advance(GRACE_MS + 1)
    await sweeperOf(world).sweep()
    const commit = world.metadata.commitUpload({
      nodeId: 1,
      objects: [{ objectId: id, bytes: 17, ranges: [] }],
      streams: []
    })
    await assert.rejects(commit, (error) => isFault(error, 'missing'))
  })

  it('deletes more than one batch in one sweep', async () => {
    const world = await CompactionWorld.start(1)
    for (let i = 0; i < 35; i++) await world.metadata.prepareObject('default')
    await world.clock.advance(GRACE_MS + 1)
    const sweeper = sweeperOf(world, { settings: { ...SWEEP_SETTINGS, batch: 10 } })
    await sweeper.sweep()
    assert.equal(sweeper.stats().expired, 35)
  })

  it('keeps the rows of a store that fails, and goes on with the others', async () => {
    const world = await CompactionWorld.start(1)
    const broken = new MemoryObjectStore()
    let isBroken = true
    broken.delete = async (keys) => {
      if (isBroken) throw new Fault('unavailable', `the store is away, ${keys.length} objects stay`)
    }
    for (let i = 0; i < 11; i++) await world.metadata.prepareObject('broken')
    const orphan = await abandoned(world)
    await world.clock.advance(GRACE_MS + 1)
    const stores: ObjectStores = {
      store: (profile) => (profile === 'broken' ? broken : world.memory),
      profiles: () => ['default', 'broken'],
      close: async () => undefined
    }
    const sweeper = sweeperOf(world, { stores, settings: { ...SWEEP_SETTINGS, batch: 10 } })
    await sweeper.sweep()
    assert.equal(sweeper.stats().expired, 1)
    assert.deepEqual(await world.metadata.knownObjects([orphan.id]), new Set())
    isBroken = false
    await sweeper.sweep()
    assert.equal(sweeper.stats().expired, 12)
  })

  it('finds bytes that arrived after their object was given up, by listing the store', async () => {
    const world = await CompactionWorld.start(1)
    const late = await world.metadata.prepareObject('default')
    await world.clock.advance(GRACE_MS + 1)
    const sweeper = sweeperOf(world)
    await sweeper.sweep()
    await world.memory.put(late.key, [Buffer.from('late')])
    await world.memory.put('objects/readme', [Buffer.from('not ours')])
    await world.upload([[0, 500]])
    const young = await abandoned(world)
    await sweeper.collectOrphans()
    assert.deepEqual(await world.keys(), [...world.liveKeys(), young.key, 'objects/readme'].sort())
    assert.equal(sweeper.stats().orphans, 1)
    await world.verify()
  })

  it('deletes nothing from a store that holds objects of another database', async () => {
    const world = await CompactionWorld.start(1)
    const forgotten = await world.metadata.prepareObject('default')
    await world.metadata.forgetObjects([forgotten.id])
    await world.upload([[0, 500]])
    await world.memory.put(forgotten.key, [Buffer.from('of the other cluster')])
    await world.memory.put('objects/ab/0000000000004711', [Buffer.from('of the other cluster')])
    const before = await world.keys()
    const warnings: string[] = []
    await sweeperOf(world, { log: { ...silentLog, warn: (_, message) => warnings.push(message) } }).collectOrphans()
    assert.deepEqual(await world.keys(), before)
    assert.equal(warnings.length, 1)
  })

  it('sweeps and lists on its timers, and stops when it is closed', async () => {
    const world = await CompactionWorld.start(1)
    await abandoned(world)
    const late = await world.metadata.prepareObject('default')
    const sweeper = sweeperOf(world)
    sweeper.start()
    await world.clock.advance(GRACE_MS + 120_000)
    assert.deepEqual(await world.keys(), [])
    await world.memory.put(late.key, [Buffer.from('late')])
    await world.upload([[0, 500]])
    await world.clock.advance(9 * HOUR_MS)
    assert.deepEqual(await world.keys(), world.liveKeys())
    await sweeper.close()
    assert.equal(world.clock.sleeping, 0)
  })
})
