/**
 * Which broker coordinates what: a key belongs to a partition of an internal topic, and who leads that is its coordinator.
 */
import type { BrokerPlace, ClusterView } from './cluster-view.ts'
import { coordinatorPartition, type RecordLogs } from './record-log.ts'

export interface CoordinatorPlacesParts {
  readonly topic: string
  /** The topic is made when it is first asked for. */
  readonly logs: Pick<RecordLogs, 'partitionCount'>
  readonly cluster: Pick<ClusterView, 'leader'>
}

export class CoordinatorPlaces {
  readonly #parts: CoordinatorPlacesParts

  constructor(parts: CoordinatorPlacesParts) {
    this.#parts = parts
  }

  /** The coordinator of a key; undefined while it is away. Throws `Fault` when the topic is not there and cannot be made. */
  async find(key: string): Promise<BrokerPlace | undefined> {
    const { topic, logs, cluster } = this.#parts
    const partitions = await logs.partitionCount()
    return partitions === 0 ? undefined : cluster.leader(topic, coordinatorPartition(key, partitions))
  }
}
