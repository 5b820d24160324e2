/** ListPartitionReassignments v0 (KIP-455): partitions that are on their way to another broker. */
import { ErrorCode } from '../../wire/error-codes.ts'
import type {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse
} from '../../wire/messages/list-partition-reassignments.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof ListPartitionReassignmentsResponse>
type PartitionAnswer = Answer['topics'][number]['partitions'][number]

export function listPartitionReassignmentsHandler({
  moves
}: BrokerParts): Handler<ListPartitionReassignmentsRequest, Answer> {
  return ({ topics: wanted }) => {
    const topics = new Map<string, PartitionAnswer[]>()
    for (const { topic, index, from, to } of moves.underWay()) {
      const asked = wanted === null || wanted.some((w) => w.name === topic && w.partitionIndexes.includes(index))
      if (!asked) continue
      const answer = { partitionIndex: index, replicas: [to, from], addingReplicas: [to], removingReplicas: [from] }
      const others = topics.get(topic)
      if (others === undefined) topics.set(topic, [answer])
      else others.push(answer)
    }
    return {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      topics: [...topics].map(([name, partitions]) => ({ name, partitions }))
    }
  }
}
