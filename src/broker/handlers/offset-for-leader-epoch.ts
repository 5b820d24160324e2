/** OffsetForLeaderEpoch v2 to v4 (KIP-101, KIP-320): where a leader epoch ended, so that a client can tell lost from kept. */
import { ErrorCode } from '../../wire/error-codes.ts'
import type {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse
} from '../../wire/messages/offset-for-leader-epoch.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof OffsetForLeaderEpochResponse>
type PartitionAnswer = Answer['topics'][number]['partitions'][number]
type Wanted = OffsetForLeaderEpochRequest['topics'][number]['partitions'][number]

export function offsetForLeaderEpochHandler(parts: BrokerParts): Handler<OffsetForLeaderEpochRequest, Answer> {
  return (request) => ({
    topics: request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((wanted) => find(parts, topic, wanted))
    }))
  })
}

function find({ topics }: BrokerParts, topic: string, wanted: Wanted): PartitionAnswer {
  const answer = { partition: wanted.partition, leaderEpoch: -1, endOffset: -1 }
  const partition = topics.partition(topic, wanted.partition)
  if (partition === undefined) return { ...answer, errorCode: topics.absence(topic, wanted.partition) }
  const errorCode = partition.checkLeaderEpoch(wanted.currentLeaderEpoch)
  if (errorCode !== ErrorCode.NONE) return { ...answer, errorCode }
  const end = partition.leaderEpochs.endOf(wanted.leaderEpoch, partition.highWatermark)
  return { ...answer, errorCode, leaderEpoch: end.epoch, endOffset: end.endOffset }
}
