/**
 * The controller as every node runs it: tries to hold the controller lease, and whoever does fences and recovers nodes
 * that are dead (`reign.ts`).
 *
 * Invariant: of two that believe to be the controller, only the newer one can change anything: the database checks the
 * epoch with each fence. It decides nothing that a database outage would make worse: while there is one, nothing happens.
 */
import type { Failover } from '../metadata/failovers.ts'
import type { ControllerLease, Metadata, NodeIdentity, NodeLease } from '../metadata/metadata.ts'
import { sleep } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import type { Random } from '../runtime/random.ts'
import { FailoverHistory } from './failover-history.ts'
import { Reign, type ReignParts } from './reign.ts'
import { Suspicion } from './suspicion.ts'

/** Part of the lease between two looks of the controller; others ask for its lease half as often or more. */
const LOOKS = 8
/** Part of the lease over which nodes spread that wait for the same moment. */
const JITTER = 40
/** A lease that ran out is seen at once, but one about to run out is not looked at all the time. */
const LOOK_MIN_MS = 5
const FAILOVERS_KEPT = 100

export interface ControllerParts
  extends Pick<ReignParts, 'clock' | 'log' | 'leaseMs' | 'stoppedGraceMs' | 'leads' | 'recover'> {
  readonly random: Random
  readonly metadata: Pick<Metadata, 'holdController' | 'leases' | 'fenceNode' | 'recordFailover'>
  /** This life of this node: from `registerNode`. */
  readonly node: NodeIdentity
}

export interface ControllerStatus {
  /** Whether this node is the controller now. */
  readonly holds: boolean
  /** The controller as last heard of; -1 when there was none. */
  readonly nodeId: number
  readonly epoch: number
  /** Failovers that this node led, newest last. */
  readonly failovers: readonly Failover[]
}

export class Controller {
  readonly #parts: ControllerParts
  readonly #history = new FailoverHistory(FAILOVERS_KEPT)
  readonly #suspicion: Suspicion
  readonly #closing = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #reign: Reign | undefined
  /** Resolves when nothing of the reigns before runs any more. */
  #former: Promise<unknown> = Promise.resolve()
  #last: Pick<ControllerLease, 'nodeId' | 'epoch'> = { nodeId: -1, epoch: 0 }
  #problem = ''

  constructor(parts: ControllerParts) {
    this.#parts = parts
    this.#suspicion = new Suspicion(parts.leaseMs)
  }

  /** Once the node has announced itself and holds its lease. */
  start(): void {
    // A bug rejects and is left to end the process.
    this.#running = this.#run()
  }

  status(): ControllerStatus {
    return { holds: this.#reign?.holds ?? false, ...this.#last, failovers: this.#history.all() }
  }

  /** Stops recoveries under way, waits for their end, and gives the controller lease back. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#reign?.end('this node stops')
    await this.#running
    const held = this.#reign !== undefined
    if (this.#reign !== undefined) this.#leave(this.#reign, 'this node stops')
    await this.#former
    if (!held) return
    try {
      await this.#parts.metadata.holdController(this.#parts.node, 0)
    } catch (error) {
      if (!isFault(error)) throw error
      this.#parts.log.warn(
        { error: error.message },
        'the controller lease could not be given back: it runs out by itself'
      )
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      const delayMs = await this.#turn()
      await sleep(this.#parts.clock, delayMs, signal)
    }
  }

  /** Returns after how many milliseconds to come again. */
  async #turn(): Promise<number> {
    try {
      const lease = await this.#hold()
      if (!lease.held || this.#closing.signal.aborted) return this.#standbyMs(lease)
      const leases = await this.#parts.metadata.leases()
      this.#answered()
      await this.#reign?.look(leases)
      this.#problem = ''
      return this.#lookMs(leases)
    } catch (error) {
      if (!isFault(error)) throw error
      if (error.kind === 'fenced') this.#reign?.end('another node is the controller')
      if (error.message !== this.#problem) {
        this.#parts.log.warn({ error: error.message }, 'the database refused the controller; it is tried again')
      }
      this.#problem = error.message
      return this.#parts.leaseMs / LOOKS
    }
  }

  async #hold(): Promise<ControllerLease> {
    const { clock, metadata, node, leaseMs } = this.#parts
    const askedMs = clock.monotonic()
    const lease = await metadata.holdController(node, leaseMs)
    this.#answered()
    this.#last = { nodeId: lease.nodeId, epoch: lease.epoch }
    if (this.#reign !== undefined && (!lease.held || lease.epoch !== this.#reign.epoch || this.#reign.over)) {
      this.#leave(this.#reign, 'another node is the controller, or may have been')
    }
    if (!lease.held) return lease
    this.#reign ??= this.#enter(lease.epoch)
    this.#reign.granted(askedMs)
    return lease
  }

  #enter(epoch: number): Reign {
    const { log, node } = this.#parts
    log.info({ controllerEpoch: epoch }, 'this node is the controller')
    return new Reign({ ...this.#parts, nodeId: node.id, history: this.#history, suspicion: this.#suspicion }, epoch)
  }

  #leave(reign: Reign, reason: string): void {
    reign.end(reason)
    this.#former = Promise.all([this.#former, reign.settled()])
    this.#reign = undefined
  }

  #answered(): void {
    const { clock, log } = this.#parts
    if (this.#suspicion.answered(clock.monotonic())) {
      log.debug({}, 'no reading of the leases for a while: no node is fenced before another lease has passed')
    }
  }

  /** The next look comes when the first lease can have run out, or earlier. */
  #lookMs(leases: readonly NodeLease[]): number {
    const { leaseMs, node } = this.#parts
    const ends = leases.flatMap(({ id, remainingMs }) => (id === node.id || remainingMs <= 0 ? [] : [remainingMs + 1]))
    return Math.max(LOOK_MIN_MS, Math.min(leaseMs / LOOKS, ...ends))
  }

  #standbyMs({ remainingMs }: ControllerLease): number {
    const { leaseMs, random } = this.#parts
    const endMs = Math.max(0, remainingMs) + 1 + (random.float() * leaseMs) / JITTER
    return Math.min(endMs, ((1 + random.float()) * leaseMs) / LOOKS)
  }
}
