/**
 * DescribeTopicPartitions v0 (KIP-966): topics in order of name, in pages of at most so many partitions. A cursor that cannot
 * be one is INVALID_REQUEST for each topic of the request, since the answer has no error of its own.
 */
import type { Topic } from '../../metadata/metadata.ts'
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse
} from '../../wire/messages/describe-topic-partitions.ts'
import type { InferInput } from '../../wire/schema.ts'
import { ALL_TOPIC_OPERATIONS } from '../advertised.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { ClusterView } from '../cluster-view.ts'
import type { Handler } from '../handler.ts'
import { topicNameProblem } from '../topic-names.ts'

type Answer = InferInput<typeof DescribeTopicPartitionsResponse>
type TopicAnswer = Answer['topics'][number]

/** Kafka's `max.request.partition.size.limit`. */
const PARTITIONS_PER_PAGE_MAX = 2000

export function describeTopicPartitionsHandler({
  topics,
  cluster
}: BrokerParts): Handler<DescribeTopicPartitionsRequest, Answer> {
  return (request) => {
    const { cursor } = request
    if (isInvalid(request))
      return { topics: request.topics.map(({ name }) => refuse(name, ErrorCode.INVALID_REQUEST)), nextCursor: null }
    const asked =
      request.topics.length > 0 ? request.topics.map(({ name }) => name) : topics.all().map(({ name }) => name)
    const names = [...new Set(asked)].sort().filter((name) => cursor === null || name >= cursor.topicName)
    let room = Math.min(PARTITIONS_PER_PAGE_MAX, Math.max(1, request.responsePartitionLimit))
    const answers: TopicAnswer[] = []
    for (const name of names) {
      const topic = topics.get(name)
      const from = cursor?.topicName === name ? cursor.partitionIndex : 0
      if (room === 0) return { topics: answers, nextCursor: { topicName: name, partitionIndex: from } }
      const answer = topic === undefined ? missing(name) : describe(cluster, topic, from, room)
      answers.push(answer)
      room -= answer.partitions.length
      const next = from + answer.partitions.length
      if (topic !== undefined && next < topic.partitions.length) {
        return { topics: answers, nextCursor: { topicName: name, partitionIndex: next } }
      }
    }
    return { topics: answers, nextCursor: null }
  }
}

/** A cursor stands on one of the topics that are asked for, if there are any. */
function isInvalid({ cursor, topics }: DescribeTopicPartitionsRequest): boolean {
  if (cursor === null) return false
  const asked = topics.length === 0 || topics.some(({ name }) => name === cursor.topicName)
  return !asked || cursor.partitionIndex < 0
}

function missing(name: string): TopicAnswer {
  const known = topicNameProblem(name) === undefined
  const errorCode = known ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.INVALID_TOPIC_EXCEPTION
  return { ...refuse(name, errorCode), topicAuthorizedOperations: ALL_TOPIC_OPERATIONS }
}

function refuse(name: string, errorCode: number): TopicAnswer {
  return { errorCode, name, topicId: ZERO_UUID, isInternal: false, partitions: [] }
}

function describe(cluster: ClusterView, topic: Topic, from: number, room: number): TopicAnswer {
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: topic.internal,
    partitions: topic.partitions.slice(from, from + room).map(({ index, leader, leaderEpoch }) => {
      const isThere = cluster.broker(leader) !== undefined
      return {
        errorCode: isThere ? ErrorCode.NONE : ErrorCode.LEADER_NOT_AVAILABLE,
        partitionIndex: index,
        leaderId: isThere ? leader : -1,
        leaderEpoch,
        replicaNodes: [leader],
        isrNodes: isThere ? [leader] : [],
        eligibleLeaderReplicas: [],
        lastKnownElr: [],
        offlineReplicas: isThere ? [] : [leader]
      }
    }),
    topicAuthorizedOperations: ALL_TOPIC_OPERATIONS
  }
}
