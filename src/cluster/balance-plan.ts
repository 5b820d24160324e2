/**
 * Which partitions are to go where, and why. Pure: the same input gives the same plan.
 *
 * Invariants: nothing goes to a broker that does not run, nor by itself to one that is slow or excluded, nor off the
 * brokers that its topic is pinned to, while one of those runs. Every move that evens load makes the sum of the squares of
 * the brokers' loads smaller, so that plans carried out one after another come to an end. What a plan cannot do within
 * its limits, the next one does.
 */
import type { NodeState } from '../metadata/schema.ts'
import type { BalanceNode, BalancePartition } from './balance-input.ts'
import { type Broker, BrokerLoads } from './broker-loads.ts'

/** Share of the mean by which a broker may differ before anything moves. */
const TOLERANCE = 0.15
/** Once something moves, it goes on to here: a load that swings a little at the edge would begin anew each time. */
const TOLERANCE_REACHED = TOLERANCE / 2
/** Part of the difference between two brokers that one partition may carry over: more would only turn it round. */
const CARRIED_MAX = 0.9

export interface BalanceLimits {
  /** Moves that may be under way at once, but for those off draining brokers. */
  readonly movesMax: number
  /** Moves off draining brokers in one plan. */
  readonly drainedMax: number
  /** Bytes per second, in and out, of the partitions that one plan moves to even load: what they have in a cache is left behind. */
  readonly bytesMax: number
}

export interface PlannedMove {
  readonly topicId: string
  readonly topic: string
  readonly index: number
  readonly from: number
  /** Null: a target that it has is taken back. */
  readonly to: number | null
  /** For people. */
  readonly reason: string
}

export interface BalancePlan {
  readonly moves: readonly PlannedMove[]
  /** Which limit kept it from more; undefined when this is all. */
  readonly cutBy: 'moves' | 'bytes' | undefined
}

/** Only what cannot wait: empties draining brokers. */
export function planDraining(
  nodes: readonly BalanceNode[],
  partitions: readonly BalancePartition[],
  limits: BalanceLimits
): BalancePlan {
  const planner = new Planner(nodes, partitions, limits)
  planner.drain()
  return planner.plan()
}

/** Everything, the most urgent first. */
export function planBalance(
  nodes: readonly BalanceNode[],
  partitions: readonly BalancePartition[],
  limits: BalanceLimits
): BalancePlan {
  const planner = new Planner(nodes, partitions, limits)
  planner.takeBack()
  planner.drain()
  planner.pin()
  planner.even()
  return planner.plan()
}

class Planner {
  readonly #limits: BalanceLimits
  readonly #loads: BrokerLoads
  readonly #moves: PlannedMove[] = []
  #left: number
  #cutBy: BalancePlan['cutBy']

  constructor(nodes: readonly BalanceNode[], partitions: readonly BalancePartition[], limits: BalanceLimits) {
    this.#limits = limits
    this.#loads = new BrokerLoads(nodes, partitions)
    const underWay = partitions.filter(({ leader, target }) => target !== null && this.#stateOf(leader) === 'running')
    this.#left = Math.max(0, limits.movesMax - underWay.length)
  }

  plan(): BalancePlan {
    return { moves: this.#moves, cutBy: this.#cutBy }
  }

  /** Targets that will not take what is meant for them. One that only stopped may be back in a moment. */
  takeBack(): void {
    for (const partition of this.#loads.partitions) {
      const { leader, target } = partition
      if (target === null || this.#stateOf(leader) !== 'running') continue
      const state = this.#stateOf(target)
      if (state === 'running' || state === 'stopped') continue
      this.#note(partition, null, `broker ${target}, which was to have it, is ${state ?? 'gone'}`)
    }
  }

  drain(): void {
    const leaving = this.#loads.partitions.filter(
      ({ leader, target }) =>
        this.#stateOf(leader) === 'draining' && (target === null || this.#stateOf(target) !== 'running')
    )
    // The heaviest first, or they would all come last, onto whoever happens to be next.
    leaving.sort((a, b) => this.#loads.costOf(b) - this.#loads.costOf(a) || byName(a, b))
    for (const [at, partition] of leaving.entries()) {
      if (at === this.#limits.drainedMax) {
        this.#cut('moves')
        return
      }
      const { pins } = partition
      const [pinned, free, all] = [this.#pinned(pins), this.#loads.takers, this.#loads.running]
      const to = this.#lightest(partition, pinned.length > 0 ? pinned : free.length > 0 ? free : all)
      if (to === undefined) return
      const lost = pins.length > 0 && pinned.length === 0 ? `, and of those it is pinned to none runs` : ''
      this.#move(partition, to, `broker ${partition.leader} is draining${lost}`)
    }
  }

  pin(): void {
    for (const partition of this.#loads.partitions) {
      const { pins, target } = partition
      if (pins.length === 0 || target !== null || this.#stateOf(partition.leader) !== 'running') continue
      if (pins.includes(partition.leader)) continue
      const to = this.#lightest(partition, this.#pinned(pins))
      if (to === undefined) continue
      if (this.#left === 0) {
        this.#cut('moves')
        return
      }
      this.#left -= 1
      this.#move(partition, to, `topic ${partition.topic} is pinned to ${pins.join(', ')}`)
    }
  }

  even(): void {
    let bytes = 0
    for (let tolerance = TOLERANCE; ; tolerance = TOLERANCE_REACHED) {
      const best = this.#bestMove(tolerance)
      if (best === undefined) return
      if (this.#left === 0) {
        this.#cut('moves')
        return
      }
      const { partition, from, to } = best
      const moved = (partition.load?.bytesIn ?? 0) + (partition.load?.bytesOut ?? 0)
      if (bytes > 0 && bytes + moved > this.#limits.bytesMax) {
        this.#cut('bytes')
        return
      }
      bytes += moved
      this.#left -= 1
      const [much, little] = [from, to].map(({ cost }) => `${Math.round((cost / this.#loads.mean) * 100)} %`)
      this.#move(partition, to, `broker ${from.id} carries ${much} of the mean, broker ${to.id} ${little}`)
    }
  }

  /** Of the pair of brokers that differ most and have something to exchange, what brings them closest to each other. */
  #bestMove(tolerance: number): { partition: BalancePartition; from: Broker; to: Broker } | undefined {
    const { running, mean } = this.#loads
    const sorted = running.toSorted((a, b) => b.cost - a.cost || a.id - b.id)
    for (const from of sorted) {
      for (const to of sorted.toReversed()) {
        const difference = from.cost - to.cost
        if (difference <= (tolerance * (from.cost + to.cost)) / 2) break
        const isOut = from.cost > mean * (1 + tolerance) || to.cost < mean * (1 - tolerance)
        if (!isOut || to.slow) continue
        const partition = this.#closest(from, to, difference)
        if (partition !== undefined) return { partition, from, to }
      }
    }
    return undefined
  }

  #closest(from: Broker, to: Broker, difference: number): BalancePartition | undefined {
    let best: BalancePartition | undefined
    let bestGap = Number.POSITIVE_INFINITY
    for (const partition of from.partitions) {
      const cost = this.#loads.costOf(partition)
      if (cost > difference * CARRIED_MAX || partition.settling || partition.target !== null) continue
      if (partition.pins.length > 0 ? !partition.pins.includes(to.id) : to.excluded) continue
      const gap = Math.abs(difference / 2 - cost)
      if (gap > bestGap || (gap === bestGap && best !== undefined && byName(partition, best) > 0)) continue
      best = partition
      bestGap = gap
    }
    return best
  }

  /** Those of the named brokers that run; without slow ones, if others are left. */
  #pinned(pins: readonly number[]): readonly Broker[] {
    const there = this.#loads.running.filter(({ id }) => pins.includes(id))
    const fast = there.filter(({ slow }) => !slow)
    return fast.length > 0 ? fast : there
  }

  #lightest({ leader }: BalancePartition, brokers: readonly Broker[]): Broker | undefined {
    const rack = this.#loads.get(leader)?.rack
    const isBetter = (one: Broker, other: Broker): boolean => {
      if (one.cost !== other.cost) return one.cost < other.cost
      const near = Number(one.rack === rack) - Number(other.rack === rack)
      return near !== 0 ? near > 0 : one.id < other.id
    }
    let best: Broker | undefined
    for (const broker of brokers) if (best === undefined || isBetter(broker, best)) best = broker
    return best
  }

  #stateOf(id: number): NodeState | undefined {
    return this.#loads.get(id)?.state
  }

  #move(partition: BalancePartition, to: Broker, reason: string): void {
    this.#loads.move(partition, to)
    this.#note(partition, to.id, reason)
  }

  #note({ topicId, topic, index, leader: from }: BalancePartition, to: number | null, reason: string): void {
    this.#moves.push({ topicId, topic, index, from, to, reason })
  }

  #cut(limit: 'moves' | 'bytes'): void {
    this.#cutBy ??= limit
  }
}

function byName(a: BalancePartition, b: BalancePartition): number {
  return a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.index - b.index
}
