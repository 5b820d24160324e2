/**
 * Several brokers over one database and one object store, in virtual time. They hear of each other's changes at once, and
 * call each other without a network, unless a test says otherwise.
 */
import assert from 'node:assert/strict'
import type { Recovered } from '../cluster/recovery.ts'
import { openDatabase } from '../metadata/open-database.ts'
import { FaultyObjectStore } from '../object-store/faulty-object-store.ts'
import { MemoryObjectStore } from '../object-store/memory-object-store.ts'
import { singleObjectStore } from '../object-store/single-object-store.ts'
import { Fault } from '../runtime/fault.ts'
import { silentLog } from '../runtime/log.ts'
import { seededRandom } from '../runtime/random.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { FileWal } from '../stream/wal/file-wal.ts'
import { InheritedWal } from '../stream/wal/inherited-wal.ts'
import type { MemoryWalDevice } from '../stream/wal/memory-wal-device.ts'
import { BrokerFixture, engineSettings, type FixtureOptions, type SharedFixture } from './broker-fixture.ts'
import { type NodeRecoveryParts, recoverNode } from './node-recovery.ts'
import type { NodeCalls } from './nodes/node-calls.ts'
import { topicSettings } from './topic-settings.ts'

export class ClusterFixture {
  readonly shared: SharedFixture
  readonly brokers = new Map<number, BrokerFixture>()
  /** Nodes that nobody reaches. */
  readonly unreachable = new Set<number>()
  /** Nodes that do not hear what others change. */
  readonly deaf = new Set<number>()
  /** Of brokers that were killed. */
  readonly disks = new Map<number, MemoryWalDevice>()
  readonly #stops: (() => void)[] = []

  private constructor(shared: SharedFixture) {
    this.shared = shared
  }

  /** Brokers with ids from 1 on, all of them running. */
  static async start(brokers: number, options: FixtureOptions = {}): Promise<ClusterFixture> {
    const clock = new VirtualClock()
    const store = new FaultyObjectStore({ store: new MemoryObjectStore(), random: seededRandom(5), clock })
    const cluster = new ClusterFixture({ clock, store, database: await openDatabase('sqlite::memory:') })
    for (let nodeId = 1; nodeId <= brokers; nodeId++) await cluster.add(nodeId, options)
    return cluster
  }

  async add(nodeId: number, options: FixtureOptions = {}): Promise<BrokerFixture> {
    const settings = { ...options.settings, nodeId }
    const broker = await BrokerFixture.start({ ...options, settings, shared: this.shared, nodes: this.#calls() })
    const place = { host: 'localhost', port: 9091 + nodeId, rack: settings.rack ?? null, wal: 'file:' }
    const { metadata } = broker
    this.brokers.set(nodeId, broker)
    this.deaf.delete(nodeId)
    this.unreachable.delete(nodeId)
    this.#stops.push(
      metadata.subscribe(() => {
        for (const other of this.brokers.values()) if (!this.deaf.has(other.nodeId)) void other.metadata.poll()
      })
    )
    await broker.run(metadata.announceNode(nodeId, broker.nodeEpoch, 'running', place))
    for (const other of this.brokers.values()) await other.run(other.metadata.poll())
    return broker
  }

  at(nodeId: number): BrokerFixture {
    const broker = this.brokers.get(nodeId)
    assert.ok(broker !== undefined, `there is a broker ${nodeId}`)
    return broker
  }

  /** The broker that leads a partition, by the newest image. */
  async leader(topic: string, index = 0): Promise<BrokerFixture> {
    const broker = this.at(1)
    await broker.run(broker.metadata.poll())
    return this.at(broker.topics.get(topic)?.partitions[index]?.leader ?? -1)
  }

  /** Until all that needs no time to pass has happened everywhere. */
  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) for (const broker of this.brokers.values()) await broker.clock.advance(0)
  }

  /** Has a partition handed over, and waits until it is open at its new leader. */
  async move(topic: string, index: number, to: number): Promise<void> {
    const from = await this.leader(topic, index)
    const topicId = from.topics.get(topic)?.id ?? ''
    await from.run(from.metadata.setTargets([{ topicId, index, node: to }]))
    for (let i = 0; i < 100 && this.at(to).topics.partition(topic, index) === undefined; i++) await this.settle()
    assert.ok(this.at(to).topics.partition(topic, index) !== undefined, `${topic}-${index} is open at broker ${to}`)
  }

  /** The process dies; its disk stays. */
  async kill(nodeId: number): Promise<void> {
    const broker = this.at(nodeId)
    this.brokers.delete(nodeId)
    this.disks.set(nodeId, await broker.kill())
  }

  /** Nobody hears of it, and it hears of nothing; its disk is as it is now. */
  async pause(nodeId: number): Promise<void> {
    this.deaf.add(nodeId)
    this.unreachable.add(nodeId)
    this.disks.set(nodeId, this.at(nodeId).device.copy())
    this.brokers.delete(nodeId)
  }

  /** A broker, as the controller, recovers one that was killed. */
  async recover(nodeId: number, by: number): Promise<Recovered> {
    const broker = this.at(by)
    const { metadata } = broker
    const recovery = async () => {
      const { epoch } = await metadata.holdController({ id: by, epoch: broker.nodeEpoch }, 3_600_000)
      const dead = { id: nodeId, epoch: metadata.image.nodes().get(nodeId)?.epoch ?? 0 }
      assert.ok(await metadata.fenceNode(dead, epoch), `node ${nodeId} is fenced`)
      const node = { id: nodeId, epoch: dead.epoch + 1 }
      const task = { node, signal: new AbortController().signal, reached: () => undefined }
      return recoverNode(task, this.#recoveryParts(broker))
    }
    return broker.run(recovery())
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop()
    for (const broker of this.brokers.values()) await broker.close()
  }

  #recoveryParts({ clock, metadata, store, options }: BrokerFixture): NodeRecoveryParts {
    const random = seededRandom(4)
    return {
      clock,
      random,
      log: silentLog,
      metadata,
      stores: singleObjectStore(store),
      settings: (topic) => topicSettings(topic.configs, {}),
      producerExpirationMs: 86_400_000,
      engineSettings: engineSettings(options),
      openLog: async ({ nodeId }) => {
        const device = this.disks.get(nodeId)
        if (device === undefined) throw new Fault('missing', `the disk of node ${nodeId} is not there`)
        const log = silentLog
        const wal = new FileWal({ device, clock, random, log, segmentBytes: 1 << 20, bytesMax: 1 << 24 })
        return new InheritedWal(wal, async () => undefined)
      }
    }
  }

  #calls(): NodeCalls {
    return {
      send: (nodeId, api, version, request) => {
        const broker = this.brokers.get(nodeId)
        if (broker === undefined || this.unreachable.has(nodeId)) {
          return Promise.reject(new Fault('unavailable', `node ${nodeId} cannot be reached`))
        }
        return broker.send(api, version, request)
      }
    }
  }
}
