import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeLease as LeaseRow } from '../metadata/metadata.ts'
import { Fault, isFault } from '../runtime/fault.ts'
import { silentLog } from '../runtime/log.ts'
import { settle, VirtualClock } from '../runtime/virtual-clock.ts'
import { Cluster, LEASE_MS } from './cluster-fixture.ts'
import { beginLife, NodeLease } from './node-lease.ts'

/** What a node relies on of 2000 ms. */
const TRUSTED_MS = 1930

/** A lease whose renewals are answered by `answer`, one call after the other. */
class Rig {
  readonly clock = new VirtualClock()
  readonly lost: Fault[] = []
  readonly calls: number[] = []
  readonly told: string[] = []
  answer: (call: number) => Promise<boolean> = () => Promise.resolve(true)
  readonly lease: NodeLease

  constructor() {
    const tell = (_: Record<string, unknown>, message: string) => void this.told.push(message)
    this.lease = new NodeLease({
      clock: this.clock,
      log: { ...silentLog, info: tell, warn: tell, error: tell },
      leaseMs: LEASE_MS,
      node: { id: 1, epoch: 1 },
      lost: (fault) => this.lost.push(fault),
      metadata: {
        renewNodeLease: (_, ms) => {
          this.calls.push(ms)
          return this.answer(this.calls.length)
        }
      }
    })
  }

  after(ms: number, granted = true): Promise<boolean> {
    return new Promise((resolve) => this.clock.after(ms, () => resolve(granted)))
  }
}

const away = (): Promise<boolean> => Promise.reject(new Fault('unavailable', 'the database is away'))
const never = (): Promise<boolean> => new Promise(() => {})

test('a lease counts from before its request left, however long the answer took', async () => {
  const rig = new Rig()
  rig.answer = (call) => (call === 1 ? rig.after(300) : never())
  const acquired = rig.lease.acquire()
  await rig.clock.advance(299)
  assert.equal(rig.lease.valid(), false, 'not before the database has said so')
  await rig.clock.advance(TRUSTED_MS - 300)
  assert.equal(await acquired, true)
  assert.equal(rig.lease.valid(), true)
  assert.equal(rig.lease.remainingMs, 1)
  await rig.clock.advance(1)
  assert.equal(rig.lease.valid(), false)
})

test('an answer that comes after the end of what it grants is worth nothing', async () => {
  const rig = new Rig()
  rig.answer = (call) => (call === 1 ? rig.after(TRUSTED_MS + 1) : never())
  void rig.lease.acquire()
  await rig.clock.advance(TRUSTED_MS + 1)
  assert.equal(rig.lease.valid(), false)
})

test('it is renewed five times per lease, and stays valid', async () => {
  const rig = new Rig()
  await rig.lease.acquire()
  for (let passed = 0; passed < 10_000; passed += 50) {
    await rig.clock.advance(50)
    assert.ok(rig.lease.remainingMs >= TRUSTED_MS - 400)
  }
  assert.equal(rig.calls.length, 26)
})

test('a process that was paused past its lease finds it invalid before any timer has run', async () => {
  const cluster = await Cluster.started({ nodes: 1 })
  const process = cluster.process(1)
  assert.equal(process.lease?.valid(), true)
  process.pause()
  await cluster.world.advance(LEASE_MS)
  assert.equal(process.lease?.valid(), false)
  process.resume()
  assert.equal(process.lease?.valid(), false)
  await cluster.world.advance(10)
  assert.equal(process.lease?.valid(), true, 'nobody has fenced it')
})

test('an outage shorter than the lease is survived, and told once', async () => {
  const rig = new Rig()
  await rig.lease.acquire()
  rig.answer = away
  for (let passed = 0; passed < 1500; passed += 10) {
    await rig.clock.advance(10)
    assert.equal(rig.lease.valid(), true)
  }
  rig.answer = () => Promise.resolve(true)
  await rig.clock.advance(200)
  assert.ok(rig.lease.remainingMs > TRUSTED_MS - 200, 'tried again soon')
  assert.deepEqual(rig.told, ['the lease could not be renewed; tried again until it is', 'the lease is renewed again'])
})

test('an outage longer than the lease ends it until the database is back', async () => {
  const rig = new Rig()
  await rig.lease.acquire()
  rig.answer = away
  await rig.clock.advance(60_000)
  assert.equal(rig.lease.valid(), false)
  rig.answer = () => Promise.resolve(true)
  await rig.clock.advance(LEASE_MS / 20)
  assert.equal(rig.lease.valid(), true)
  assert.equal(rig.lost.length, 0)
  assert.deepEqual(rig.told, [
    'the lease could not be renewed; tried again until it is',
    'the lease has run out: what needs it waits until the database answers',
    'the lease is renewed again'
  ])
})

test('answers that never come do not keep it from being renewed', async () => {
  const rig = new Rig()
  await rig.lease.acquire()
  rig.answer = (call) => (call <= 4 ? never() : Promise.resolve(true))
  await rig.clock.advance(1600)
  assert.ok(rig.lease.remainingMs > TRUSTED_MS - 400)
})

test('not more than four renewals are under way, whatever happens', async () => {
  const rig = new Rig()
  await rig.lease.acquire()
  rig.answer = never
  await rig.clock.advance(60_000)
  assert.equal(rig.calls.length, 1 + 4)
})

test('a refused renewal ends this life for good, and is told once', async () => {
  const rig = new Rig()
  await rig.lease.acquire()
  const late = rig.after(1000)
  rig.answer = (call) => (call === 2 ? late : rig.after(0, false))
  await rig.clock.advance(900)
  assert.deepEqual([rig.lost.length, rig.lease.valid()], [1, false])
  await rig.clock.advance(200)
  assert.equal(rig.lease.valid(), false, 'also not by an answer that was on its way')
  await rig.clock.advance(10_000)
  assert.equal(rig.lost.length, 1)
  assert.ok(isFault(rig.lost[0], 'fenced'))
  assert.equal(rig.calls.length, 3, 'it asks no more')
})

test('closing it gives it back, and ends it at once', async () => {
  const rig = new Rig()
  await rig.lease.acquire()
  const closed = rig.lease.close()
  assert.equal(rig.lease.valid(), false)
  await closed
  await rig.lease.close()
  await rig.clock.advance(10_000)
  assert.deepEqual(rig.calls, [LEASE_MS, 0])
})

test('closing it while the database is away is no fault', async () => {
  const rig = new Rig()
  await rig.lease.acquire()
  rig.answer = away
  await rig.lease.close()
  assert.deepEqual(rig.told, ['the lease could not be given back: it runs out by itself'])
})

for (const databaseAheadMs of [-3_600_000, 3_600_000]) {
  test(`a database whose clock is ${databaseAheadMs} ms ahead changes nothing`, async () => {
    const cluster = await Cluster.started({ nodes: 3, databaseAheadMs })
    await cluster.world.advance(60_000)
    assert.deepEqual(
      cluster.processes.map(({ lease }) => lease?.valid()),
      [true, true, true]
    )
    assert.equal(cluster.recoveries.length, 0)
    cluster.others()[0]?.kill()
    await cluster.world.advance(LEASE_MS + 200)
    assert.equal(cluster.recoveries.length, 1)
  })
}

/** Beginning a life against answers that are given. */
function begin(clock: VirtualClock, earlierLifeMayRun: boolean, given: { until?: number; renewals?: boolean[] }) {
  const registered: number[] = []
  const renewals = [...(given.renewals ?? [])]
  const life = beginLife({
    clock,
    log: silentLog,
    leaseMs: LEASE_MS,
    nodeId: 7,
    earlierLifeMayRun,
    lost: () => {},
    metadata: {
      registerNode: (id) => Promise.resolve(registered.push(id)),
      renewNodeLease: () => Promise.resolve(renewals.shift() ?? true),
      leases: () => {
        const row = { id: 7, epoch: 1, state: 'running', remainingMs: (given.until ?? 0) - clock.monotonic() }
        return Promise.resolve([row as LeaseRow])
      }
    }
  })
  return { life, registered }
}

test('a node that is fenced while it starts begins anew', async () => {
  const { life, registered } = begin(new VirtualClock(), false, { renewals: [false, false] })
  assert.deepEqual((await life).node, { id: 7, epoch: 3 })
  assert.equal(registered.length, 3)
})

test('a node that is fenced again and again gives up, and says why', async () => {
  const { life } = begin(new VirtualClock(), false, { renewals: Array<boolean>(9).fill(false) })
  await assert.rejects(life, (error) => isFault(error, 'conflict') && error.message.includes('node 7'))
})

test('the lease of an earlier life is waited out where nothing else keeps that from writing', async () => {
  const clock = new VirtualClock()
  let begun = false
  const { life } = begin(clock, true, { until: 1500 })
  void life.then(() => {
    begun = true
  })
  await clock.advance(1499)
  assert.equal(begun, false)
  await clock.advance(5)
  assert.equal(begun, true)
})

test('it is not waited out where a lock decides', async () => {
  const clock = new VirtualClock()
  const { life } = begin(clock, false, { until: 1500 })
  await settle()
  assert.equal((await life).valid(), true)
})
