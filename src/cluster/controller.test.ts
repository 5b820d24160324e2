import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault } from '../runtime/fault.ts'
import { Cluster, LEASE_MS, type NodeProcess } from './cluster-fixture.ts'

const SECOND = 1000

/** Lets time pass in small steps until something holds; milliseconds that it took. */
async function until(cluster: Cluster, holds: () => boolean, limitMs = 60_000): Promise<number> {
  for (let passedMs = 0; passedMs <= limitMs; passedMs += 10) {
    if (holds()) return passedMs
    await cluster.world.advance(10)
  }
  return assert.fail(`it did not happen within ${limitMs} ms`)
}

const fencedIds = (cluster: Cluster): number[] =>
  cluster.processes.map(({ id }) => id).filter((id) => cluster.state(id) === 'fenced')
const recoveredIds = (cluster: Cluster): number[] => cluster.recoveries.map(({ task }) => task.node.id)

test('one of the nodes is the controller, and another one when that dies', async () => {
  const cluster = await Cluster.started({ nodes: 3 })
  const first = cluster.controller()
  const { epoch } = first.controller?.status() ?? {}
  await cluster.world.advance(30 * SECOND)
  assert.equal(cluster.controller(), first)
  assert.equal(first.controller?.status().epoch, epoch)
  for (const other of cluster.others()) assert.equal(other.controller?.status().nodeId, first.id)
  first.kill()
  await until(cluster, () => cluster.controllers().length === 1)
  assert.equal(cluster.controller().controller?.status().epoch, (epoch ?? 0) + 1)
})

test('a dead controller is followed as soon as its lease has run out, whenever it died', async () => {
  for (let offsetMs = 0; offsetMs < 500; offsetMs += 70) {
    const cluster = await Cluster.started({ nodes: 3 })
    await cluster.world.advance(offsetMs)
    cluster.controller().kill()
    const passedMs = await until(cluster, () => cluster.controllers().length === 1)
    assert.ok(passedMs <= LEASE_MS + 70, `${passedMs} ms`)
  }
})

test('a controller that stops gives its lease back: nobody waits for its end', async () => {
  const cluster = await Cluster.started({ nodes: 2 })
  const first = cluster.controller()
  void first.stop()
  assert.ok((await until(cluster, () => cluster.controllers().length === 1)) <= LEASE_MS / 4)
})

test('a dead node is fenced as soon as its lease has run out, and recovered', async () => {
  const cluster = await Cluster.started({ nodes: 3 })
  const [victim] = cluster.others()
  assert.ok(victim)
  victim.kill()
  const passedMs = await until(cluster, () => cluster.state(victim.id) === 'fenced')
  assert.ok(passedMs <= LEASE_MS + 30, `${passedMs} ms`)
  await cluster.world.advance(10 * SECOND)
  assert.deepEqual(recoveredIds(cluster), [victim.id], 'once')
  const [failover] = cluster.controller().controller?.status().failovers ?? []
  assert.ok(failover)
  const { nodeId, outcome, found, attempts, partitions, records, bytes } = failover
  assert.deepEqual(
    { nodeId, outcome, found, attempts, partitions, records, bytes },
    { nodeId: victim.id, outcome: 'done', found: 'running', attempts: 1, partitions: 3, records: 10, bytes: 1000 }
  )
  assert.ok(failover.noticedMs >= 0 && failover.noticedMs <= failover.fencedMs && failover.fencedMs <= 30)
  assert.ok(failover.openedMs === failover.fencedMs && failover.replayedMs === failover.fencedMs + cluster.recoveryMs)
  assert.ok(failover.handedOverMs === failover.committedMs)
  assert.equal(cluster.controller().count('a node is recovered'), 1)
  assert.deepEqual(cluster.database.failovers, [failover], 'written down, for others to see')
})

test('two of five, the controller among them, are recovered within a lease and a bit, at the same time', async () => {
  const cluster = await Cluster.started({ nodes: 5 })
  cluster.recoveryMs = 500
  const victims = [cluster.controller(), cluster.others()[0] as NodeProcess]
  for (const victim of victims) victim.kill()
  const passedMs = await until(cluster, () => cluster.recoveries.length === 2)
  assert.ok(passedMs <= LEASE_MS + 150, `${passedMs} ms`)
  assert.ok(
    cluster.recoveries.every(({ task }) => cluster.database.leaders.has(task.node.id)),
    'both are under way'
  )
  await until(cluster, () => victims.every(({ id }) => !cluster.database.leaders.has(id)), cluster.recoveryMs + 50)
})

test('when both others look dead, a lease passes before that is believed; then it is acted on', async () => {
  const cluster = await Cluster.started({ nodes: 3 })
  const controller = cluster.controller()
  for (const victim of cluster.others()) victim.kill()
  // Their leases end up to a fifth of a lease apart: one alone is believed at once.
  const passedMs = await until(cluster, () => recoveredIds(cluster).length === 2)
  assert.ok(passedMs > LEASE_MS + 1600 && passedMs <= 2 * LEASE_MS + 300, `${passedMs} ms`)
  assert.equal(controller.count('it may be this one or the database'), 1)
})

test('nobody is fenced for an outage of the database that all leases ran out in', async () => {
  for (const nodes of [2, 3, 5]) {
    const cluster = await Cluster.started({ nodes })
    cluster.database.down = true
    await cluster.world.advance(30 * SECOND)
    assert.deepEqual(
      cluster.processes.map(({ lease }) => lease?.valid()),
      cluster.processes.map(() => false)
    )
    assert.equal(cluster.controllers().length, 0)
    cluster.database.down = false
    await cluster.world.advance(30 * SECOND)
    assert.deepEqual(
      cluster.processes.map(({ lease }) => lease?.valid()),
      cluster.processes.map(() => true)
    )
    assert.deepEqual(cluster.recoveries, [])
    assert.ok(cluster.controller())
    cluster.others()[0]?.kill()
    await until(cluster, () => cluster.recoveries.length === 1, LEASE_MS + 100)
  }
})

test('a controller that was paused suspects itself first', async () => {
  const cluster = await Cluster.started({ nodes: 2 })
  const controller = cluster.controller()
  const [other] = cluster.others()
  assert.ok(other)
  // Nobody takes over: the other one is away as well, and back in time.
  other.cut = true
  controller.pause()
  await cluster.world.advance(5 * SECOND)
  controller.resume()
  await cluster.world.advance(500)
  other.cut = false
  await cluster.world.advance(30 * SECOND)
  assert.deepEqual(cluster.recoveries, [])
})

test('a controller whose lease is lost in the middle of fencing fences nobody', async () => {
  const cluster = await Cluster.started({ nodes: 3 })
  const old = cluster.controller()
  const [victim, next] = cluster.others()
  assert.ok(victim && next)
  victim.kill()
  const { fenceNode } = old.metadata
  let asked = 0
  const slow: typeof fenceNode = (node, epoch) => {
    asked += 1
    old.pause()
    return fenceNode(node, epoch)
  }
  Object.assign(old.metadata, { fenceNode: slow })
  old.delays = () => (asked > 0 ? [3000, 1] : [1, 1])
  await until(cluster, () => cluster.controllers()[0] === next)
  old.resume()
  await cluster.world.advance(5 * SECOND)
  assert.ok(asked > 0)
  assert.deepEqual([...new Set(cluster.recoveries.map(({ by }) => by))], [next.id])
  assert.equal(cluster.database.nodes.get(victim.id)?.state, 'fenced')
})

test('a recovery is told to stop when its controller cannot know any more that it is the controller', async () => {
  const cluster = await Cluster.started({ nodes: 3 })
  cluster.recoveryMs = 60 * SECOND
  const old = cluster.controller()
  const [victim, next] = cluster.others()
  assert.ok(victim && next)
  victim.kill()
  await until(cluster, () => cluster.recoveries.length === 1)
  old.cut = true
  const passedMs = await until(cluster, () => cluster.recoveries[0]?.task.signal.aborted === true)
  assert.ok(passedMs < LEASE_MS, 'before anybody else can begin')
  cluster.recoveryMs = 100
  await until(cluster, () => cluster.recoveries.some(({ by, task }) => by === next.id && task.node.id === victim.id))
  const epochs = cluster.recoveries.filter(({ task }) => task.node.id === victim.id).map(({ task }) => task.node.epoch)
  assert.ok(epochs.length === 2 && (epochs[1] ?? 0) > (epochs[0] ?? 0), 'what is left of the first can do nothing')
})

test('what a controller that died left half recovered is recovered by the next', async () => {
  const cluster = await Cluster.started({ nodes: 5 })
  cluster.recoveryMs = 60 * SECOND
  const old = cluster.controller()
  const [victim] = cluster.others()
  assert.ok(victim)
  victim.kill()
  await until(cluster, () => cluster.recoveries.length === 1)
  old.kill()
  cluster.recoveryMs = 100
  await until(cluster, () => cluster.controllers().length === 1)
  await cluster.world.advance(LEASE_MS)
  assert.deepEqual(recoveredIds(cluster).sort(), [victim.id, victim.id, old.id].sort())
  const found = cluster
    .controller()
    .controller?.status()
    .failovers.map(({ found, outcome }) => [found, outcome])
  assert.deepEqual(found?.sort(), [['fenced', 'done'], ['running', 'done']]) // biome-ignore format: one line
})

test('a controller that is cut off for less than its lease goes on where it was', async () => {
  const cluster = await Cluster.started({ nodes: 2 })
  const controller = cluster.controller()
  const [other] = cluster.others()
  assert.ok(other)
  // By its own reckoning the lease is over, by the database's it is not: the same epoch is granted again.
  controller.delays = () => [1, 1]
  const { holdController } = controller.metadata
  let late = false
  Object.assign(controller.metadata, {
    holdController: (...args: Parameters<typeof holdController>) => {
      if (late) controller.delays = () => [1700, 1]
      return holdController(...args)
    }
  })
  await cluster.world.advance(100)
  const { epoch } = controller.controller?.status() ?? {}
  late = true
  await cluster.world.advance(300)
  late = false
  await until(cluster, () => controller.controller?.status().holds === false)
  controller.delays = () => [1, 1]
  await cluster.world.advance(3 * SECOND)
  assert.equal(cluster.controller(), controller)
  assert.equal(controller.controller?.status().epoch, epoch)
  await cluster.world.advance(3 * SECOND)
  other.kill()
  await until(cluster, () => cluster.recoveries.length === 1, LEASE_MS + 100)
})

test('a node that comes back during its recovery keeps what it has', async () => {
  const cluster = await Cluster.started({ nodes: 3 })
  cluster.recoveryMs = 60 * SECOND
  const [victim] = cluster.others()
  assert.ok(victim)
  victim.kill()
  await until(cluster, () => cluster.recoveries.length === 1)
  victim.start()
  const passedMs = await until(cluster, () => cluster.recoveries[0]?.task.signal.aborted === true)
  assert.ok(passedMs <= LEASE_MS / 8 + 20)
  await cluster.world.advance(30 * SECOND)
  assert.equal(cluster.recoveries.length, 1)
  assert.equal(victim.lease?.valid(), true)
  assert.equal(cluster.state(victim.id), 'running')
  assert.equal(cluster.controller().controller?.status().failovers[0]?.outcome, 'given up')
})

test('a node that comes back and dies again is recovered anew', async () => {
  const cluster = await Cluster.started({ nodes: 3 })
  cluster.recoveryMs = 60 * SECOND
  const [victim] = cluster.others()
  assert.ok(victim)
  victim.kill()
  await until(cluster, () => cluster.recoveries.length === 1)
  victim.start()
  await cluster.world.advance(SECOND)
  victim.kill()
  cluster.recoveryMs = 100
  await until(cluster, () => cluster.recoveries.length === 2, LEASE_MS + 100)
  await until(cluster, () => !cluster.database.leaders.has(victim.id))
})

test('a recovery that fails is tried again, and each cause is told once', async () => {
  const cluster = await Cluster.started({ nodes: 3 })
  const controller = cluster.controller()
  const [victim] = cluster.others()
  assert.ok(victim)
  let attempts = 0
  controller.recover = (task) => {
    attempts += 1
    if (attempts <= 4) return Promise.reject(new Fault('unavailable', 'the store is away'))
    if (attempts === 5) return Promise.reject(new TypeError('a bug'))
    return cluster.recovers(controller, task)
  }
  victim.kill()
  await until(cluster, () => !cluster.database.leaders.has(victim.id))
  assert.equal(attempts, 6)
  assert.equal(controller.count('a node could not be recovered'), 1)
  assert.equal(controller.count('a bug keeps a node from being recovered'), 1)
  await cluster.world.advance(100)
  const [failover] = controller.controller?.status().failovers ?? []
  assert.deepEqual([failover?.attempts, failover?.problem, failover?.outcome], [6, 'a bug', 'done'])
})

test('a recovery that leaves partitions behind is no success', async () => {
  const cluster = await Cluster.started({ nodes: 3 })
  const controller = cluster.controller()
  const [victim] = cluster.others()
  assert.ok(victim)
  let attempts = 0
  controller.recover = async () => {
    attempts += 1
    if (attempts === 3) cluster.database.leaders.delete(victim.id)
    return { partitions: 1, records: 0, bytes: 0 }
  }
  victim.kill()
  await cluster.world.advance(10 * SECOND)
  assert.equal(attempts, 3)
  assert.equal(controller.count('still leads') + controller.count('could not be recovered'), 1)
})

test('partitions that a fenced node is given later by mistake are recovered too', async () => {
  const cluster = await Cluster.started({ nodes: 3 })
  const [victim] = cluster.others()
  assert.ok(victim)
  victim.kill()
  await until(cluster, () => cluster.state(victim.id) === 'fenced')
  await cluster.world.advance(5 * SECOND)
  cluster.database.leaders.add(victim.id)
  await until(cluster, () => !cluster.database.leaders.has(victim.id), SECOND)
})

test('a stopped node that comes back within its grace keeps what it leads', async () => {
  const cluster = await Cluster.started({ nodes: 3 })
  const [restarted] = cluster.others()
  assert.ok(restarted)
  void restarted.stop()
  await cluster.world.advance(9 * SECOND)
  restarted.start()
  await cluster.world.advance(60 * SECOND)
  assert.deepEqual(cluster.recoveries, [])
  assert.deepEqual(fencedIds(cluster), [])
})

test('a stopped node that does not come back is recovered, if it leads anything', async () => {
  for (const leads of [true, false]) {
    const cluster = await Cluster.started({ nodes: 3 })
    const [stopped] = cluster.others()
    assert.ok(stopped)
    if (!leads) cluster.database.leaders.delete(stopped.id)
    void stopped.stop()
    await cluster.world.advance(9900)
    assert.deepEqual(cluster.recoveries, [])
    await cluster.world.advance(SECOND)
    assert.deepEqual(recoveredIds(cluster), leads ? [stopped.id] : [])
    assert.equal(cluster.state(stopped.id), leads ? 'fenced' : 'stopped')
  }
})

test('a controller that is closed waits for its recoveries to stop, and lets others be the controller', async () => {
  const cluster = await Cluster.started({ nodes: 3 })
  cluster.recoveryMs = 60 * SECOND
  const controller = cluster.controller()
  const [victim, next] = cluster.others()
  assert.ok(victim && next)
  victim.kill()
  let stopped = false
  controller.recover = async ({ signal, node }) => {
    cluster.recoveries.push({ by: controller.id, task: { signal, node, reached: () => {} } })
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => controller.clock.after(300, resolve)))
    stopped = true
    throw new Fault('closed', 'given up')
  }
  await until(cluster, () => cluster.recoveries.length === 1)
  let closed = false
  void controller.controller?.close().then(() => {
    closed = true
  })
  await cluster.world.advance(290)
  assert.equal(closed || stopped, false)
  await cluster.world.advance(20)
  assert.equal(closed && stopped, true)
  assert.ok((await until(cluster, () => next.controller?.status().holds === true)) <= LEASE_MS / 4)
})

test('a controller that is closed while it looks fences nobody any more', async () => {
  const cluster = await Cluster.started({ nodes: 2 })
  const controller = cluster.controller()
  const { leases } = controller.metadata
  let closed: Promise<void> | undefined
  const closing: typeof leases = async () => {
    const rows = await leases()
    if (rows.some(({ remainingMs }) => remainingMs <= 0)) closed = controller.controller?.close()
    return rows
  }
  Object.assign(controller.metadata, { leases: closing })
  cluster.others()[0]?.kill()
  await until(cluster, () => closed !== undefined)
  await cluster.world.advance(10 * SECOND)
  assert.deepEqual(fencedIds(cluster), [])
})

test('the ring of failovers forgets the oldest', async () => {
  const cluster = await Cluster.started({ nodes: 3 })
  const controller = cluster.controller()
  for (let round = 0; round < 105; round++) {
    const id = cluster.others()[0]?.id ?? -1
    cluster.process(id).kill()
    await until(cluster, () => cluster.state(id) === 'fenced')
    await cluster.world.advance(200)
    cluster.process(id).start()
    await cluster.world.advance(100)
  }
  const failovers = controller.controller?.status().failovers ?? []
  assert.equal(failovers.length, 100)
  assert.equal(failovers.at(-1)?.outcome, 'done')
})
