/**
 * Which brokers there are for partitions, and moving partitions between them (KIP-455). A partition has one replica, its
 * leader: moving it is closing it here and opening it there, without a copy of what it holds.
 */
import type { Metadata, Partition } from '../metadata/metadata.ts'
import type { ClusterView } from './cluster-view.ts'

/** A partition on its way from one broker to another. */
export interface PartitionMove {
  readonly topic: string
  readonly index: number
  readonly from: number
  readonly to: number
}

export interface PartitionMoves {
  /** Ids of the brokers that may lead partitions. */
  brokers(): readonly number[]
  /** Begins a move to one of `brokers`, instead of one that is under way. Nothing to do when it leads already. */
  begin(topic: string, partition: Partition, to: number): Promise<void>
  /** False when no move of the partition is under way. */
  cancel(topic: string, index: number): Promise<boolean>
  underWay(): readonly PartitionMove[]
}

/** Says in the metadata where partitions are to go; who leads them brings them there. */
export function partitionMoves(metadata: Metadata, cluster: ClusterView): PartitionMoves {
  const partitionOf = (topic: string, index: number) => metadata.image.topic(topic)?.partitions[index]
  return {
    brokers: () => cluster.receivers(),
    begin: async (_topic, { topicId, index, leader, target }, to) => {
      if (leader === to && target === null) return
      await metadata.setTargets([{ topicId, index, node: to }])
    },
    cancel: async (topic, index) => {
      const partition = partitionOf(topic, index)
      if (partition === undefined || partition.target === null) return false
      await metadata.setTargets([{ topicId: partition.topicId, index, node: null }])
      return true
    },
    underWay: () => {
      const moves: PartitionMove[] = []
      for (const { name, partitions } of metadata.image.topics()) {
        for (const { index, leader, target } of partitions) {
          if (target !== null) moves.push({ topic: name, index, from: leader, to: target })
        }
      }
      return moves
    }
  }
}
