/** What a commit of offsets would store, checked as far as it can be without asking the group. */
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { OffsetCommitRequest } from '../../wire/messages/offset-commit.ts'
import type { CommittedOffset, OffsetWrite } from './offset-table.ts'
import type { TopicDirectory } from './topic-directory.ts'

/** From this version on topics are named by id (KIP-848); the same for OffsetCommit and OffsetFetch. */
export const topicIdVersion = 10

/** One partition of a commit, checked as far as it can be without asking the group. */
export interface PlannedPartition {
  readonly partitionIndex: number
  /** NONE when `write` is to be stored. */
  readonly errorCode: number
  /** The topic is unknown: that is the answer, whatever the group says. */
  readonly settled: boolean
  readonly write: OffsetWrite | undefined
}

export interface PlannedTopic {
  readonly name: string
  readonly topicId: string
  readonly partitions: readonly PlannedPartition[]
}

type CommittedTopic = Pick<OffsetCommitRequest['topics'][number], 'name' | 'topicId' | 'partitions'>

/** What a commit would store, topic by topic in the order of the request. */
export function planCommit(
  groupId: string,
  requested: readonly CommittedTopic[],
  topics: TopicDirectory,
  options: {
    readonly byTopicId: boolean
    /** UTF-16 units, as Kafka counts them. */
    readonly metadataMax: number
    readonly now: number
    /** Milliseconds that the client wants its offsets kept; -1: as long as the broker does. */
    readonly retentionTimeMs: number
  }
): PlannedTopic[] {
  const { byTopicId, metadataMax, now, retentionTimeMs } = options
  // Clients ask for Long.MAX_VALUE; the sum must stay an integer that can be stored.
  const expireTimestamp = retentionTimeMs === -1 ? -1 : Math.min(now + retentionTimeMs, Number.MAX_SAFE_INTEGER)
  const refused = (partitionIndex: number, errorCode: number, settled: boolean): PlannedPartition => ({
    partitionIndex,
    errorCode,
    settled,
    write: undefined
  })
  return requested.map(({ name, topicId, partitions }) => {
    const topic = byTopicId ? topics.topicName(topicId) : name
    const plan = (partition: (typeof partitions)[number]): PlannedPartition => {
      const { partitionIndex } = partition
      if (topic === undefined) return refused(partitionIndex, ErrorCode.UNKNOWN_TOPIC_ID, true)
      if (!topics.topicExists(topic, partitionIndex)) {
        return refused(partitionIndex, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, true)
      }
      const metadata = partition.committedMetadata ?? ''
      if (metadata.length > metadataMax) return refused(partitionIndex, ErrorCode.OFFSET_METADATA_TOO_LARGE, false)
      const committed: CommittedOffset = {
        offset: partition.committedOffset,
        leaderEpoch: partition.committedLeaderEpoch,
        metadata,
        commitTimestamp: now,
        expireTimestamp,
        topicId: topics.topicId(topic) ?? ZERO_UUID
      }
      const write = { groupId, topic, partition: partitionIndex, committed }
      return { partitionIndex, errorCode: ErrorCode.NONE, settled: false, write }
    }
    return { name, topicId, partitions: partitions.map(plan) }
  })
}

/** Whether an offset was committed for a topic of the same name that was deleted since. */
export function isStale(topics: TopicDirectory, topic: string, committed: CommittedOffset): boolean {
  const current = topics.topicId(topic)
  return current !== undefined && committed.topicId !== ZERO_UUID && committed.topicId !== current
}
