/**
 * A cluster of leases in virtual time: a database with a clock of its own, and processes with theirs, that can be paused,
 * cut off, killed and started again. Messages take time both ways. Nothing here knows streams or Kafka.
 */
import type { Failover } from '../metadata/failovers.ts'
import type { ControllerLease, NodeLease as LeaseRow, Metadata, NodeIdentity } from '../metadata/metadata.ts'
import type { NodeState } from '../metadata/schema.ts'
import type { Clock } from '../runtime/clock.ts'
import { sleep } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import { seededRandom } from '../runtime/random.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { Controller } from './controller.ts'
import { beginLife, type NodeLease } from './node-lease.ts'
import type { Recover, RecoveryTask } from './recovery.ts'

export const LEASE_MS = 2000
const STOPPED_GRACE_MS = 10_000
/** After which a caller believes that no answer comes. */
const TIMEOUT_MS = 700
const RESTART_MS = 500

export type LeaseMethods = Pick<
  Metadata,
  'registerNode' | 'renewNodeLease' | 'leases' | 'holdController' | 'fenceNode' | 'recordFailover'
>

interface NodeRow {
  epoch: number
  state: NodeState
  until: number
}

/** What `metadata/leases.ts` does, as plain values. */
export class LeaseDatabase {
  readonly nodes = new Map<number, NodeRow>()
  /** Ids of the nodes that lead something. */
  readonly leaders = new Set<number>()
  readonly failovers: Failover[] = []
  down = false
  onFence: (node: NodeIdentity) => void = () => {}
  readonly #now: () => number
  #controller = { nodeId: -1, epoch: 0, until: 0 }

  constructor(now: () => number) {
    this.#now = now
  }

  register(id: number): number {
    const row = this.nodes.get(id) ?? { epoch: 0, state: 'stopped' as const, until: 0 }
    row.epoch += 1
    this.nodes.set(id, row)
    if (this.#controller.nodeId === id) this.#controller.until = 0
    return row.epoch
  }

  announce({ id, epoch }: NodeIdentity, state: NodeState): void {
    const row = this.nodes.get(id)
    if (row?.epoch !== epoch) throw new Fault('fenced', `node ${id} is at another epoch`)
    row.state = state
  }

  renew({ id, epoch }: NodeIdentity, ms: number): boolean {
    const row = this.nodes.get(id)
    if (row?.epoch !== epoch) return false
    row.until = this.#now() + ms
    return true
  }

  leases(): LeaseRow[] {
    const now = this.#now()
    return [...this.nodes].map(([id, { epoch, state, until }]) => ({ id, epoch, state, remainingMs: until - now }))
  }

  hold({ id, epoch }: NodeIdentity, ms: number): ControllerLease {
    const now = this.#now()
    const current = this.#controller
    const row = this.nodes.get(id)
    const lives = row?.epoch === epoch && row.state !== 'fenced'
    const held = lives && (current.until <= now || current.nodeId === id)
    if (held) {
      this.#controller = { nodeId: id, epoch: current.epoch + (current.until > now ? 0 : 1), until: now + ms }
    }
    const { nodeId, epoch: controllerEpoch, until } = this.#controller
    return { held, nodeId, epoch: controllerEpoch, remainingMs: until - now }
  }

  fence({ id, epoch }: NodeIdentity, controllerEpoch: number): boolean {
    if (controllerEpoch !== this.#controller.epoch) throw new Fault('fenced', 'another controller has come')
    const row = this.nodes.get(id)
    if (row?.epoch !== epoch || row.until > this.#now()) return false
    this.onFence({ id, epoch })
    row.epoch += 1
    row.state = 'fenced'
    return true
  }
}

export interface Told {
  readonly level: 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: Record<string, unknown>
}

/** One process: its own clock, its way to the database, and what it runs. */
export class NodeProcess {
  readonly id: number
  readonly told: Told[] = []
  /** What the process runs; undefined until it has begun. */
  lease: NodeLease | undefined
  controller: Controller | undefined
  readonly lost: Fault[] = []
  /** Messages neither leave nor arrive. */
  cut = false
  /** Milliseconds of the way there and the way back of a message. */
  delays: () => readonly [number, number] = () => [1, 1]
  recover: Recover
  readonly clock: Clock
  readonly metadata: LeaseMethods
  readonly #cluster: Cluster
  #life = 0
  #paused: (() => void)[] | undefined

  constructor(cluster: Cluster, id: number, rate: number) {
    this.id = id
    this.#cluster = cluster
    this.clock = this.#createClock(rate)
    this.recover = (task) => cluster.recovers(this, task)
    const { database } = cluster
    this.metadata = {
      registerNode: (nodeId) => this.#call(() => database.register(nodeId)),
      renewNodeLease: (node, ms) => this.#call(() => database.renew(node, ms)),
      leases: () => this.#call(() => database.leases()),
      holdController: (node, ms) => this.#call(() => database.hold(node, ms)),
      fenceNode: (node, epoch) => this.#call(() => database.fence(node, epoch)),
      recordFailover: (failover) => this.#call(() => void database.failovers.push(failover))
    }
  }

  get alive(): boolean {
    return this.lease !== undefined
  }

  /** From registration to a running controller, again and again until it works. */
  start(): void {
    void this.#start(this.#life)
  }

  async #start(life: number): Promise<void> {
    const { clock, metadata, id } = this
    const log = this.#log()
    const lost = (fault: Fault): void => {
      this.lost.push(fault)
      this.kill()
      this.#cluster.world.after(RESTART_MS, () => this.start())
    }
    try {
      const common = { clock, log, metadata, leaseMs: LEASE_MS }
      const lease = await beginLife({ ...common, lost, nodeId: id, earlierLifeMayRun: false })
      if (life !== this.#life) return
      this.lease = lease
      await this.announce('running')
      this.#cluster.database.leaders.add(id)
      this.controller = new Controller({
        ...common,
        node: lease.node,
        random: seededRandom(id),
        stoppedGraceMs: STOPPED_GRACE_MS,
        leads: (nodeId) => this.#cluster.database.leaders.has(nodeId),
        recover: (task) => this.recover(task)
      })
      this.controller.start()
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      if (life !== this.#life) return
      this.kill()
      this.#cluster.world.after(RESTART_MS, () => this.start())
    }
  }

  announce(state: NodeState): Promise<void> {
    const node = this.lease?.node ?? { id: this.id, epoch: -1 }
    return this.#call(() => this.#cluster.database.announce(node, state))
  }

  async stop(): Promise<void> {
    await this.controller?.close()
    await this.announce('stopped')
    await this.lease?.close()
    this.kill()
  }

  /** Nothing of it runs any more; what is on its way to the database still arrives. */
  kill(): void {
    this.#life += 1
    this.#paused = undefined
    this.lease = undefined
    this.controller = undefined
  }

  pause(): void {
    this.#paused ??= []
  }

  resume(): void {
    const waiting = this.#paused ?? []
    this.#paused = undefined
    for (const action of waiting) action()
  }

  /** How often a message was logged. */
  count(message: string): number {
    return this.told.filter((told) => told.message.includes(message)).length
  }

  #createClock(rate: number): Clock {
    const { world } = this.#cluster
    return {
      now: () => world.now(),
      monotonic: () => world.monotonic() * rate,
      after: (delayMs, callback) => world.after(delayMs / rate, this.#inside(callback))
    }
  }

  /** The action as this life of the process does it: not while it is paused, and never after its end. */
  #inside(action: () => void): () => void {
    const life = this.#life
    return () => {
      if (life !== this.#life) return
      if (this.#paused === undefined) action()
      else this.#paused.push(action)
    }
  }

  #call<T>(operation: () => T): Promise<T> {
    const { world, database } = this.#cluster
    const [thereMs, backMs] = this.delays()
    return new Promise((resolve, reject) => {
      const gone = (): void => reject(new Fault('unavailable', 'the database does not answer'))
      let outcome = gone
      const deliver = this.#inside(() => outcome())
      const lose = (): void => {
        outcome = gone
        world.after(TIMEOUT_MS, deliver)
      }
      const arrive = (): void => {
        if (this.cut || database.down) {
          lose()
          return
        }
        try {
          const result = operation()
          outcome = () => resolve(result)
        } catch (error) {
          outcome = () => reject(error)
        }
        world.after(backMs, () => (this.cut ? lose() : deliver()))
      }
      if (this.cut) lose()
      else world.after(thereMs, arrive)
    })
  }

  #log(): Log {
    const tell = (level: Told['level']) => (fields: Record<string, unknown>, message: string) =>
      void this.told.push({ level, message, fields })
    return { debug: () => {}, info: tell('info'), warn: tell('warn'), error: tell('error') }
  }
}

export interface ClusterOptions {
  readonly nodes: number
  /** How fast the clock of the database runs. */
  readonly databaseRate?: number
  /** How far the database's clock is ahead of everybody's. */
  readonly databaseAheadMs?: number
  /** How fast the clock of a node runs. */
  readonly rate?: (id: number) => number
}

export class Cluster {
  readonly world = new VirtualClock()
  readonly database: LeaseDatabase
  readonly processes: readonly NodeProcess[]
  /** Recoveries in the order in which they began: who recovers whom. */
  readonly recoveries: { readonly by: number; readonly task: RecoveryTask }[] = []
  recoveryMs = 100

  constructor({ nodes, databaseRate = 1, databaseAheadMs = 0, rate = () => 1 }: ClusterOptions) {
    this.database = new LeaseDatabase(
      () => this.world.now() + databaseAheadMs + this.world.monotonic() * (databaseRate - 1)
    )
    this.processes = Array.from({ length: nodes }, (_, at) => new NodeProcess(this, at + 1, rate(at + 1)))
  }

  /** All nodes started, one of them the controller and over its first doubts. */
  static async started(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options)
    for (const process of cluster.processes) process.start()
    await cluster.world.advance(2 * LEASE_MS)
    return cluster
  }

  process(id: number): NodeProcess {
    const found = this.processes[id - 1]
    if (found === undefined) throw new Error(`there is no node ${id}`)
    return found
  }

  /** Those that believe to be the controller, paused ones as if they woke now. */
  controllers(): NodeProcess[] {
    return this.processes.filter(({ controller }) => controller?.status().holds === true)
  }

  controller(): NodeProcess {
    const [first, ...others] = this.controllers()
    if (first === undefined || others.length > 0) throw new Error(`${others.length + (first ? 1 : 0)} controllers`)
    return first
  }

  /** Nodes that are not the controller. */
  others(): NodeProcess[] {
    return this.processes.filter((process) => process !== this.controllers()[0])
  }

  state(id: number): NodeState | undefined {
    return this.database.nodes.get(id)?.state
  }

  /** Takes a while, then the node leads nothing any more. */
  async recovers(by: NodeProcess, task: RecoveryTask): Promise<{ partitions: number; records: number; bytes: number }> {
    this.recoveries.push({ by: by.id, task })
    task.reached('opened')
    await sleep(by.clock, this.recoveryMs, task.signal)
    if (task.signal.aborted) throw new Fault('closed', 'given up')
    task.reached('replayed')
    task.reached('committed')
    this.database.leaders.delete(task.node.id)
    return { partitions: 3, records: 10, bytes: 1000 }
  }
}
