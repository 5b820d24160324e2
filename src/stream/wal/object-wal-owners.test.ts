/**
 * What the object WAL promises when owners crash, hang, come back and take the log from each other, at any moment and
 * over a store that is slow and fails: whatever anybody acknowledged is found by every later owner.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { FaultyObjectStore } from '../../object-store/faulty-object-store.ts'
import { MemoryObjectStore } from '../../object-store/memory-object-store.ts'
import { isFault } from '../../runtime/fault.ts'
import { silentLog } from '../../runtime/log.ts'
import { type Random, seededRandom } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { ObjectWal } from './object-wal.ts'
import type { WalPosition } from './wal.ts'
import { recordOf } from './wal-contract.ts'

const SEEDS = Number(process.env.LONGHAUL_TEST_OWNER_SEEDS ?? 25)
const NODE = 1

/** A record's number and where it ends. */
interface Found {
  readonly number: number
  readonly end: WalPosition
}

/** One start of the node: a process with its own way to the store. */
class Owner {
  readonly epoch: number
  readonly store: FaultyObjectStore
  readonly wal: ObjectWal
  readonly acknowledged: Found[] = []
  /** What it found when it took the log over; undefined until it has. */
  replayed: Found[] | undefined
  /** What had been announced as no longer needed when it began. */
  readonly trimmedTo: WalPosition
  fenced = false
  alive = true

  constructor(world: World, epoch: number) {
    const { random, clock } = world
    this.epoch = epoch
    this.trimmedTo = world.trimmedTo
    this.store = new FaultyObjectStore({ store: world.objects, random, clock })
    this.store.faults.latencyMs = { min: 1, max: [5, 50, 400][random.int(3)] ?? 0 }
    const share = [0, 0, 0.1, 0.3][random.int(4)] ?? 0
    this.store.faults.errorsBefore = share
    this.store.faults.errorsAfter = share
    const { store } = this
    // What a list shows must not matter: some see nothing.
    const listed = random.int(3) === 0 ? 'nothing/' : ''
    this.wal = new ObjectWal({
      store: {
        put: (key, parts, options) => store.put(key, parts, options),
        get: (key, range) => store.get(key, range),
        list: (prefix) => store.list(listed + prefix),
        delete: (keys) => store.delete(keys)
      },
      clock,
      random,
      log: silentLog,
      nodeId: NODE,
      epoch,
      loadMark: async () => world.mark,
      batchBytesMax: 600,
      batchAgeMs: 20,
      inFlightMax: 1 + random.int(5),
      hedging: { delayMsMin: 1, delayMsMax: 100, share: 0.3 }
    })
  }
}

/** Owners over one store, a database that keeps epochs and the mark, and what must hold. */
class World {
  readonly random: Random
  readonly clock = new VirtualClock()
  readonly objects = new MemoryObjectStore()
  readonly owners: Owner[] = []
  mark: string | undefined
  /** Everything before it was announced as no longer needed. */
  trimmedTo: WalPosition = 0
  /** What went wrong where nobody waits. */
  readonly failures: unknown[] = []
  #numbers = 0
  /** Of every place that anybody named: which record ends there. */
  readonly #records = new Map<WalPosition, number>()

  constructor(seed: number) {
    this.random = seededRandom(seed)
  }

  start(): void {
    const owner = new Owner(this, this.owners.length + 1)
    this.owners.push(owner)
    const found: Found[] = []
    owner.wal
      .replay(({ entry, end }) => found.push({ number: entry.baseOffset / 10, end }))
      .then(
        () => this.#tookOver(owner, found),
        (error) => {
          assert.ok(isFault(error, 'fenced') || (!owner.alive && isFault(error, 'closed')), String(error))
          owner.fenced = true
        }
      )
      .catch((error) => this.failures.push(error))
  }

  append(owner: Owner): void {
    if (owner.replayed === undefined) return
    const number = this.#numbers++
    owner.wal.append(
      recordOf(number, this.random.int(300)),
      (end) => {
        if (!owner.alive) return
        this.#check(() => {
          assert.ok(!owner.fenced, `epoch ${owner.epoch} acknowledged ${number} after it was fenced`)
          assert.ok(end > (owner.acknowledged.at(-1)?.end ?? 0), 'acknowledged out of order')
          this.#names({ number, end })
          owner.acknowledged.push({ number, end })
        })
      },
      (error) => {
        this.#check(() => assert.ok(isFault(error, 'fenced') || isFault(error, 'closed'), String(error)))
        if (isFault(error, 'fenced')) owner.fenced = true
      }
    )
  }

  /** Commits a mark, as long as the node's epoch is this owner's, and trims. */
  trim(owner: Owner): void {
    const known = [...(owner.replayed ?? []), ...owner.acknowledged]
    const position = known[this.random.int(known.length)]?.end
    if (position === undefined || owner.epoch !== this.owners.length || position < this.trimmedTo) return
    this.mark = owner.wal.mark(position)
    this.trimmedTo = position
    void owner.wal.trim(position)
  }

  /** The process ends: nothing that it does from now on counts, but what it sent may still arrive. */
  crash(owner: Owner): void {
    owner.alive = false
    owner.store.faults.outage = true
    void owner.wal.close()
  }

  /** What everybody acknowledged and nobody has trimmed is found by the last owner. */
  async finish(): Promise<void> {
    for (const { store } of this.owners) Object.assign(store.faults, { errorsBefore: 0, errorsAfter: 0 })
    await this.clock.advance(20_000)
    this.start()
    const last = this.owners.at(-1)
    assert.ok(last !== undefined)
    Object.assign(last.store.faults, { errorsBefore: 0, errorsAfter: 0 })
    await this.clock.advance(20_000)
    assert.deepEqual(this.failures, [])
    assert.ok(last.replayed !== undefined, 'the last owner took the log over')
    for (const taker of this.owners) {
      if (taker.replayed === undefined) continue
      const found = new Set(taker.replayed.map(({ end }) => end))
      // Acknowledged by an earlier epoch at any time, before the take-over or after it.
      for (const { epoch, acknowledged } of this.owners) {
        if (epoch >= taker.epoch) continue
        for (const { number, end } of acknowledged) {
          const known = found.has(end) || end <= taker.trimmedTo
          assert.ok(known, `epoch ${taker.epoch} did not find ${number} at ${end} of epoch ${epoch}`)
        }
      }
    }
    await Promise.all([this.clock.advance(30_000), ...this.owners.map(({ wal }) => wal.close())])
  }

  #tookOver(owner: Owner, found: Found[]): void {
    owner.replayed = found
    for (const [index, place] of found.entries()) {
      assert.ok(place.end > (found[index - 1]?.end ?? 0), 'replayed out of order')
      this.#names(place)
    }
    assert.equal(new Set(found.map(({ number }) => number)).size, found.length, 'replayed twice')
  }

  /** A position belongs to one record, whoever names it and when. */
  #names({ number, end }: Found): void {
    const known = this.#records.get(end)
    assert.ok(known === undefined || known === number, `position ${end} is that of records ${known} and ${number}`)
    this.#records.set(end, number)
  }

  #check(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.failures.push(error)
    }
  }
}

/** Owners come, append, trim, hang and crash at random; at most `owners` of them are alive at once. */
async function live(seed: number, owners: number): Promise<World> {
  const world = new World(seed)
  const { random, clock } = world
  world.start()
  for (let step = 0; step < 120; step++) {
    const alive = world.owners.filter((owner) => owner.alive)
    const owner = alive[random.int(alive.length)]
    const action = random.int(100)
    if (owner === undefined || (action < 4 && alive.length < owners)) world.start()
    else if (action < 7) world.crash(owner)
    else if (action < 85) for (let count = random.int(6); count > 0; count--) world.append(owner)
    else if (action < 95) world.trim(owner)
    else owner.store.faults.outage = !owner.store.faults.outage
    await clock.advance([0, 1, 7, 40, 300][random.int(5)] ?? 0)
  }
  for (const owner of world.owners) if (owner.alive) owner.store.faults.outage = false
  await world.finish()
  return world
}

for (const owners of [1, 2, 3]) {
  it(`whatever was acknowledged is found by every later owner: ${owners} alive at once, ${SEEDS} seeds`, async () => {
    let acknowledged = 0
    let fenced = 0
    for (let seed = 1; seed <= SEEDS; seed++) {
      const world = await live(seed, owners).catch((cause) => {
        throw new Error(`seed ${seed} with ${owners} owners: ${cause.message}`, { cause })
      })
      for (const owner of world.owners) {
        acknowledged += owner.acknowledged.length
        if (owner.fenced) fenced++
      }
    }
    // A run in which nothing happens would pass.
    assert.ok(acknowledged > 30 * SEEDS, `only ${acknowledged} acknowledged`)
    if (owners > 1) assert.ok(fenced > SEEDS / 2, `only ${fenced} owners were fenced`)
  })
}
