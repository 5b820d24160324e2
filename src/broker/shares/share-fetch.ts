/**
 * ShareFetch v1–2 (KIP-932, KIP-1206, KIP-1222): gives records to a member of a share group, waiting for some if there are
 * none, and takes its acknowledgements along.
 *
 * Records come in whole batches; which of them the member holds, and how often they were delivered, the acquired ranges
 * say. An acknowledgement is answered when it is stored. A request that renews locks fetches nothing.
 * A connection that closes while it waits takes nothing. Whoever asks the wrong broker is told of the right one.
 * Not here: preferred read replicas.
 */

import { sleep } from '../../runtime/clock.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { ShareFetchRequest, ShareFetchResponse } from '../../wire/messages/share-fetch.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { GroupSettingsOf } from '../group-settings.ts'
import type { Handler, RequestContext } from '../handler.ts'
import { type Acknowledged, acknowledgeAll, RENEW_VERSION } from './share-acknowledgements.ts'
import { type ShareAnswer, ShareFetchPass } from './share-fetch-pass.ts'
import { ShareLeaders } from './share-leaders.ts'
import { FINAL_EPOCH, type ShareSession, type ShareTarget, targetKey } from './share-sessions.ts'
import { ShareWatch } from './share-watch.ts'
import type { Shares } from './shares.ts'

type Response = InferInput<typeof ShareFetchResponse>
type PartitionAnswer = Response['responses'][number]['partitions'][number]

const MEMBER_ID_LENGTH_MAX = 36
const BATCH_OPTIMIZED = 0
const RECORD_LIMIT = 1
/** Kafka's default of `fetch.max.bytes`: no response is larger, whatever the client asks for, but for one batch. */
const RESPONSE_BYTES_MAX = 55 * 1024 * 1024
/** How long a fetch waits for state to be read although it wants to wait for less: it spares the first one a round. */
const LOAD_GRACE_MS = 200

export interface ShareFetchParts extends Pick<BrokerParts, 'clock' | 'cluster' | 'topics' | 'unsent'> {
  readonly shares: Shares
  readonly groupSettings: GroupSettingsOf
}

export function shareFetchHandler(parts: ShareFetchParts): Handler<ShareFetchRequest, Response> {
  const { shares, cluster, topics, clock, groupSettings } = parts
  return async (request, context) => {
    const { groupId, memberId } = request
    if (groupId === null) return failed(ErrorCode.INVALID_REQUEST, 'the group id is missing')
    if (!isMemberId(memberId)) return failed(ErrorCode.INVALID_REQUEST, MEMBER_ID_ADVICE)
    if (!isAcquireMode(request.shareAcquireMode)) {
      return failed(ErrorCode.INVALID_REQUEST, `there is no share acquire mode ${request.shareAcquireMode}`)
    }
    const renews = context.apiVersion >= RENEW_VERSION && request.isRenewAck
    if (
      renews &&
      (request.maxBytes !== 0 || request.minBytes !== 0 || request.maxRecords !== 0 || request.maxWaitMs !== 0)
    ) {
      return failed(ErrorCode.INVALID_REQUEST, 'a renewal fetches nothing: set its sizes, records and wait to 0')
    }
    const found = shares.sessions.forFetch(sessionRequest(request, groupId, memberId, context))
    if (found.errorCode !== ErrorCode.NONE) {
      if (found.errorCode === ErrorCode.SHARE_SESSION_LIMIT_REACHED)
        await sleep(clock, request.maxWaitMs, context.closed)
      return failed(found.errorCode, null)
    }
    const { session } = found
    shares.endWithConnection(context.connectionId, context.closed)
    const final = request.shareSessionEpoch === FINAL_EPOCH
    const { apiVersion } = context
    const acknowledging = acknowledgeAll(shares.partitions, topics, {
      groupId,
      memberId,
      apiVersion,
      renews,
      topics: acknowledgingTopics(request)
    })
    const fetching = final || renews ? [] : fetch(parts, session, request, context.closed)
    const [acknowledged, answers] = await Promise.all([acknowledging, fetching])
    if (final) await shares.endSession(groupId, memberId)
    const acquisitionLockTimeoutMs = groupSettings(groupId).shareRecordLockDurationMs
    const leaders = new ShareLeaders(cluster, topics)
    return {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      acquisitionLockTimeoutMs,
      responses: combine(answers, acknowledged, leaders),
      nodeEndpoints: leaders.endpoints()
    }
  }
}

export const MEMBER_ID_ADVICE = `a member id has 1 to ${MEMBER_ID_LENGTH_MAX} characters`

export function isMemberId(memberId: string | null): memberId is string {
  return memberId !== null && memberId.length > 0 && memberId.length <= MEMBER_ID_LENGTH_MAX
}

function isAcquireMode(mode: number): boolean {
  return mode === BATCH_OPTIMIZED || mode === RECORD_LIMIT
}

function sessionRequest(
  request: ShareFetchRequest,
  groupId: string,
  memberId: string,
  { connectionId }: RequestContext
) {
  const added = request.topics.flatMap(({ topicId, partitions }) =>
    partitions.map(({ partitionIndex: index }) => ({ topicId, index }))
  )
  const forgotten = request.forgottenTopicsData.flatMap(({ topicId, partitions }) =>
    partitions.map((index) => ({ topicId, index }))
  )
  const acknowledges = request.topics.some(({ partitions }) =>
    partitions.some((p) => p.acknowledgementBatches.length > 0)
  )
  return { groupId, memberId, epoch: request.shareSessionEpoch, connectionId, added, forgotten, acknowledges }
}

/** Only what is acknowledged: partitions that are named to be read are not answered for it. */
function acknowledgingTopics({ topics }: ShareFetchRequest): ShareFetchRequest['topics'] {
  return topics.map(({ topicId, partitions }) => ({
    topicId,
    partitions: partitions.filter(({ acknowledgementBatches }) => acknowledgementBatches.length > 0)
  }))
}

async function fetch(
  parts: ShareFetchParts,
  session: ShareSession,
  request: ShareFetchRequest,
  closed: AbortSignal
): Promise<readonly ShareAnswer[]> {
  const targets = [...session.targets.values()]
  if (targets.length === 0 || request.maxRecords <= 0 || request.maxBytes <= 0) return []
  const { shares, topics, unsent, groupSettings } = parts
  const { groupId, memberId } = session
  // A member that comes because another broker sent it here may be ahead of what this one has heard.
  await Promise.all(targets.map(({ topicId, index }) => topics.settling(topics.byId(topicId), index)))
  const pass = new ShareFetchPass({
    shares: shares.partitions,
    topics,
    unsent,
    groupId,
    memberId,
    targets,
    mode: request.shareAcquireMode === RECORD_LIMIT ? 'record-limit' : 'batch-optimized',
    recordsMax: request.maxRecords,
    batchSize: request.batchSize,
    bytesMax: Math.min(request.maxBytes, RESPONSE_BYTES_MAX),
    readCommitted: () => groupSettings(groupId).shareIsolationLevel === 'read_committed'
  })
  try {
    await takeWhenEnough(parts, pass, request, closed)
    for (const { target, acquired } of pass.answers) if (acquired.length > 0) shares.sessions.served(session, target)
    return [...pass.answers, ...news(session, pass.answers)]
  } finally {
    pass.close()
  }
}

/** Looks until there is enough, or the time is over, and takes what is there then; nothing when the client has left. */
async function takeWhenEnough(
  { clock }: ShareFetchParts,
  pass: ShareFetchPass,
  request: ShareFetchRequest,
  closed: AbortSignal
): Promise<void> {
  const begun = clock.monotonic()
  const patience = () => (pass.loads ? Math.max(request.maxWaitMs, LOAD_GRACE_MS) : request.maxWaitMs)
  const enough = Math.max(1, Math.min(request.minBytes, request.maxBytes))
  const watch = new ShareWatch(clock, pass.shares)
  try {
    for (;;) {
      watch.clear()
      await pass.read(watch.note)
      if (closed.aborted) return
      const left = begun + patience() - clock.monotonic()
      const due = left <= 0 || pass.bytes >= enough
      const more = due && pass.take()
      if (!due) pass.leave()
      if (left <= 0 || pass.over) return
      if (more) continue
      await watch.next(left, closed)
    }
  } finally {
    watch.close()
  }
}

/** Partitions that came into the session since the last answer are named even when there is nothing to say of them. */
function news(session: ShareSession, answers: readonly ShareAnswer[]): ShareAnswer[] {
  for (const { target } of answers) session.news.delete(targetKey(target))
  const targets = [...session.news].flatMap((key) => session.targets.get(key) ?? [])
  session.news.clear()
  return targets.map((target) => ({ target, errorCode: ErrorCode.NONE, errorMessage: null, records: [], acquired: [] }))
}

function combine(
  answers: readonly ShareAnswer[],
  acknowledged: readonly Acknowledged[],
  leaders: ShareLeaders
): Response['responses'] {
  const topics = new Map<string, Map<number, PartitionAnswer>>()
  const of = ({ topicId, index }: ShareTarget) => {
    const topic = topics.get(topicId) ?? new Map<number, PartitionAnswer>()
    topics.set(topicId, topic)
    return { topic, answer: topic.get(index) ?? { ...BLANK, partitionIndex: index } }
  }
  for (const { target, errorCode, errorMessage, records, acquired } of answers) {
    const { topic, answer } = of(target)
    const acquiredRecords = acquired.map(({ first, last, deliveries }) => ({
      firstOffset: first,
      lastOffset: last,
      deliveryCount: deliveries
    }))
    const currentLeader = leaders.current(target, errorCode)
    topic.set(target.index, {
      ...answer,
      errorCode,
      errorMessage,
      currentLeader,
      records: [...records],
      acquiredRecords
    })
  }
  for (const { outcome, ...target } of acknowledged) {
    const { topic, answer } = of(target)
    const { errorCode: acknowledgeErrorCode, errorMessage: acknowledgeErrorMessage } = outcome
    const currentLeader = leaders.current(target, acknowledgeErrorCode || answer.errorCode)
    topic.set(target.index, { ...answer, acknowledgeErrorCode, acknowledgeErrorMessage, currentLeader })
  }
  return [...topics].map(([topicId, partitions]) => ({ topicId, partitions: [...partitions.values()] }))
}

const BLANK = {
  errorCode: ErrorCode.NONE as number,
  acknowledgeErrorCode: ErrorCode.NONE as number,
  currentLeader: { leaderId: 0, leaderEpoch: 0 },
  records: [] as Buffer[],
  acquiredRecords: []
}

function failed(errorCode: number, errorMessage: string | null): Response {
  return { throttleTimeMs: 0, errorCode, errorMessage, acquisitionLockTimeoutMs: 0, responses: [], nodeEndpoints: [] }
}
