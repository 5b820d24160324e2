/**
 * Committed offsets in memory, and the rules of commit, fetch and delete. Holds durable data only: a write is applied
 * after its record is stored, in the order of the log. Nothing expires yet; the timestamps for it are kept.
 */
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { OffsetCommitRequest } from '../../wire/messages/offset-commit.ts'

export interface CommittedOffset {
  readonly offset: number
  /** -1: unknown. */
  readonly leaderEpoch: number
  readonly metadata: string
  /** Wall time of the commit, milliseconds. */
  readonly commitTimestamp: number
  /** Wall time at which the client wants it gone (OffsetCommit v2–4); -1: the broker decides. */
  readonly expireTimestamp: number
  /** All zeros: committed before topics had ids. */
  readonly topicId: string
}

export interface OffsetWrite {
  readonly groupId: string
  readonly topic: string
  readonly partition: number
  /** Null: deleted. */
  readonly committed: CommittedOffset | null
}

/** What the coordinator must know of topics. Ids are 22 characters of base64url, as Kafka prints them. */
export interface TopicDirectory {
  topicExists(topic: string, partition: number): boolean
  topicName(id: string): string | undefined
  topicId(topic: string): string | undefined
}

type Partitions = Map<number, CommittedOffset>

export class OffsetTable {
  readonly #groups = new Map<string, Map<string, Partitions>>()

  apply({ groupId, topic, partition, committed }: OffsetWrite): void {
    if (committed === null) {
      this.#remove(groupId, topic, partition)
      return
    }
    const topics: Map<string, Partitions> = this.#groups.get(groupId) ?? new Map()
    const partitions: Partitions = topics.get(topic) ?? new Map()
    partitions.set(partition, committed)
    topics.set(topic, partitions)
    this.#groups.set(groupId, topics)
  }

  #remove(groupId: string, topic: string, partition: number): void {
    const topics = this.#groups.get(groupId)
    const partitions = topics?.get(topic)
    partitions?.delete(partition)
    if (partitions?.size === 0) topics?.delete(topic)
    if (topics?.size === 0) this.#groups.delete(groupId)
  }

  has(groupId: string): boolean {
    return this.#groups.has(groupId)
  }

  get(groupId: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#groups.get(groupId)?.get(topic)?.get(partition)
  }

  topics(groupId: string): ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>> {
    return this.#groups.get(groupId) ?? new Map()
  }

  /** Writes that delete what a group committed. */
  deletionOf(groupId: string): OffsetWrite[] {
    const writes: OffsetWrite[] = []
    for (const topic of this.topics(groupId).keys()) writes.push(...this.#topicDeletion(groupId, topic))
    return writes
  }

  /** Writes that delete what any group committed for a topic. */
  deletionOfTopic(topic: string): OffsetWrite[] {
    return [...this.#groups.keys()].flatMap((groupId) => this.#topicDeletion(groupId, topic))
  }

  #topicDeletion(groupId: string, topic: string): OffsetWrite[] {
    const partitions = this.topics(groupId).get(topic)?.keys() ?? []
    return [...partitions].map((partition) => ({ groupId, topic, partition, committed: null }))
  }
}

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

/** What a commit would store, topic by topic in the order of the request. `metadataMax` counts UTF-16 units, as Kafka. */
export function planCommit(
  request: OffsetCommitRequest,
  topics: TopicDirectory,
  options: { byTopicId: boolean; metadataMax: number; now: number }
): PlannedTopic[] {
  const { byTopicId, metadataMax, now } = options
  const expireTimestamp = request.retentionTimeMs === -1 ? -1 : now + request.retentionTimeMs
  const refused = (partitionIndex: number, errorCode: number, settled: boolean): PlannedPartition => ({
    partitionIndex,
    errorCode,
    settled,
    write: undefined
  })
  return request.topics.map(({ name, topicId, partitions }) => {
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
      const write = { groupId: request.groupId, topic, partition: partitionIndex, committed }
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
