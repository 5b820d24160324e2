/** OffsetCommit, OffsetFetch and OffsetDelete: what they answer, given the shard that holds the group or why none does. */
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { OffsetCommitRequest, OffsetCommitResponse } from '../../wire/messages/offset-commit.ts'
import type { OffsetDeleteRequest, OffsetDeleteResponse } from '../../wire/messages/offset-delete.ts'
import type { OffsetFetchRequest, OffsetFetchResponse } from '../../wire/messages/offset-fetch.ts'
import { GroupShard, type Route } from './group-shard.ts'
import { type ClassicGroup, commitError, isSubscribed } from './group-state.ts'
import { isStale, type OffsetWrite, planCommit, type TopicDirectory } from './offsets.ts'

/** From this version on topics are named by id (KIP-848); the same for commit and fetch. */
const topicIdVersion = 10

/** @param options.now wall time of the commit, milliseconds. */
export async function commitOffsets(
  request: OffsetCommitRequest,
  route: Route,
  topics: TopicDirectory,
  options: { apiVersion: number; metadataMax: number; now: number }
): Promise<OffsetCommitResponse> {
  const byTopicId = options.apiVersion >= topicIdVersion
  const plan = planCommit(request, topics, { ...options, byTopicId })
  const partitions = plan.flatMap((topic) => topic.partitions)
  // Whether the group accepts and what it then writes is one step: nothing may happen to the group in between.
  let refusal: number = ErrorCode.NONE
  if (partitions.some((partition) => !partition.settled)) {
    refusal = acceptCommit(request, route, options.apiVersion)
    if (refusal === ErrorCode.NONE && route instanceof GroupShard) {
      refusal = ErrorCode[await route.write(partitions.flatMap(({ write }) => write ?? []))]
    }
  }
  return {
    throttleTimeMs: 0,
    topics: plan.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitions: topic.partitions.map(({ partitionIndex, errorCode, settled }) => ({
        partitionIndex,
        errorCode: settled || refusal === ErrorCode.NONE ? errorCode : refusal
      }))
    }))
  }
}

function acceptCommit(request: OffsetCommitRequest, route: Route, apiVersion: number): number {
  if (!(route instanceof GroupShard)) return ErrorCode[route]
  const { groupId, memberId, groupInstanceId, generationIdOrMemberEpoch: generation } = request
  const group = route.group(groupId)
  if (group === undefined) {
    // Without a generation it is a simple consumer, whose group begins with its first commit.
    if (generation < 0) return ErrorCode.NONE
    return apiVersion >= 9 ? ErrorCode.GROUP_ID_NOT_FOUND : ErrorCode.ILLEGAL_GENERATION
  }
  const error = commitError(group, { memberId, instanceId: groupInstanceId, generation })
  if (error === 'NONE') route.keepAlive(groupId, memberId)
  return ErrorCode[error]
}

type FetchedGroup = OffsetFetchResponse['groups'][number]
type FetchedTopic = FetchedGroup['topics'][number]
type WantedGroup = Pick<OffsetFetchRequest['groups'][number], 'groupId' | 'topics'>

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
  const { errorCode, topics: fetched } = await fetch({ groupId: request.groupId, topics: named })
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
  const fetched =
    wanted.topics?.map(({ name, topicId, partitionIndexes }) => {
      const topic = options.byTopicId ? topics.topicName(topicId) : name
      if (topic === undefined) return absent({ name, topicId }, partitionIndexes, ErrorCode.UNKNOWN_TOPIC_ID)
      return {
        name: topic,
        topicId,
        partitions: partitionIndexes.map((index) => offsetOf(shard, groupId, topic, index, topics))
      }
    }) ?? everyTopic(shard, groupId, topics, options.byTopicId)
  return { groupId, topics: fetched, errorCode: ErrorCode.NONE }
}

function everyTopic(shard: GroupShard, groupId: string, topics: TopicDirectory, byTopicId: boolean): FetchedTopic[] {
  const all: FetchedTopic[] = []
  for (const [topic, partitions] of shard.offsets.topics(groupId)) {
    const topicId = topics.topicId(topic)
    // Cannot be named in the answer.
    if (byTopicId && topicId === undefined) continue
    const current = [...partitions].filter(([, committed]) => !isStale(topics, topic, committed))
    if (current.length === 0) continue
    const offsets = current.map(([index]) => offsetOf(shard, groupId, topic, index, topics))
    all.push({ name: topic, topicId: topicId ?? ZERO_UUID, partitions: offsets })
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
  const group = shard.group(groupId)
  if (group === undefined || group.state === 'Dead') return refused(ErrorCode.GROUP_ID_NOT_FOUND)
  if (group.state !== 'Empty' && group.protocolType !== 'consumer') return refused(ErrorCode.NON_EMPTY_GROUP)
  const writes: OffsetWrite[] = []
  const answered = request.topics.map(({ name: topic, partitions }) => ({
    name: topic,
    partitions: partitions.map(({ partitionIndex: partition }) => {
      const errorCode = deletionError(group, topics, topic, partition)
      const exists = shard.offsets.get(groupId, topic, partition) !== undefined
      if (errorCode === ErrorCode.NONE && exists) writes.push({ groupId, topic, partition, committed: null })
      return { partitionIndex: partition, errorCode }
    })
  }))
  const stored = await shard.write(writes)
  if (stored !== 'NONE') return refused(ErrorCode[stored])
  return { errorCode: ErrorCode.NONE, throttleTimeMs: 0, topics: answered }
}

function deletionError(group: ClassicGroup, topics: TopicDirectory, topic: string, partition: number): number {
  if (!topics.topicExists(topic, partition)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  return isSubscribed(group, topic) ? ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC : ErrorCode.NONE
}
