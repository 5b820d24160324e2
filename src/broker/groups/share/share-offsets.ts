/**
 * DescribeShareGroupOffsets v0–1 (lag: KIP-1226), AlterShareGroupOffsets v0 and DeleteShareGroupOffsets v0 (KIP-932): where
 * a share group stands, and moving it. A group can be moved only while nobody is in it.
 */

import { ZERO_UUID } from '../../../wire/buffers.ts'
import { ErrorCode, errorName } from '../../../wire/error-codes.ts'
import type {
  AlterShareGroupOffsetsRequest,
  AlterShareGroupOffsetsResponse
} from '../../../wire/messages/alter-share-group-offsets.ts'
import type {
  DeleteShareGroupOffsetsRequest,
  DeleteShareGroupOffsetsResponse
} from '../../../wire/messages/delete-share-group-offsets.ts'
import type {
  DescribeShareGroupOffsetsRequest,
  DescribeShareGroupOffsetsResponse
} from '../../../wire/messages/describe-share-group-offsets.ts'
import type { InferInput } from '../../../wire/schema.ts'
import type { PartitionEnds } from '../../partition-ends.ts'
import type { ShareStateKey, ShareStateStore } from '../../shares/share-state.ts'
import type { TopicDirectory } from '../topic-directory.ts'
import type { ShareGroups } from './share-groups.ts'

export interface ShareOffsetsParts {
  readonly groups: ShareGroups
  readonly store: ShareStateStore
  readonly topics: TopicDirectory
  readonly ends: Pick<PartitionEnds, 'find'>
}

type Described = InferInput<typeof DescribeShareGroupOffsetsResponse>
type DescribedGroup = Described['groups'][number]
type DescribedTopic = DescribedGroup['topics'][number]
type DescribedPartition = DescribedTopic['partitions'][number]
type WantedGroup = DescribeShareGroupOffsetsRequest['groups'][number]

export async function describeShareOffsets(
  parts: ShareOffsetsParts,
  request: DescribeShareGroupOffsetsRequest
): Promise<Described> {
  const groups = await Promise.all(request.groups.map((group) => describeGroup(parts, group)))
  return { throttleTimeMs: 0, groups }
}

async function describeGroup(parts: ShareOffsetsParts, { groupId, topics }: WantedGroup): Promise<DescribedGroup> {
  const answer = { groupId, topics: [], errorCode: ErrorCode.NONE as number, errorMessage: null }
  const wanted = topics ?? (await everything(parts, groupId))
  if ('error' in wanted) return { ...answer, errorCode: ErrorCode[wanted.error], errorMessage: wanted.message }
  return { ...answer, topics: await Promise.all(wanted.map((topic) => describeTopic(parts, groupId, topic))) }
}

/** The partitions that have a share state. A group that is not there has none. */
async function everything({ groups, topics }: ShareOffsetsParts, groupId: string) {
  const found = await groups.find(groupId)
  if (found.error === 'GROUP_ID_NOT_FOUND') return []
  if (found.error !== 'NONE') return found
  return found.answer.stateTopics.initializedTopics.flatMap(({ topicId, partitions }) => {
    const topicName = topics.topicName(topicId)
    return topicName === undefined ? [] : [{ topicName, partitions }]
  })
}

async function describeTopic(
  parts: ShareOffsetsParts,
  groupId: string,
  { topicName, partitions }: { topicName: string; partitions: readonly number[] }
): Promise<DescribedTopic> {
  const topicId = parts.topics.topicId(topicName)
  if (topicId === undefined) {
    return { topicName, topicId: ZERO_UUID, partitions: partitions.map((index) => blank(index)) }
  }
  const described = partitions.map((partition) => describePartition(parts, { groupId, topicId, partition }, topicName))
  return { topicName, topicId, partitions: await Promise.all(described) }
}

async function describePartition(
  { store, ends }: ShareOffsetsParts,
  key: ShareStateKey,
  topicName: string
): Promise<DescribedPartition> {
  const summary = await store.readSummary(key)
  // What cannot be read counts as not there, as with committed offsets.
  if (summary.errorCode !== ErrorCode.NONE) return blank(key.partition)
  const { startOffset, leaderEpoch, deliveryCompleteCount } = summary
  const described = { ...blank(key.partition), startOffset, leaderEpoch }
  if (startOffset < 0 || deliveryCompleteCount < 0) return described
  const { errorCode, offset } = await ends.find(topicName, key.partition)
  if (errorCode !== ErrorCode.NONE) {
    const errorMessage = `The end of the partition is not known: ${errorName(errorCode)}.`
    return { ...blank(key.partition), startOffset: 0, errorCode, errorMessage }
  }
  return { ...described, lag: offset - startOffset - deliveryCompleteCount }
}

function blank(partitionIndex: number): DescribedPartition {
  return { partitionIndex, startOffset: -1, leaderEpoch: 0, lag: -1, errorCode: ErrorCode.NONE, errorMessage: null }
}

type Altered = InferInput<typeof AlterShareGroupOffsetsResponse>

export async function alterShareOffsets(
  { groups, topics }: ShareOffsetsParts,
  { groupId, topics: wanted }: AlterShareGroupOffsetsRequest
): Promise<Altered> {
  const answer = { throttleTimeMs: 0, errorCode: ErrorCode.NONE as number, errorMessage: null, responses: [] }
  if (groupId === '') return { ...answer, errorCode: ErrorCode.INVALID_GROUP_ID }
  const offsets = new Map<string, ReadonlyMap<number, number>>()
  for (const { topicName, partitions } of wanted) {
    const topicId = topics.topicId(topicName)
    const known = partitions.filter(({ partitionIndex }) => topics.topicExists(topicName, partitionIndex))
    if (topicId === undefined || known.length === 0) continue
    offsets.set(topicId, new Map(known.map(({ partitionIndex, startOffset }) => [partitionIndex, startOffset])))
  }
  const altered = await groups.alterOffsets(groupId, offsets)
  if (altered.error !== 'NONE') {
    return { ...answer, errorCode: ErrorCode[altered.error], errorMessage: altered.message }
  }
  const responses = wanted.map(({ topicName, partitions }) => {
    const topicId = topics.topicId(topicName) ?? ZERO_UUID
    return {
      topicName,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => {
        const outcome = altered.answer.find((one) => one.topicId === topicId && one.partition === partitionIndex)
        const errorCode = outcome?.errorCode ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return { partitionIndex, errorCode, errorMessage: outcome?.errorMessage ?? null }
      })
    }
  })
  return { ...answer, responses }
}

type Deleted = InferInput<typeof DeleteShareGroupOffsetsResponse>

export async function deleteShareOffsets(
  { groups, topics }: ShareOffsetsParts,
  { groupId, topics: wanted }: DeleteShareGroupOffsetsRequest
): Promise<Deleted> {
  const answer = { throttleTimeMs: 0, errorCode: ErrorCode.NONE as number, errorMessage: null, responses: [] }
  if (groupId === '') return { ...answer, errorCode: ErrorCode.INVALID_GROUP_ID }
  if (wanted.length === 0) return answer
  const topicIds = wanted.flatMap(({ topicName }) => topics.topicId(topicName) ?? [])
  const deleted = await groups.deleteOffsets(groupId, topicIds)
  if (deleted.error !== 'NONE') {
    return { ...answer, errorCode: ErrorCode[deleted.error], errorMessage: deleted.message }
  }
  const responses = wanted.map(({ topicName }) => {
    const topicId = topics.topicId(topicName)
    const outcome = topicId === undefined ? undefined : deleted.answer.get(topicId)
    if (topicId !== undefined && outcome !== undefined) return { topicName, topicId, ...outcome }
    return { topicName, topicId: ZERO_UUID, ...nothingToDelete(topicId !== undefined) }
  })
  return { ...answer, responses }
}

function nothingToDelete(topicExists: boolean) {
  const errorMessage = topicExists ? 'There is no offset information to delete.' : null
  return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage }
}
