/** The state of the cluster as the metadata tells it, for people and programs that look from outside. Changes nothing. */
import { BalanceMemory, type BalanceView } from '../../cluster/balance-view.ts'
import type { Failover } from '../../metadata/failovers.ts'
import type { Metadata, NodeLease, ReportedLoad } from '../../metadata/metadata.ts'
import type { NodeState } from '../../metadata/schema.ts'

export interface BrokerLoad {
  /** Per second, of all partitions together. */
  readonly bytesIn: number
  readonly bytesOut: number
  readonly requests: number
  readonly eventLoopDelayMs: number
  readonly appendDelayMs: number
  readonly ageMs: number
}

export interface BrokerStatus {
  readonly id: number
  readonly state: NodeState
  readonly rack: string | null
  /** Null: it has never been part of a cluster. */
  readonly address: string | null
  readonly epoch: number
  /** By the database's clock; not above 0 when it has run out. */
  readonly leaseRemainingMs: number
  /** That it leads. */
  readonly partitions: number
  /** Those of them that are to go elsewhere. */
  readonly leaving: number
  /** Undefined: this life of it has not reported yet. */
  readonly load: BrokerLoad | undefined
  /** Why it gets no more partitions, if it is slow. */
  readonly slow: string | undefined
  readonly excluded: boolean
}

export interface UnservedPartition {
  readonly topic: string
  readonly partition: number
  readonly leader: number
  readonly why: string
}

export interface ClusterStatus {
  readonly clusterId: string
  /** Undefined when nobody is. */
  readonly controller:
    | { readonly nodeId: number; readonly epoch: number; readonly leaseRemainingMs: number }
    | undefined
  readonly brokers: readonly BrokerStatus[]
  readonly unserved: readonly UnservedPartition[]
  /** Newest last. */
  readonly failovers: readonly Failover[]
}

export async function loadClusterStatus(metadata: Metadata): Promise<ClusterStatus> {
  const { brokers, leases } = await loadBrokers(metadata)
  const { nodeId, epoch, remainingMs } = await metadata.controllerLease()
  return {
    clusterId: metadata.clusterId,
    controller: remainingMs > 0 ? { nodeId, epoch, leaseRemainingMs: remainingMs } : undefined,
    brokers,
    unserved: unservedPartitions(metadata, leases),
    failovers: await metadata.failovers()
  }
}

export async function loadBrokerStatuses(metadata: Metadata): Promise<readonly BrokerStatus[]> {
  return (await loadBrokers(metadata)).brokers
}

/** What balancing goes by, as far as it can be told from outside. */
export async function loadBalanceView(metadata: Metadata): Promise<BalanceView> {
  return viewOf(metadata, await metadata.nodeLoads())
}

async function loadBrokers(metadata: Metadata) {
  const leases = await metadata.leases()
  const reports = await metadata.nodeLoads()
  const view = viewOf(metadata, reports)
  const excluded = new Set(view.nodes.flatMap((node) => (node.excluded ? [node.id] : [])))
  const led = new Map<number, { all: number; leaving: number }>()
  for (const { leader, target } of view.partitions) {
    const counts = led.get(leader) ?? { all: 0, leaving: 0 }
    counts.all += 1
    if (target !== null) counts.leaving += 1
    led.set(leader, counts)
  }
  const brokers = leases.map(({ id, epoch, state, remainingMs }): BrokerStatus => {
    const node = metadata.image.nodes().get(id)
    const report = reports.find(({ nodeId, nodeEpoch }) => nodeId === id && nodeEpoch === epoch)
    return {
      id,
      state,
      rack: node?.rack ?? null,
      address: node === undefined ? null : `${node.host}:${node.port}`,
      epoch,
      leaseRemainingMs: Math.round(remainingMs),
      partitions: led.get(id)?.all ?? 0,
      leaving: led.get(id)?.leaving ?? 0,
      load: report === undefined ? undefined : total(report),
      slow: view.slow.get(id),
      excluded: excluded.has(id)
    }
  })
  return { brokers, leases }
}

function viewOf({ image }: Metadata, reports: readonly ReportedLoad[]): BalanceView {
  const memory = new BalanceMemory()
  memory.learn(image, reports, 0)
  return memory.view(image, 0)
}

function total({ partitions, eventLoopDelayMs, appendDelayMs, ageMs }: ReportedLoad): BrokerLoad {
  const load = { bytesIn: 0, bytesOut: 0, requests: 0 }
  for (const { bytesIn, bytesOut, requests } of partitions) {
    load.bytesIn += bytesIn
    load.bytesOut += bytesOut
    load.requests += requests
  }
  return { ...load, eventLoopDelayMs, appendDelayMs, ageMs }
}

/** None where no node has ever announced itself: one on a database of its own needs no lease. */
function unservedPartitions({ image }: Metadata, leases: readonly NodeLease[]): UnservedPartition[] {
  if (image.nodes().size === 0) return []
  const byId = new Map(leases.map((lease) => [lease.id, lease]))
  const whyNot = (leader: number): string | undefined => {
    const lease = byId.get(leader)
    if (lease === undefined) return 'never started'
    if (lease.state === 'stopped' || lease.state === 'fenced') return lease.state
    return lease.remainingMs > 0 ? undefined : 'without a lease'
  }
  const unserved: UnservedPartition[] = []
  for (const { name, partitions } of image.topics()) {
    for (const { index, leader } of partitions) {
      const why = whyNot(leader)
      if (why !== undefined) unserved.push({ topic: name, partition: index, leader, why })
    }
  }
  return unserved
}
