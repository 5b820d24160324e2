import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openDatabase } from '../metadata/open-database.ts'
import { SqlMetadata } from '../metadata/sql-metadata.ts'
import { FaultyObjectStore } from '../object-store/faulty-object-store.ts'
import { MemoryObjectStore } from '../object-store/memory-object-store.ts'
import { DEFAULT_PROFILE, type ObjectStores } from '../object-store/object-stores.ts'
import { singleObjectStore } from '../object-store/single-object-store.ts'
import { Fault, isFault } from '../runtime/fault.ts'
import { silentLog } from '../runtime/log.ts'
import { type Random, seededRandom } from '../runtime/random.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import type { Entry } from './entry.ts'
import type { Stream } from './stream.ts'
import { StreamEngine } from './stream-engine.ts'
import type { Captured } from './uploader.ts'
import { FileWal } from './wal/file-wal.ts'
import { MemoryWalDevice } from './wal/memory-wal-device.ts'

const NODE_ID = 1
const STREAMS = 3

/** Whether a process still runs. What belongs to a dead one never hears of anything again. */
interface Life {
  alive: boolean
}

/** `target` as one process sees it: its calls take effect, but after its death no answer arrives and no timer fires. */
function mortal<T extends object>(target: T, life: Life): T {
  return new Proxy(target, {
    get(_, name) {
      const member = Reflect.get(target, name) as unknown
      if (typeof member !== 'function') return member
      return (...args: unknown[]) => {
        if (!life.alive) return new Promise(() => undefined)
        const guarded = args.map((a) =>
          typeof a === 'function' ? (...given: unknown[]) => life.alive && a(...given) : a
        )
        const result = member.apply(target, guarded) as unknown
        if (!(result instanceof Promise)) return result
        return new Promise((resolve, reject) => {
          result.then(
            (value) => life.alive && resolve(value),
            (error) => life.alive && reject(error)
          )
        })
      }
    }
  })
}

/** An engine on a disk, a store and a database that outlive it. All effects come from one seed and one clock. */
class World {
  readonly clock = new VirtualClock()
  readonly random: Random
  readonly store: FaultyObjectStore
  readonly memoryStore = new MemoryObjectStore()
  /** Of the profile `eu`. */
  readonly otherStore = new MemoryObjectStore()
  /** By stream, where it is not the default. */
  readonly profiles = new Map<number, string>()
  metadata!: SqlMetadata
  device: MemoryWalDevice
  engine!: StreamEngine
  streams: Stream[] = []
  streamIds: number[] = []
  topicId = ''
  life: Life = { alive: true }
  /** Streams that a start leaves alone. */
  readonly unopened = new Set<number>()
  /** What engines logged as errors. */
  readonly told: Record<string, unknown>[] = []
  /** Why engines ended that were not crashed. */
  readonly failures: Error[] = []
  /** What the owner of a stream would save: the number of entries it has seen, which a test can recount. */
  counts = new Map<number, number[]>()

  constructor(seed: number) {
    this.random = seededRandom(seed)
    const { clock, random } = this
    this.store = new FaultyObjectStore({ store: this.memoryStore, random, clock })
    this.device = new MemoryWalDevice({ random, clock })
  }

  async start(logCacheBytes = 64 * 1024): Promise<void> {
    const { random } = this
    const life = { alive: true }
    this.life = life
    const clock = mortal<VirtualClock>(this.clock, this.life)
    if (this.topicId === '') await this.#createStreams()
    const nodeEpoch = await this.metadata.registerNode(NODE_ID)
    this.engine = new StreamEngine({
      nodeId: NODE_ID,
      nodeEpoch,
      clock,
      random,
      log: { ...silentLog, error: (fields) => void this.told.push(fields) },
      metadata: mortal(this.metadata, this.life),
      stores: this.#stores(),
      // The device of a life that ended is gone: that is no failure.
      failed: (fault) => life.alive && this.failures.push(fault),
      wal: new FileWal({
        device: mortal(this.device, this.life),
        clock,
        random,
        log: silentLog,
        segmentBytes: 256 * 1024,
        bytesMax: 1024 * 1024
      }),
      settings: {
        logCacheBytes,
        blockCacheBytes: 32 * 1024,
        uploadBytes: 16 * 1024,
        uploadIntervalMs: 1_000,
        coldReadBytesPerSecond: 0,
        compactionIntervalMs: 10_000,
        objectGraceMs: 600_000
      }
    })
    await this.engine.recover()
    const ids = this.streamIds.filter((id) => !this.unopened.has(id))
    const opened = await this.engine.open(ids)
    this.streams = opened.map(({ stream }) => stream)
    for (const { stream, snapshot, own } of opened) {
      const ends = (this.counts.get(stream.id) ?? []).filter((end) => end <= stream.endOffset)
      this.counts.set(stream.id, ends)
      const saved = snapshot?.bytes.readUInt32BE(0) ?? 0
      const from = snapshot?.offset ?? 0
      assert.equal(
        saved,
        ends.filter((end) => end <= from).length,
        'a snapshot says what lies before its offset, no more'
      )
      own({
        capture: (startOffset, endOffset) => this.#capture(stream.id, startOffset, endOffset),
        profile: () => this.profiles.get(stream.id) ?? DEFAULT_PROFILE
      })
    }
  }

  #stores(): ObjectStores {
    const stores = singleObjectStore(mortal(this.store, this.life))
    return {
      store: (profile) => (profile === 'eu' ? this.otherStore : stores.store(profile)),
      profiles: () => [...stores.profiles(), 'eu'],
      close: () => stores.close()
    }
  }

  async #createStreams(): Promise<void> {
    const database = await openDatabase('sqlite::memory:')
    this.metadata = await SqlMetadata.open({ database, clock: this.clock, random: this.random })
    const topic = await this.metadata.createTopic({
      name: 'signals',
      partitions: STREAMS,
      configs: {},
      internal: false,
      leaders: [NODE_ID]
    })
    this.topicId = topic.id
    this.streamIds = topic.partitions.map((partition) => partition.streamId)
  }

  /** Power fails: what was not synced may be gone or torn. */
  async crash(): Promise<void> {
    this.life.alive = false
    this.device = this.device.crash()
    await this.start()
  }

  append(at: number, bytes: number, span = 1): { entry: Entry; durable: Promise<void> } {
    const stream = this.streams[at] as Stream
    const baseOffset = stream.nextOffset
    const payload = this.random.bytes(bytes)
    const entry = { baseOffset, lastOffset: baseOffset + span - 1, maxTimestamp: this.clock.now(), payload }
    this.counts.get(stream.id)?.push(entry.lastOffset + 1)
    return { entry, durable: stream.append(entry) }
  }

  /** Everything a stream holds from `fromOffset` on; time passes while objects are read. */
  async readAll(stream: Stream, fromOffset: number): Promise<Entry[]> {
    const found: Entry[] = []
    for (let next = fromOffset; next < stream.endOffset; ) {
      const entries = await this.pass(Promise.resolve(stream.read(next, 4_096)))
      assert.ok(entries.length > 0, `nothing at offset ${next} before the end ${stream.endOffset}`)
      found.push(...entries)
      next = (entries.at(-1) as Entry).lastOffset + 1
    }
    return found
  }

  /** Lets time pass until `promise` settles. */
  async pass<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const mark = () => {
      settled = true
    }
    promise.then(mark, mark)
    for (let i = 0; i < 10_000 && !settled; i++) await this.clock.advance(5)
    assert.ok(settled, 'a promise has not settled in 50 s of virtual time')
    return promise
  }

  #capture(streamId: number, startOffset: number, endOffset: number): Captured {
    const snapshot = Buffer.alloc(4)
    snapshot.writeUInt32BE((this.counts.get(streamId) ?? []).filter((end) => end <= endOffset).length, 0)
    return { snapshot, note: Buffer.from(`${startOffset}-${endOffset}`) }
  }
}

async function startedWorld(seed = 1): Promise<World> {
  const world = new World(seed)
  await world.start()
  return world
}

describe('the storage engine', () => {
  it('serves entries from memory before, and from objects after they were uploaded and evicted', async () => {
    const world = await startedWorld()
    const appended: Entry[] = []
    for (let i = 0; i < 200; i++) {
      const { entry, durable } = world.append(0, 1_000)
      await world.pass(durable)
      appended.push(entry)
    }
    await world.pass(world.engine.flush())
    const [stream] = world.streams as [Stream]
    assert.ok(world.engine.stats().cachedBytes <= 64 * 1024, 'the cache keeps its bound')
    assert.equal(world.engine.stats().dirtyBytes, 0)
    assert.deepEqual(await world.readAll(stream, 0), appended)
    assert.deepEqual((await world.readAll(stream, 120)).length, 80)
  })

  it('keeps each stream in the store of its profile, and reads it back from there', async () => {
    const world = await startedWorld()
    const [near, far] = world.streams as [Stream, Stream]
    world.profiles.set(far.id, 'eu')
    const appended: Entry[] = []
    for (let i = 0; i < 100; i++) {
      await world.pass(world.append(0, 1_000).durable)
      const { entry, durable } = world.append(1, 1_000)
      await world.pass(durable)
      appended.push(entry)
    }
    await world.pass(world.engine.flush())
    const profileOf = ({ objectId }: { objectId: number }) => world.metadata.image.object(objectId)?.profile
    assert.deepEqual([...new Set(world.metadata.image.ranges(near.id).map(profileOf))], [DEFAULT_PROFILE])
    assert.deepEqual([...new Set(world.metadata.image.ranges(far.id).map(profileOf))], ['eu'])
    world.store.faults.outage = true
    assert.deepEqual(await world.readAll(far, 0), appended)
  })

  it('tells of damage once, however often it is read', async () => {
    const world = await startedWorld()
    for (let i = 0; i < 100; i++) await world.pass(world.append(0, 1_000).durable)
    await world.pass(world.engine.flush())
    for (const { key } of world.metadata.image.objects()) await world.memoryStore.delete([key])
    const [stream] = world.streams as [Stream]
    for (let i = 0; i < 3; i++) {
      await assert.rejects(world.readAll(stream, 0), (error) => isFault(error, 'corrupt'))
    }
    assert.equal(world.told.length, 1)
    assert.match(String(world.told[0]?.damage), /object 1 is in the metadata but not in the store/)
  })

  it('never shows an entry before it is durable', async () => {
    const world = await startedWorld()
    world.device.faults.syncMs = 100
    const { durable } = world.append(0, 100)
    const [stream] = world.streams as [Stream]
    await world.clock.advance(50)
    assert.equal(stream.endOffset, 0)
    assert.equal(stream.nextOffset, 1)
    assert.deepEqual(await stream.read(0, 1_000), [])
    await world.pass(durable)
    assert.equal(stream.endOffset, 1)
  })

  it('keeps acknowledging while the object store is away, up to its limit, and recovers by itself', async () => {
    const world = await startedWorld()
    world.store.faults.outage = true
    const appended: Entry[] = []
    while (world.engine.room() === undefined) {
      const { entry, durable } = world.append(0, 4_000)
      await world.pass(durable)
      appended.push(entry)
      assert.ok(appended.length < 100, 'the limit is reached')
    }
    const room = world.engine.room() as Promise<void>
    await world.clock.advance(60_000)
    world.store.faults.outage = false
    await world.pass(room)
    assert.equal(world.engine.room(), undefined)
    assert.deepEqual(await world.readAll(world.streams[0] as Stream, 0), appended)
  })

  it('goes on beside a stream in its log that nobody opens, and keeps that one in the log', async () => {
    const world = await startedWorld()
    const [left, other] = world.streamIds as [number, number]
    world.store.faults.outage = true
    for (let i = 0; i < 20; i++) await world.pass(world.append(0, 1_500).durable)
    world.unopened.add(left)
    await world.crash()
    world.store.faults.outage = false
    const kept = world.engine.stats().dirtyBytes
    assert.ok(kept > 16 * 1024, 'more than an upload takes along')
    const stream = world.streams.find(({ id }) => id === other) as Stream
    await world.pass(stream.append({ baseOffset: 0, lastOffset: 0, maxTimestamp: -1, payload: Buffer.alloc(100) }))
    await world.pass(world.engine.flush())
    assert.equal(world.engine.stats().dirtyBytes, kept)
    assert.ok(world.engine.stats().walBytes > kept / 2, 'the log still holds it')
    const [late] = await world.pass(world.engine.open([left]))
    late?.own({ capture: () => ({ snapshot: undefined, note: undefined }), profile: () => DEFAULT_PROFILE })
    assert.ok((late?.stream.endOffset ?? 0) > 0)
    await world.pass(world.engine.flush())
    assert.equal(world.engine.stats().dirtyBytes, 0)
  })

  it('keeps what owners note beside an upload for as long as it is there, however often it is merged', async () => {
    const world = await startedWorld()
    const stream = world.streams[0] as Stream
    for (let round = 0; round < 40; round++) {
      await world.pass(world.append(0, 200).durable)
      await world.pass(world.engine.flush())
    }
    const told = async () => {
      const notes: string[] = []
      for await (const range of stream.notes(0)) for (const { bytes } of range.notes) notes.push(bytes.toString())
      return notes
    }
    const before = await world.pass(told())
    assert.equal(before.length, 40)
    const objects = [...world.metadata.image.objects()].length
    await world.pass(world.engine.compactAll())
    assert.ok([...world.metadata.image.objects()].length < objects, 'objects were merged')
    assert.deepEqual(await world.pass(told()), before)
  })

  it('uploads nothing of a stream before its owner has come', async () => {
    const world = await startedWorld()
    const [first] = world.streamIds as [number]
    await world.pass(world.append(0, 100).durable)
    world.unopened.add(first)
    await world.crash()
    const [opened] = await world.pass(world.engine.open([first]))
    await world.pass(world.engine.flush())
    assert.equal(opened?.stream.committedOffset, 0)
    const noted: string[] = []
    opened?.own({
      capture: (startOffset, endOffset) => {
        noted.push(`${startOffset}-${endOffset}`)
        return { snapshot: undefined, note: undefined }
      },
      profile: () => DEFAULT_PROFILE
    })
    await world.pass(world.engine.flush())
    assert.deepEqual(noted, [`0-${opened?.stream.endOffset}`])
    assert.equal(opened?.stream.committedOffset, opened?.stream.endOffset)
  })

  it('asks a store that refuses again and again, and goes on when it no longer does', async () => {
    const world = await startedWorld()
    await world.pass(world.append(0, 100).durable)
    const put = world.memoryStore.put.bind(world.memoryStore)
    let refusals = 0
    world.memoryStore.put = (...args) =>
      ++refusals > 5 ? put(...args) : Promise.reject(new Fault('invalid', 'the credentials have expired'))
    await world.pass(world.engine.flush())
    assert.equal(refusals, 6)
    assert.equal(world.engine.stats().dirtyBytes, 0)
    assert.deepEqual(world.failures, [])
  })

  it('tells whoever waits when a stream is discarded, and never acknowledges into it afterwards', async () => {
    const world = await startedWorld()
    world.device.faults.syncMs = 100
    const { durable } = world.append(0, 100)
    const waiting = (world.streams[0] as Stream).whenDurable(1)
    world.engine.discard((world.streams[0] as Stream).id)
    await assert.rejects(world.pass(waiting), (error) => isFault(error, 'closed'))
    await assert.rejects(world.pass(durable), (error) => isFault(error, 'closed'))
    assert.equal(world.engine.stats().cachedBytes, 0)
  })

  it('refuses an entry that the log cannot take, and goes on with the next', async () => {
    const world = await startedWorld()
    const [stream] = world.streams as [Stream]
    const payload = Buffer.alloc(stream.payloadBytesMax + 1)
    const refused = stream.append({ baseOffset: 0, lastOffset: 0, maxTimestamp: 0, payload })
    await assert.rejects(refused, (error) => isFault(error, 'invalid'))
    const { entry, durable } = world.append(0, 100)
    await world.pass(durable)
    assert.equal(entry.baseOffset, 0)
  })

  it('ends, once, when its streams were taken over: what it cannot upload is no longer its own', async () => {
    const world = await startedWorld()
    await world.pass(world.append(0, 100).durable)
    await world.metadata.openStreams(NODE_ID, world.streamIds)
    await assert.rejects(world.pass(world.engine.flush()), (error) => isFault(error, 'fenced'))
    await world.clock.advance(10_000)
    assert.equal(world.failures.length, 1)
    await world.pass(world.engine.close())
  })

  it('gives back the log that deleted streams have filled', async () => {
    const world = await startedWorld()
    const [deleted, other] = world.streams as [Stream, Stream]
    world.store.faults.outage = true
    // More than the log holds: the last of these wait for room.
    for (let i = 0; i < 18; i++) world.append(0, 60_000).durable.catch(() => undefined)
    await world.clock.advance(5_000)
    assert.ok(deleted.endOffset < 18, 'the log is full')
    world.engine.discard(deleted.id)
    world.store.faults.outage = false
    await world.pass(world.append(1, 60_000).durable)
    assert.equal(other.endOffset, 1)
  })

  it('slows down whoever appends to a stalled disk, before its memory is full', async () => {
    const world = await startedWorld()
    world.device.faults.capacityBytes = 0
    let appended = 0
    while (world.engine.room() === undefined && appended < 100) {
      world.append(0, 4_000).durable.catch(() => undefined)
      await world.clock.advance(10)
      appended++
    }
    assert.ok(appended < 20, `${appended} appends of 4 kB against a limit of 64 KiB`)
    const room = world.engine.room() as Promise<void>
    world.device.faults.capacityBytes = Number.POSITIVE_INFINITY
    await world.pass(room)
  })

  it('trims inside and beyond what was uploaded, and keeps that over a crash', async () => {
    const world = await startedWorld()
    for (let i = 0; i < 10; i++) await world.pass(world.append(0, 100).durable)
    await world.pass((world.streams[0] as Stream).trim(4))
    assert.equal((world.streams[0] as Stream).startOffset, 4)
    for (let i = 0; i < 10; i++) await world.pass(world.append(0, 100).durable)
    await world.pass((world.streams[0] as Stream).trim(20))
    await world.crash()
    const [stream] = world.streams as [Stream]
    assert.equal(stream.startOffset, 20)
    assert.equal(stream.endOffset, 20)
    const { entry, durable } = world.append(0, 100)
    await world.pass(durable)
    assert.equal(entry.baseOffset, 20)
    await assert.rejects(stream.trim(22), (error) => isFault(error, 'invalid'))
  })

  it('finds the first entry that reaches a timestamp, in objects and in memory', async () => {
    const world = await startedWorld()
    const appended: Entry[] = []
    for (let i = 0; i < 100; i++) {
      const { entry, durable } = world.append(0, 1_500)
      await world.pass(durable)
      appended.push(entry)
      await world.clock.advance(world.random.int(50))
    }
    const [stream] = world.streams as [Stream]
    for (const wanted of appended) {
      const first = appended.find((entry) => entry.maxTimestamp >= wanted.maxTimestamp)
      assert.equal((await stream.findTimestamp(wanted.maxTimestamp))?.baseOffset, first?.baseOffset)
    }
    assert.equal(await stream.findTimestamp((await stream.maxTimestamp()) + 1), undefined)
    assert.equal(await stream.maxTimestamp(), appended.at(-1)?.maxTimestamp)
  })
})
