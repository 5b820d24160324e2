/** OffsetFetch and OffsetDelete: what they answer, given the shard that holds the group or why none does. */
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { OffsetDeleteRequest, OffsetDeleteResponse } from '../../wire/messages/offset-delete.ts'
import type { OffsetFetchRequest, OffsetFetchResponse } from '../../wire/messages/offset-fetch.ts'
import { GroupShard, type Route } from './group-shard.ts'
import type { GroupError } from './group-state.ts'
import type { OffsetWrite } from './offset-table.ts'
import { isStale, topicIdVersion } from './offsets.ts'
import { isSubscribed, type ShardGroup } from './shard-entry.ts'
import type { TopicDirectory } from './topic-directory.ts'

type FetchedGroup = OffsetFetchResponse['groups'][number]
type FetchedTopic = FetchedGroup['topics'][number]
type WantedGroup = OffsetFetchRequest['groups'][number]

export async function fetchOffsets(
  request: OffsetFetchRequest,
  route: (groupId: string) => Promise<Route>,
  topics: TopicDirectory,
  apiVersion: number
): Promise<OffsetFetchResponse> {
  const byTopicId = apiVersion >= topicIdVersion
  const fetch = async (wanted: WantedGroup) =>
    fetchGroup(wanted, await route(wanted.groupId), topics, {
      byTopicId,
      requireStable: request.requireStable
    })
  if (apiVersion >= 8) {
    const groups = await Promise.all(request.groups.map(fetch))
    return { throttleTimeMs: 0, topics: [], errorCode: ErrorCode.NONE, groups }
  }
  // Before v8 one group stands at the top, and before v2 its error stands at every partition.
  const named = request.topics?.map((topic) => ({ ...topic, topicId: ZERO_UUID })) ?? null
  const { errorCode, topics: fetched } = await fetch({
    groupId: request.groupId,
    memberId: null,
    memberEpoch: -1,
    topics: named
  })
  const failed = errorCode !== ErrorCode.NONE && apiVersion < 2
  const answered = failed ? (named ?? []).map((topic) => absent(topic, topic.partitionIndexes, errorCode)) : fetched
  return { throttleTimeMs: 0, topics: answered, errorCode: failed ? ErrorCode.NONE : errorCode, groups: [] }
}

async function fetchGroup(
  wanted: WantedGroup,
  shard: Route,
  topics: TopicDirectory,
  options: { byTopicId: boolean; requireStable: boolean }
): Promise<FetchedGroup> {
  const { groupId } = wanted
  if (!(shard instanceof GroupShard)) return { groupId, topics: [], errorCode: ErrorCode[shard] }
  if (options.requireStable) {
    // The reader wants no offset that a commit under way is about to replace.
    const failure = await shard.settled()
    if (failure !== 'NONE') return { groupId, topics: [], errorCode: ErrorCode[failure] }
  }
  const error = fetchError(shard, wanted)
  if (error !== 'NONE') return { groupId, topics: [], errorCode: ErrorCode[error] }
  const offset: OffsetReader = (topic, index) => {
    const isUndecided = options.requireStable && shard.offsets.isPending(groupId, topic, index)
    if (isUndecided) return noOffset(index, ErrorCode.UNSTABLE_OFFSET_COMMIT)
    return offsetOf(shard, groupId, topic, index, topics)
  }
  const fetched =
    wanted.topics?.map(({ name, topicId, partitionIndexes }) => {
      const topic = options.byTopicId ? topics.topicName(topicId) : name
      if (topic === undefined) return absent({ name, topicId }, partitionIndexes, ErrorCode.UNKNOWN_TOPIC_ID)
      return {
        name: topic,
        topicId,
        partitions: partitionIndexes.map((index) => offset(topic, index))
      }
    }) ?? everyTopic(shard, groupId, topics, options.byTopicId, offset)
  return { groupId, topics: fetched, errorCode: ErrorCode.NONE }
}

type OffsetReader = (topic: string, partition: number) => FetchedTopic['partitions'][number]

/** A group that is not there, or never commits, has no offsets: that is no error. */
function fetchError(shard: GroupShard, { groupId, memberId, memberEpoch }: WantedGroup): GroupError {
  const group = shard.find(groupId)
  if (group?.type !== 'hosted') return 'NONE'
  const error = group.rules.fetchError(group.state, memberId, memberEpoch)
  return error === 'GROUP_ID_NOT_FOUND' ? 'NONE' : error
}

function everyTopic(
  shard: GroupShard,
  groupId: string,
  topics: TopicDirectory,
  byTopicId: boolean,
  offset: OffsetReader
): FetchedTopic[] {
  const all: FetchedTopic[] = []
  for (const [topic, offsets] of shard.offsets.topics(groupId)) {
    const topicId = topics.topicId(topic)
    // Cannot be named in the answer.
    if (byTopicId && topicId === undefined) continue
    const current = offsets.filter(({ committed }) => !isStale(topics, topic, committed))
    if (current.length === 0) continue
    const partitions = current.map(({ partition }) => offset(topic, partition))
    all.push({ name: topic, topicId: topicId ?? ZERO_UUID, partitions })
  }
  return all
}

function offsetOf(
  shard: GroupShard,
  groupId: string,
  topic: string,
  partitionIndex: number,
  topics: TopicDirectory
): FetchedTopic['partitions'][number] {
  const committed = shard.offsets.get(groupId, topic, partitionIndex)
  if (committed === undefined || isStale(topics, topic, committed)) return noOffset(partitionIndex, ErrorCode.NONE)
  const { offset, leaderEpoch, metadata } = committed
  return { partitionIndex, committedOffset: offset, committedLeaderEpoch: leaderEpoch, metadata, errorCode: 0 }
}

function noOffset(partitionIndex: number, errorCode: number): FetchedTopic['partitions'][number] {
  return { partitionIndex, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode }
}

function absent(
  { name, topicId }: { name: string; topicId: string },
  indexes: readonly number[],
  errorCode: number
): FetchedTopic {
  return { name, topicId, partitions: indexes.map((index) => noOffset(index, errorCode)) }
}

export async function deleteOffsets(
  request: OffsetDeleteRequest,
  shard: Route,
  topics: TopicDirectory
): Promise<OffsetDeleteResponse> {
  const refused = (errorCode: number) => ({ errorCode, throttleTimeMs: 0, topics: [] })
  if (!(shard instanceof GroupShard)) return refused(ErrorCode[shard])
  // A commit under way must not come back after the deletion.
  const failure = await shard.settled()
  if (failure !== 'NONE') return refused(ErrorCode[failure])
  const { groupId } = request
  const group = shard.find(groupId)
  const refusal = deletionRefusal(group)
  if (group === undefined || refusal !== 'NONE') return refused(ErrorCode[refusal])
  const writes: OffsetWrite[] = []
  const answered = request.topics.map(({ name: topic, partitions }) => ({
    name: topic,
    partitions: partitions.map(({ partitionIndex: partition }) => {
      const errorCode = deletionError(group, topics, topic, partition)
      const { offsets } = shard
      const exists =
        offsets.get(groupId, topic, partition) !== undefined || offsets.isPending(groupId, topic, partition)
      if (errorCode === ErrorCode.NONE && exists) writes.push({ groupId, topic, partition, committed: null })
      return { partitionIndex: partition, errorCode }
    })
  }))
  const stored = await shard.write(writes)
  if (stored !== 'NONE') return refused(ErrorCode[stored])
  return { errorCode: ErrorCode.NONE, throttleTimeMs: 0, topics: answered }
}

function deletionRefusal(group: ShardGroup | undefined): 'NONE' | 'GROUP_ID_NOT_FOUND' | 'NON_EMPTY_GROUP' {
  if (group === undefined) return 'GROUP_ID_NOT_FOUND'
  if (group.type === 'hosted') return group.rules.keepsOffsets ? 'NONE' : 'GROUP_ID_NOT_FOUND'
  const { state, protocolType } = group.group
  if (state === 'Dead') return 'GROUP_ID_NOT_FOUND'
  return state === 'Empty' || protocolType === 'consumer' ? 'NONE' : 'NON_EMPTY_GROUP'
}

function deletionError(group: ShardGroup, topics: TopicDirectory, topic: string, partition: number): number {
  if (!topics.topicExists(topic, partition)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  return isSubscribed(group, topic) ? ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC : ErrorCode.NONE
}
