/** The cluster as balancing sees it: what there is to share, and among whom. Plain values, made by `balance-view.ts`. */
import type { NodeState } from '../metadata/schema.ts'

export interface BalanceNode {
  readonly id: number
  readonly rack: string | null
  readonly state: NodeState
  readonly slow: boolean
  /** Takes only what is pinned to it. */
  readonly excluded: boolean
}

/** Per second. */
export interface BalanceLoad {
  readonly bytesIn: number
  readonly bytesOut: number
  readonly requests: number
}

export interface BalancePartition {
  readonly topicId: string
  readonly topic: string
  readonly index: number
  readonly leader: number
  readonly target: number | null
  /** Undefined: nobody has measured it yet; it counts as one of the middle. */
  readonly load: BalanceLoad | undefined
  /** Brokers that are to lead it; empty: any. */
  readonly pins: readonly number[]
  /** It moved a moment ago, and stays for a while. */
  readonly settling: boolean
}
