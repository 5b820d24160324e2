/** Other brokers and a map of leaders for tests: calls are kept until the test answers them. */
import type { Partition } from '../../metadata/metadata.ts'
import type { BrokerPlace } from '../cluster-view.ts'
import type { NodeApi, NodeCalls } from './node-calls.ts'

interface KeptCall {
  readonly nodeId: number
  readonly apiKey: number
  readonly version: number
  readonly request: unknown
  readonly answer: (response: unknown) => void
  readonly fail: (error: unknown) => void
}

export class FakeNodes implements NodeCalls {
  readonly calls: KeptCall[] = []

  send<Req, Res>(nodeId: number, api: NodeApi<Req, Res>, version: number, request: Req): Promise<Res> {
    return new Promise((resolve, reject) => {
      const answer = (response: unknown) => resolve(response as Res)
      this.calls.push({ nodeId, apiKey: api.request.apiKey, version, request, answer, fail: reject })
    })
  }
}

/** By topic: the leader of each of its partitions. */
export class FakeCluster {
  readonly nodeId: number
  readonly leaders: Record<string, number[]>
  readonly away = new Set<number>()

  constructor(nodeId: number, leaders: Record<string, number[]>) {
    this.nodeId = nodeId
    this.leaders = leaders
  }

  partition(topic: string, index: number): Partition | undefined {
    const leader = this.leaders[topic]?.[index]
    if (leader === undefined) return undefined
    return { topicId: topic, index, streamId: index, leader, leaderEpoch: 1, target: null }
  }

  broker(nodeId: number): BrokerPlace | undefined {
    return this.away.has(nodeId) ? undefined : { nodeId, host: `host-${nodeId}`, port: 9092, rack: null }
  }

  leader(topic: string, index: number): BrokerPlace | undefined {
    const partition = this.partition(topic, index)
    return partition && this.broker(partition.leader)
  }
}
