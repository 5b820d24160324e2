/**
 * Ends transactions in partitions wherever they are led: here, or by WriteTxnMarkers to each broker that leads some of
 * them, all at the same time. Whatever another broker cannot do now is told as an error that passes; nothing is retried.
 *
 * Whether a partition is gone is for this broker to say: another may not have heard yet of one that is new.
 */
import { isFault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { WriteTxnMarkersRequest, WriteTxnMarkersResponse } from '../../wire/messages/write-txn-markers.ts'
import type { ClusterView } from '../cluster-view.ts'
import { BatchedCalls } from '../nodes/batched-calls.ts'
import type { NodeCalls } from '../nodes/node-calls.ts'
import type { TransactionEnd } from '../record-log.ts'
import { byTopic } from './partitions-by-topic.ts'
import { partitionKey } from './transaction.ts'
import type { TopicPartition, TransactionEnds } from './transaction-partitions.ts'

export interface RoutedTransactionEndsParts {
  /** Of what this broker leads. */
  readonly local: TransactionEnds
  readonly cluster: Pick<ClusterView, 'nodeId' | 'partition' | 'broker'>
  readonly nodes: NodeCalls
}

const WRITE_MARKERS = { request: WriteTxnMarkersRequest, response: WriteTxnMarkersResponse }
const VERSION = 2

interface Told {
  readonly end: TransactionEnd
  readonly partitions: readonly TopicPartition[]
}

export class RoutedTransactionEnds implements TransactionEnds {
  readonly #parts: RoutedTransactionEndsParts
  readonly #calls: BatchedCalls<Told, readonly number[]>

  constructor(parts: RoutedTransactionEndsParts) {
    this.#parts = parts
    this.#calls = new BatchedCalls((nodeId, told) => this.#tell(nodeId, told))
  }

  /** Markers of partitions that are led here are appended in the order of the calls, before the first `await`. */
  async end(end: TransactionEnd, partitions: readonly TopicPartition[]): Promise<readonly number[]> {
    const codes = new Map<string, number>()
    const byNode = new Map<number, TopicPartition[]>()
    for (const one of partitions) {
      const leader = this.#leaderOf(one)
      if (leader < 0) codes.set(partitionKey(one), -leader)
      else byNode.set(leader, [...(byNode.get(leader) ?? []), one])
    }
    const told = [...byNode].map(async ([nodeId, some]) => {
      const answers = await this.#end(nodeId, end, some)
      for (const [place, one] of some.entries()) codes.set(partitionKey(one), answers[place] ?? UNTOLD)
    })
    await Promise.all(told)
    return partitions.map((one) => codes.get(partitionKey(one)) ?? UNTOLD)
  }

  /** The node that leads it; below 0, why there is none: an error code with a minus sign. */
  #leaderOf({ topic, partition }: TopicPartition): number {
    const { cluster } = this.#parts
    const leader = cluster.partition(topic, partition)?.leader
    if (leader === undefined) return -ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return cluster.broker(leader) === undefined ? -ErrorCode.NOT_LEADER_OR_FOLLOWER : leader
  }

  async #end(nodeId: number, end: TransactionEnd, partitions: readonly TopicPartition[]): Promise<readonly number[]> {
    const { local, cluster } = this.#parts
    if (nodeId === cluster.nodeId) return local.end(end, partitions)
    try {
      return await this.#calls.ask(nodeId, { end, partitions })
    } catch (error) {
      if (!isFault(error)) throw error
      return partitions.map(() => ErrorCode.NETWORK_EXCEPTION)
    }
  }

  async #tell(nodeId: number, told: readonly Told[]): Promise<readonly (readonly number[])[]> {
    const markers = told.map(({ end, partitions }) => ({
      producerId: end.producer.id,
      producerEpoch: end.producer.epoch,
      transactionResult: end.committed,
      topics: byTopic(partitions).map(([name, partitionIndexes]) => ({ name, partitionIndexes })),
      coordinatorEpoch: end.coordinatorEpoch,
      transactionVersion: end.transactionVersion ?? 0
    }))
    const answer = await this.#parts.nodes.send(nodeId, WRITE_MARKERS, VERSION, { markers })
    const codes = new Map<string, number>()
    for (const { producerId, topics } of answer.markers) {
      for (const { name: topic, partitions } of topics) {
        for (const { partitionIndex: partition, errorCode } of partitions) {
          codes.set(`${producerId}/${partitionKey({ topic, partition })}`, errorCode)
        }
      }
    }
    return told.map(({ end, partitions }) =>
      partitions.map((one) => answered(codes.get(`${end.producer.id}/${partitionKey(one)}`)))
    )
  }
}

/** Asked again. */
const UNTOLD = ErrorCode.KAFKA_STORAGE_ERROR

function answered(code: number | undefined): number {
  return code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION ? ErrorCode.NOT_LEADER_OR_FOLLOWER : (code ?? UNTOLD)
}
