/**
 * What an answer says of who leads a partition that is not served here, so that the client need not ask for metadata
 * first (KIP-951).
 */
import type { BrokerPlace, ClusterView } from './cluster-view.ts'

export interface LeaderHint {
  readonly leaderId: number
  readonly leaderEpoch: number
}

/** Undefined when another broker leads it that is away, or nobody. */
export function leaderHint(cluster: ClusterView, topic: string, index: number): LeaderHint | undefined {
  const row = cluster.partition(topic, index)
  if (row === undefined || cluster.broker(row.leader) === undefined) return undefined
  return { leaderId: row.leader, leaderEpoch: row.leaderEpoch }
}

/** Where the brokers are that the hints name. */
export function hintedBrokers(
  cluster: ClusterView,
  hints: Iterable<{ readonly leaderId?: number | undefined } | undefined>
): BrokerPlace[] {
  const ids = new Set<number>()
  for (const hint of hints) if (hint?.leaderId !== undefined) ids.add(hint.leaderId)
  return [...ids].flatMap((id) => cluster.broker(id) ?? [])
}
