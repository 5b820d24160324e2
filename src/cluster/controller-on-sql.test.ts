/** Leases and the controller over the real metadata, on SQLite, whose clock is the virtual one. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { NodeIdentity } from '../metadata/metadata.ts'
import { openDatabase } from '../metadata/open-database.ts'
import { SqlMetadata } from '../metadata/sql-metadata.ts'
import { type Fault, isFault } from '../runtime/fault.ts'
import { silentLog } from '../runtime/log.ts'
import { seededRandom } from '../runtime/random.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { Controller } from './controller.ts'
import { beginLife, type NodeLease } from './node-lease.ts'
import type { Recover } from './recovery.ts'
import { spreadOver } from './spread.ts'

const LEASE_MS = 2000

let clock: VirtualClock
let folder: string
let metadata: SqlMetadata
const closers: (() => Promise<void>)[] = []

beforeEach(async () => {
  clock = new VirtualClock()
  folder = await mkdtemp(join(tmpdir(), 'longhaul-cluster-'))
  const random = seededRandom(1)
  const database = await openDatabase(`sqlite://${folder}/metadata.db`, { clock, random })
  metadata = await SqlMetadata.open({ database, clock, random })
})

afterEach(async () => {
  for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close()
  await metadata.close()
  await rm(folder, { recursive: true })
})

function announce({ id, epoch }: NodeIdentity, state: 'running' | 'stopped'): Promise<void> {
  return metadata.announceNode(id, epoch, state, { host: '127.0.0.1', port: 9000 + id, rack: null, wal: 'object:' })
}

/** A node that keeps its lease. */
async function begin(nodeId: number, lost: (fault: Fault) => void = () => {}): Promise<NodeLease> {
  const parts = { clock, log: silentLog, leaseMs: LEASE_MS, metadata, earlierLifeMayRun: false }
  const lease = await beginLife({ ...parts, nodeId, lost })
  await announce(lease.node, 'running')
  closers.push(() => lease.close())
  return lease
}

/** A node that takes its lease once, and is heard of no more. */
async function beginAndDie(id: number): Promise<NodeIdentity> {
  const node = { id, epoch: await metadata.registerNode(id) }
  await metadata.renewNodeLease(node, LEASE_MS)
  await announce(node, 'running')
  return node
}

const partitionsOf = (nodeId: number): { streamId: number }[] =>
  [...metadata.image.topics()].flatMap(({ partitions }) => partitions.filter(({ leader }) => leader === nodeId))

const takeOver: Recover = async ({ node, reached }) => {
  reached('opened')
  const survivors = [...metadata.image.nodes().values()].filter(({ state }) => state === 'running')
  const receivers = spreadOver(partitionsOf(node.id), survivors)
  const streams = [...receivers].map(([{ streamId }, to]) => {
    const { epoch = -1, endOffset = -1 } = metadata.image.stream(streamId) ?? {}
    return { streamId, epoch, endOffset, to }
  })
  await metadata.handOver({ nodeId: node.id, nodeEpoch: node.epoch, streams })
  return { partitions: receivers.size, records: 0, bytes: 0 }
}

function control(node: NodeIdentity, recover = takeOver): Controller {
  const controller = new Controller({
    clock,
    random: seededRandom(node.id),
    log: silentLog,
    metadata,
    node,
    leaseMs: LEASE_MS,
    stoppedGraceMs: 10_000,
    leads: (nodeId) => partitionsOf(nodeId).length > 0,
    recover
  })
  controller.start()
  closers.push(() => controller.close())
  return controller
}

async function createTopic(partitions: number, leaders: readonly number[]): Promise<void> {
  await metadata.createTopic({ name: 'sensors', partitions, configs: {}, internal: false, leaders })
}

test('what a dead node leads goes to the survivors, and nothing is done in its name any more', async () => {
  const [one] = [await begin(1), await begin(3)]
  const dead = await beginAndDie(2)
  await createTopic(9, [1, 2, 3])
  const controller = control(one.node)
  await clock.advance(LEASE_MS + 1000)
  assert.equal(metadata.image.nodes().get(2)?.state, 'fenced')
  assert.deepEqual([1, 2, 3].map((id) => partitionsOf(id).length), [5, 0, 4]) // biome-ignore format: one line
  const { holds, failovers } = controller.status()
  assert.deepEqual([holds, failovers.length, failovers[0]?.outcome, failovers[0]?.partitions], [true, 1, 'done', 3])
  assert.equal(await metadata.renewNodeLease(dead, LEASE_MS), false)
  await assert.rejects(announce(dead, 'running'), (error) => isFault(error, 'fenced'))
  const next = await begin(2)
  await clock.advance(30_000)
  assert.equal(next.valid(), true)
  assert.equal(metadata.image.nodes().get(2)?.state, 'running')
  assert.equal(controller.status().failovers.length, 1)
})

test('a node that was fenced holds its lease before it announces itself, and is left alone', async () => {
  const one = await begin(1)
  const dead = await beginAndDie(2)
  await createTopic(1, [2])
  const controller = control(one.node, () => new Promise(() => {}))
  await clock.advance(LEASE_MS + 1000)
  assert.equal(controller.status().failovers.length, 1)
  const parts = { clock, log: silentLog, leaseMs: LEASE_MS, metadata, earlierLifeMayRun: false }
  const lease = await beginLife({ ...parts, nodeId: 2, lost: () => {} })
  assert.equal(lease.node.epoch, dead.epoch + 2)
  await clock.advance(30_000)
  assert.equal(lease.valid(), true)
  assert.equal(controller.status().failovers.length, 1)
  await lease.close()
  closers.length = 0
})

test('what one controller left half recovered, the next recovers under an epoch of its own', async () => {
  const [one, three] = [await begin(1), await begin(3)]
  const dead = await beginAndDie(2)
  await createTopic(3, [2])
  const epochs: number[] = []
  const stuck: Recover = ({ node, signal }) => {
    epochs.push(node.epoch)
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }
  const first = control(one.node, stuck)
  await clock.advance(LEASE_MS + 1000)
  const second = control(three.node, (task) => {
    epochs.push(task.node.epoch)
    return takeOver(task)
  })
  await first.close()
  await clock.advance(2 * LEASE_MS)
  assert.deepEqual(epochs, [dead.epoch + 1, dead.epoch + 2])
  assert.equal(second.status().epoch, 2)
  assert.equal(partitionsOf(2).length, 0)
})

test('a node that stops gives everything back, and is not missed', async () => {
  const one = await begin(1)
  const two = await begin(2)
  const controller = control(one.node)
  await clock.advance(3 * LEASE_MS)
  await announce(two.node, 'stopped')
  await two.close()
  await clock.advance(60_000)
  assert.equal(metadata.image.nodes().get(2)?.state, 'stopped')
  assert.deepEqual(controller.status().failovers, [])
  assert.equal(one.valid(), true)
})

test('a node that starts again under the same id ends its earlier life', async () => {
  const lost: Fault[] = []
  const earlier = await begin(1, (fault) => lost.push(fault))
  const later = await begin(1)
  await clock.advance(LEASE_MS)
  assert.deepEqual([earlier.valid(), later.valid(), lost.length], [false, true, 1])
})
