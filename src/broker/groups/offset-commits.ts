/**
 * OffsetCommit and TxnOffsetCommit: what they answer, given the shard that holds the group or why none does. Whether a
 * group accepts and what it then writes is one step: nothing may happen to the group in between.
 */
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { OffsetCommitRequest, OffsetCommitResponse } from '../../wire/messages/offset-commit.ts'
import type { TxnOffsetCommitRequest, TxnOffsetCommitResponse } from '../../wire/messages/txn-offset-commit.ts'
import { BatchRefused, type LogProducer } from '../record-log.ts'
import { OFFSETS_TOPIC } from '../topic-names.ts'
import type { TransactionVerification } from '../transactions/transaction-partitions.ts'
import { commitError } from './classic-commits.ts'
import { GroupShard, type Route } from './group-shard.ts'
import type { CommitClaim, CommitVerdict } from './hosted-group.ts'
import type { OffsetWrite } from './offset-table.ts'
import { type PlannedTopic, planCommit, topicIdVersion } from './offsets.ts'
import type { TopicDirectory } from './topic-directory.ts'

export interface CommitOptions {
  readonly apiVersion: number
  readonly topics: TopicDirectory
  readonly metadataMax: number
  /** Wall time of the commit, milliseconds. */
  readonly now: number
}

type ErrorName = keyof typeof ErrorCode

/** First version of OffsetCommit that knows GROUP_ID_NOT_FOUND. */
const GROUP_ID_NOT_FOUND_VERSION = 9
/** First version of TxnOffsetCommit that adds the partition to the transaction by itself (KIP-890). */
const ADDS_PARTITION_VERSION = 5
/** First version of TxnOffsetCommit whose clients know TRANSACTION_ABORTABLE. */
const ABORTABLE_VERSION = 4
/** Producers that send older ones take COORDINATOR_LOAD_IN_PROGRESS for the end of everything (KAFKA-7296). */
const LOADING_VERSION = 2

export async function commitOffsets(
  request: OffsetCommitRequest,
  route: Route,
  options: CommitOptions
): Promise<OffsetCommitResponse> {
  const { groupId, memberId, groupInstanceId: instanceId, retentionTimeMs } = request
  const { apiVersion } = options
  const plan = planCommit(groupId, request.topics, options.topics, {
    ...options,
    retentionTimeMs,
    byTopicId: apiVersion >= topicIdVersion
  })
  const epoch = request.generationIdOrMemberEpoch
  const claim = { memberId, instanceId, epoch, transactional: false, apiVersion }
  const refusal = await commit(groupId, plan, route, claim, (shard, writes) => {
    shard.keepAlive(groupId, memberId)
    return shard.write(writes)
  })
  return { throttleTimeMs: 0, topics: answered(plan, refusal) }
}

export async function commitOffsetsInTransaction(
  request: TxnOffsetCommitRequest,
  route: Route | 'INVALID_GROUP_ID',
  verification: Pick<TransactionVerification, 'verify'>,
  options: CommitOptions
): Promise<TxnOffsetCommitResponse> {
  const { apiVersion } = options
  const named = request.topics.map((topic) => ({ ...topic, topicId: ZERO_UUID }))
  const planned = { ...options, byTopicId: false, retentionTimeMs: -1 }
  const plan = planCommit(request.groupId, named, options.topics, planned)
  const isSettled = plan.every(({ partitions }) => partitions.every((one) => one.settled))
  const refusal = isSettled ? ErrorCode.NONE : await commitVerified(request, plan, route, verification, apiVersion)
  const isTooNew = refusal === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS && apiVersion < LOADING_VERSION
  return { throttleTimeMs: 0, topics: answered(plan, isTooNew ? ErrorCode.COORDINATOR_NOT_AVAILABLE : refusal) }
}

async function commitVerified(
  request: TxnOffsetCommitRequest,
  plan: readonly PlannedTopic[],
  route: Route | 'INVALID_GROUP_ID',
  verification: Pick<TransactionVerification, 'verify'>,
  apiVersion: number
): Promise<number> {
  if (!(route instanceof GroupShard)) return ErrorCode[route]
  const { groupId, memberId, groupInstanceId: instanceId, generationId: epoch, transactionalId } = request
  const producer = { id: request.producerId, epoch: request.producerEpoch }
  const partitions = [{ topic: OFFSETS_TOPIC, partition: route.partition }]
  const add = apiVersion >= ADDS_PARTITION_VERSION
  const watch = route.watchTransaction(producer, add)
  try {
    const [verified] = await verification.verify({ transactionalId, producer, partitions, add })
    if (verified !== ErrorCode.NONE) return verificationError(verified ?? ErrorCode.UNKNOWN_SERVER_ERROR, apiVersion)
    if (watch.hasEnded) return ErrorCode.INVALID_TXN_STATE
    const claim = { memberId, instanceId, epoch, transactional: true, apiVersion }
    return await commit(groupId, plan, route, claim, (shard, writes) => storePending(shard, writes, producer))
  } finally {
    watch.close()
  }
}

/** What a client of TxnOffsetCommit can do something with. */
function verificationError(errorCode: number, apiVersion: number): number {
  switch (errorCode) {
    case ErrorCode.PRODUCER_FENCED:
      return ErrorCode.INVALID_PRODUCER_EPOCH
    case ErrorCode.TRANSACTION_ABORTABLE:
      return apiVersion < ABORTABLE_VERSION ? ErrorCode.INVALID_TXN_STATE : errorCode
    case ErrorCode.NETWORK_EXCEPTION:
      return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    case ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
    case ErrorCode.NOT_ENOUGH_REPLICAS:
    case ErrorCode.REQUEST_TIMED_OUT:
      return ErrorCode.COORDINATOR_NOT_AVAILABLE
    case ErrorCode.NOT_LEADER_OR_FOLLOWER:
    case ErrorCode.KAFKA_STORAGE_ERROR:
      return ErrorCode.NOT_COORDINATOR
    default:
      return errorCode
  }
}

async function storePending(
  shard: GroupShard,
  writes: readonly OffsetWrite[],
  producer: LogProducer
): Promise<ErrorName | number> {
  try {
    return await shard.writePending(writes, producer)
  } catch (error) {
    if (error instanceof BatchRefused) return error.errorCode
    throw error
  }
}

/** Stores what was planned if the group accepts it; returns what refuses all partitions that are not settled. */
async function commit(
  groupId: string,
  plan: readonly PlannedTopic[],
  route: Route,
  claim: CommitClaim,
  store: (shard: GroupShard, writes: readonly OffsetWrite[]) => Promise<ErrorName | number>
): Promise<number> {
  const partitions = plan.flatMap((topic) => topic.partitions)
  if (partitions.every((partition) => partition.settled)) return ErrorCode.NONE
  if (!(route instanceof GroupShard)) return ErrorCode[route]
  const writes = partitions.flatMap(({ write }) => write ?? [])
  const error = refusalOf(verdictOf(route, groupId, claim), writes)
  if (error !== 'NONE') {
    // Producers know no member epochs.
    return ErrorCode[claim.transactional && error === 'STALE_MEMBER_EPOCH' ? 'ILLEGAL_GENERATION' : error]
  }
  const stored = await store(route, writes)
  return typeof stored === 'number' ? stored : ErrorCode[stored]
}

function refusalOf(verdict: CommitVerdict, writes: readonly OffsetWrite[]): CommitVerdict['error'] {
  if (verdict.error !== 'NONE' || verdict.partition === undefined) return verdict.error
  for (const { partition, committed } of writes) {
    const error = verdict.partition(committed?.topicId ?? ZERO_UUID, partition)
    if (error !== 'NONE') return error
  }
  return 'NONE'
}

function verdictOf(shard: GroupShard, groupId: string, claim: CommitClaim): CommitVerdict {
  const group = shard.find(groupId)
  if (group?.type === 'hosted') return group.rules.commitVerdict(group.state, claim)
  if (group?.type === 'classic') return { error: commitError(group.group, claim) }
  // Without a generation it is a simple consumer, whose group begins with its first commit.
  if (claim.epoch < 0) return { error: 'NONE' }
  const isKnownError = !claim.transactional && claim.apiVersion >= GROUP_ID_NOT_FOUND_VERSION
  return { error: isKnownError ? 'GROUP_ID_NOT_FOUND' : 'ILLEGAL_GENERATION' }
}

function answered(plan: readonly PlannedTopic[], refusal: number) {
  return plan.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    partitions: partitions.map(({ partitionIndex, errorCode, settled }) => ({
      partitionIndex,
      errorCode: settled || refusal === ErrorCode.NONE ? errorCode : refusal
    }))
  }))
}
