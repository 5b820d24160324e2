/**
 * Which brokers there are for partitions, and moving partitions between them (KIP-455). A partition has one replica, its
 * leader: moving it is closing it here and opening it there, without a copy of what it holds.
 */
import type { Partition } from '../metadata/metadata.ts'

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

/** A cluster of one: everything is where it can be. */
export function movesOfOneNode(nodeId: number): PartitionMoves {
  return {
    brokers: () => [nodeId],
    begin: () => Promise.resolve(),
    cancel: () => Promise.resolve(false),
    underWay: () => []
  }
}
