/**
 * THE invariant of leases, under pauses, cuts, outages, slow messages and clocks that differ: no node is ever fenced, nor
 * could be, while its own `valid()` is true, not even one that is paused and would only find out when it wakes. And nobody
 * else can be the controller while one believes to be. The property is worth something because it finds planted bugs.
 */
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import fc from 'fast-check'
import type { NodeIdentity } from '../metadata/metadata.ts'
import { type Random, seededRandom } from '../runtime/random.ts'
import { Cluster, LEASE_MS } from './cluster-fixture.ts'
import { LeaseTerm } from './lease-term.ts'

interface Trouble {
  readonly atMs: number
  readonly lastsMs: number
  readonly node: number
  readonly kind: 'pause' | 'cut' | 'outage' | 'kill'
}

interface Plan {
  readonly nodes: number
  readonly seed: number
  /** Longest way of a message, in milliseconds. */
  readonly delayMs: number
  /** How much faster or slower clocks run, in parts of a hundred thousand. */
  readonly rates: readonly number[]
  readonly troubles: readonly Trouble[]
}

const RUN_MS = 20_000

/** `driftMax`: how far two clocks are apart at most, as a part. */
function plans(driftMax: number): fc.Arbitrary<Plan> {
  const half = Math.floor((driftMax / 2) * 100_000)
  return fc.record({
    nodes: fc.integer({ min: 2, max: 5 }),
    seed: fc.nat(),
    delayMs: fc.constantFrom(1, 20, 200, 600),
    rates: fc.array(fc.integer({ min: -half, max: half }), { minLength: 6, maxLength: 6 }),
    troubles: fc.array(
      fc.record({
        atMs: fc.integer({ min: 3000, max: RUN_MS }),
        lastsMs: fc.integer({ min: 10, max: 6000 }),
        node: fc.nat(4),
        kind: fc.constantFrom('pause', 'pause', 'cut', 'cut', 'outage', 'kill')
      }),
      { maxLength: 12 }
    )
  })
}

/** Runs a cluster; the number of times that a node was fenced. Throws when the invariant is broken. */
async function run({ nodes, seed, delayMs, rates, troubles }: Plan): Promise<number> {
  const rateOf = (at: number): number => 1 + (rates[at] ?? 0) / 100_000
  const cluster = new Cluster({ nodes, databaseRate: rateOf(0), rate: rateOf })
  const { world, database } = cluster
  const random = seededRandom(seed)
  let fences = 0
  const broken: string[] = []
  database.onFence = ({ id, epoch }) => {
    fences += 1
    const { lease } = cluster.process(id)
    if (lease?.node.epoch === epoch && lease.valid()) broken.push(`node ${id} was fenced while its lease was valid`)
  }
  whenLeaseEnds(cluster, rateOf(0), ({ id, epoch }) => {
    const { lease } = cluster.process(id)
    if (lease?.node.epoch === epoch && lease.valid()) broken.push(`node ${id} can be fenced while its lease was valid`)
  })
  for (const process of cluster.processes) {
    process.delays = () => [delayOf(random, delayMs), delayOf(random, delayMs)]
    process.start()
  }
  for (const trouble of troubles) world.after(trouble.atMs, () => begin(cluster, trouble))
  for (let passedMs = 0; passedMs < RUN_MS + 5000 && broken.length === 0; passedMs += 50) {
    await world.advance(50)
    const controllers = cluster.controllers().map(({ id }) => id)
    if (controllers.length > 1) broken.push(`nodes ${controllers.join(', ')} are the controller at the same time`)
  }
  assert.deepEqual(broken, [])
  return fences
}

/** Calls back at the very moment from which on the database would let a node be fenced. */
function whenLeaseEnds({ world, database }: Cluster, databaseRate: number, ended: (node: NodeIdentity) => void): void {
  const renew = database.renew.bind(database)
  database.renew = (node, ms) => {
    world.after(ms / databaseRate + 0.001, () => {
      const row = database.leases().find(({ id }) => id === node.id)
      if (row?.epoch === node.epoch && row.remainingMs <= 0) ended(node)
    })
    return renew(node, ms)
  }
}

/** Most messages are fast, some are not. */
function delayOf(random: Random, maxMs: number): number {
  return random.float() < 0.8 ? 1 + random.float() * 5 : 1 + random.float() * maxMs
}

function begin(cluster: Cluster, { node, lastsMs, kind }: Trouble): void {
  const { world, database } = cluster
  const process = cluster.process((node % cluster.processes.length) + 1)
  switch (kind) {
    case 'pause':
      process.pause()
      world.after(lastsMs, () => process.resume())
      break
    case 'cut':
      process.cut = true
      world.after(lastsMs, () => {
        process.cut = false
      })
      break
    case 'outage':
      database.down = true
      world.after(lastsMs, () => {
        database.down = false
      })
      break
    case 'kill':
      process.kill()
      world.after(lastsMs, () => process.start())
      break
  }
}

/** Whether a plan is found that breaks the invariant. */
async function isFound(driftMax: number): Promise<boolean> {
  const property = fc.asyncProperty(plans(driftMax), async (plan) => void (await run(plan)))
  const { failed, errorInstance } = await fc.check(property, { numRuns: 200, endOnFailure: true, seed: 1 })
  if (failed) assert.match(String(errorInstance), /while its lease was valid|at the same time/)
  return failed
}

test('no node is fenced while its own lease is valid, and there is one controller at a time', async () => {
  let fences = 0
  const property = fc.asyncProperty(plans(0.0099), async (plan) => {
    fences += await run(plan)
  })
  await fc.assert(property, { numRuns: 60, includeErrorInReport: true })
  assert.ok(fences > 30, `only ${fences} nodes were fenced: the property has hardly been tried`)
})

test('planted: a lease that is counted from the answer instead of the request is found', async () => {
  const { extend } = LeaseTerm.prototype
  const planted = mock.method(LeaseTerm.prototype, 'extend', function (this: LeaseTerm) {
    extend.call(this, this.clock.monotonic())
  })
  try {
    assert.equal(await isFound(0), true)
  } finally {
    planted.mock.restore()
  }
})

test('planted: clocks that differ by more than is promised are found', async () => {
  assert.equal(await isFound(0.08), true)
})

test('planted: a lease without anything given up for clocks that differ is found', async () => {
  const { extend } = LeaseTerm.prototype
  const planted = mock.method(LeaseTerm.prototype, 'extend', function (this: LeaseTerm, askedMs: number) {
    extend.call(this, askedMs + 0.035 * LEASE_MS)
  })
  try {
    assert.equal(await isFound(0.0099), true)
  } finally {
    planted.mock.restore()
  }
})
