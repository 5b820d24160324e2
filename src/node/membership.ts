/**
 * This node as one of a cluster: what it tells the others of itself, the controller and the balancer that each of them
 * runs, and handing over what it leads before it stops.
 */
import type { Broker } from '../broker/broker.ts'
import { LoadReporter } from '../broker/load-reporter.ts'
import { type NodeRecoveryParts, recoverNode } from '../broker/node-recovery.ts'
import { Balancer } from '../cluster/balancer.ts'
import { Controller, type ControllerStatus } from '../cluster/controller.ts'
import type { NodeLease } from '../cluster/node-lease.ts'
import { spreadOver } from '../cluster/spread.ts'
import type { Metadata, NodePlace } from '../metadata/metadata.ts'
import type { NodeState } from '../metadata/schema.ts'
import { type Clock, sleep } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import { type EventLoopDelay, measureEventLoopDelay } from './event-loop-delay.ts'

/** How long stopping waits for what is led here to be handed over. */
const HAND_OVER_MS_MAX = 30_000

export interface MembershipParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metadata: Metadata
  readonly lease: NodeLease
  readonly leaseMs: number
  readonly stoppedGraceMs: number
  readonly broker: Broker
  readonly place: NodePlace
  readonly recovery: NodeRecoveryParts
}

export class Membership {
  readonly #parts: MembershipParts
  readonly #controller: Controller
  readonly #balancer: Balancer
  readonly #loads: LoadReporter
  readonly #delay: EventLoopDelay = measureEventLoopDelay()

  constructor(parts: MembershipParts) {
    this.#parts = parts
    const { metadata, lease } = parts
    const leads = (nodeId: number) =>
      [...metadata.image.topics()].some(({ partitions }) => partitions.some(({ leader }) => leader === nodeId))
    this.#controller = new Controller({
      ...parts,
      node: lease.node,
      leads,
      recover: (task) => recoverNode(task, parts.recovery)
    })
    this.#balancer = new Balancer({ ...parts, holds: () => this.#controller.status().holds })
    this.#loads = new LoadReporter({
      ...parts,
      node: lease.node,
      partitions: () => parts.broker.led.all(),
      takeEventLoopDelayMs: () => this.#delay.take(),
      takeAppendDelayMs: () => parts.broker.appendDelays.take()
    })
  }

  /** Once the broker listens: from now on it gets partitions. */
  async join(): Promise<void> {
    await this.#announce('running')
    this.#controller.start()
    this.#balancer.start()
    this.#loads.start()
  }

  status(): ControllerStatus {
    return this.#controller.status()
  }

  /** Hands over what this node leads, if anybody can take it, while its broker still serves; then the node counts as stopped. */
  async leave(): Promise<void> {
    const { clock, log } = this.#parts
    try {
      await this.#announce('draining')
      const patience = new AbortController()
      await Promise.race([this.#handOverAll(), sleep(clock, HAND_OVER_MS_MAX, patience.signal)])
      patience.abort()
    } catch (error) {
      if (!isFault(error)) throw error
      log.warn({ error: error.message }, 'not everything led here was handed over: others take it over later')
    }
    await Promise.all([this.#balancer.close(), this.#loads.close()])
    this.#delay.close()
    await this.#controller.close()
  }

  /** Once the broker serves no more. */
  async stopped(): Promise<void> {
    try {
      await this.#announce('stopped')
    } catch (error) {
      if (!isFault(error)) throw error
      this.#parts.log.warn({ error: error.message }, 'the other nodes were not told that this one stops')
    }
  }

  #announce(state: NodeState): Promise<void> {
    const { metadata, lease, place } = this.#parts
    return metadata.announceNode(lease.node.id, lease.node.epoch, state, place)
  }

  async #handOverAll(): Promise<void> {
    const { broker, metadata, lease } = this.#parts
    const others = [...metadata.image.nodes().values()].filter(
      ({ id, state }) => state === 'running' && id !== lease.node.id
    )
    if (others.length === 0) return
    const partitions = [...broker.led.all()]
    const receivers = spreadOver(partitions, others)
    await broker.led.handOver(partitions.map((partition) => ({ partition, to: receivers.get(partition) ?? -1 })))
  }
}
