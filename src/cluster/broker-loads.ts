/**
 * What each broker carries, as one number: shares of all bytes in, bytes out, requests and partitions of the cluster,
 * weighted. All of it together is 1. Where nothing was measured only the partitions count.
 *
 * It is the working copy of a plan: moves change it. Input is left as it is.
 */
import type { BalanceLoad, BalanceNode, BalancePartition } from './balance-input.ts'

const WEIGHTS = { bytesIn: 0.3, bytesOut: 0.3, requests: 0.2, partitions: 0.2 }
const MEASURED = ['bytesIn', 'bytesOut', 'requests'] as const

export interface Broker extends BalanceNode {
  cost: number
  /** That it leads, or that are on their way to it. */
  readonly partitions: Set<BalancePartition>
}

export class BrokerLoads {
  /** Those that somebody leads who can hand them over, by topic and index. */
  readonly partitions: readonly BalancePartition[]
  readonly running: readonly Broker[]
  /** Those that get partitions without being named. */
  readonly takers: readonly Broker[]
  readonly mean: number
  readonly #brokers: ReadonlyMap<number, Broker>
  readonly #costs: ReadonlyMap<BalancePartition, number>
  readonly #places = new Map<BalancePartition, Broker>()

  constructor(nodes: readonly BalanceNode[], partitions: readonly BalancePartition[]) {
    const brokers = nodes
      .toSorted((a, b) => a.id - b.id)
      .map((node): Broker => ({ ...node, cost: 0, partitions: new Set() }))
    this.#brokers = new Map(brokers.map((broker) => [broker.id, broker]))
    this.running = brokers.filter(({ state }) => state === 'running')
    this.takers = this.running.filter(({ slow, excluded }) => !slow && !excluded)
    const isServed = ({ leader }: BalancePartition): boolean => {
      const state = this.get(leader)?.state
      return state === 'running' || state === 'draining'
    }
    this.partitions = partitions
      .filter(isServed)
      .sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.index - b.index))
    this.#costs = costsOf(this.partitions)
    for (const partition of this.partitions) {
      const target = partition.target === null ? undefined : this.get(partition.target)
      const place = target?.state === 'running' ? target : this.get(partition.leader)
      if (place !== undefined) this.#put(partition, place)
    }
    this.mean = this.#meanCost()
  }

  get(id: number): Broker | undefined {
    return this.#brokers.get(id)
  }

  costOf(partition: BalancePartition): number {
    return this.#costs.get(partition) ?? 0
  }

  move(partition: BalancePartition, to: Broker): void {
    const from = this.#places.get(partition)
    if (from !== undefined) {
      from.cost -= this.costOf(partition)
      from.partitions.delete(partition)
    }
    this.#put(partition, to)
  }

  #put(partition: BalancePartition, place: Broker): void {
    place.cost += this.costOf(partition)
    place.partitions.add(partition)
    this.#places.set(partition, place)
  }

  /** Of those that share the load: whoever takes none counts only when it has more than they have. */
  #meanCost(): number {
    const mean = meanOf(this.takers)
    return meanOf([
      ...this.takers,
      ...this.running.filter((broker) => !this.takers.includes(broker) && broker.cost > mean)
    ])
  }
}

function meanOf(brokers: readonly Broker[]): number {
  return brokers.reduce((sum, { cost }) => sum + cost, 0) / Math.max(1, brokers.length)
}

function costsOf(partitions: readonly BalancePartition[]): Map<BalancePartition, number> {
  const known = partitions.flatMap(({ load }) => load ?? [])
  const middle = Object.fromEntries(MEASURED.map((name) => [name, sum(known, name) / Math.max(1, known.length)]))
  const rate = ({ load }: BalancePartition, name: keyof BalanceLoad): number => load?.[name] ?? middle[name] ?? 0
  /** Cost of one unit of each. */
  const prices = MEASURED.map((name) => {
    const total = sum(known, name) + (partitions.length - known.length) * (middle[name] ?? 0)
    return { name, weight: total > 0 ? WEIGHTS[name] : 0, price: total > 0 ? WEIGHTS[name] / total : 0 }
  })
  const weights = prices.reduce((all, { weight }) => all + weight, WEIGHTS.partitions)
  const each = WEIGHTS.partitions / Math.max(1, partitions.length)
  return new Map(
    partitions.map((partition) => [
      partition,
      prices.reduce((cost, { name, price }) => cost + rate(partition, name) * price, each) / weights
    ])
  )
}

function sum(loads: readonly BalanceLoad[], name: keyof BalanceLoad): number {
  return loads.reduce((total, load) => total + load[name], 0)
}
