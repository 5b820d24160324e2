/** Where partitions end, wherever they are led: for those who reckon how far behind somebody is. */
import { isFault } from '../runtime/fault.ts'
import { ErrorCode } from '../wire/error-codes.ts'
import { ListOffsetsRequest, ListOffsetsResponse } from '../wire/messages/list-offsets.ts'
import type { ClusterView } from './cluster-view.ts'
import { BatchedCalls } from './nodes/batched-calls.ts'
import type { NodeCalls } from './nodes/node-calls.ts'
import type { Topics } from './topics.ts'

export interface PartitionEnd {
  readonly errorCode: number
  /** -1 with an error. */
  readonly offset: number
}

export interface PartitionEndsParts {
  readonly topics: Pick<Topics, 'partition'>
  readonly cluster: Pick<ClusterView, 'nodeId' | 'leader'>
  readonly nodes: NodeCalls
}

interface Asked {
  readonly topic: string
  readonly index: number
}

const LIST_OFFSETS = { request: ListOffsetsRequest, response: ListOffsetsResponse }
const VERSION = 9
const LATEST = -1
const NO_REPLICA = -1

export class PartitionEnds {
  readonly #parts: PartitionEndsParts
  readonly #calls: BatchedCalls<Asked, PartitionEnd>

  constructor(parts: PartitionEndsParts) {
    this.#parts = parts
    this.#calls = new BatchedCalls((nodeId, asked) => this.#ask(nodeId, asked))
  }

  async find(topic: string, index: number): Promise<PartitionEnd> {
    const { topics, cluster } = this.#parts
    const here = topics.partition(topic, index)
    if (here !== undefined) return { errorCode: ErrorCode.NONE, offset: here.highWatermark }
    const leader = cluster.leader(topic, index)
    if (leader === undefined) return failed(ErrorCode.LEADER_NOT_AVAILABLE)
    if (leader.nodeId === cluster.nodeId) return failed(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    try {
      return await this.#calls.ask(leader.nodeId, { topic, index })
    } catch (error) {
      if (!isFault(error)) throw error
      return failed(ErrorCode.NETWORK_EXCEPTION)
    }
  }

  /** A partition that is asked about twice is named once: the broker would refuse it. */
  async #ask(nodeId: number, asked: readonly Asked[]): Promise<readonly PartitionEnd[]> {
    const wanted = new Map<string, Set<number>>()
    for (const { topic, index } of asked) wanted.set(topic, (wanted.get(topic) ?? new Set()).add(index))
    const topics = [...wanted].map(([name, indexes]) => ({
      name,
      partitions: [...indexes].map((partitionIndex) => ({ partitionIndex, timestamp: LATEST }))
    }))
    const request = { replicaId: NO_REPLICA, isolationLevel: 0, topics }
    const answer = await this.#parts.nodes.send(nodeId, LIST_OFFSETS, VERSION, request)
    const ends = new Map<string, PartitionEnd>()
    for (const { name, partitions } of answer.topics) {
      for (const { partitionIndex, errorCode, offset } of partitions) {
        ends.set(`${name}-${partitionIndex}`, errorCode === ErrorCode.NONE ? { errorCode, offset } : failed(errorCode))
      }
    }
    return asked.map(
      ({ topic, index }) => ends.get(`${topic}-${index}`) ?? failed(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    )
  }
}

function failed(errorCode: number): PartitionEnd {
  return { errorCode, offset: -1 }
}
