/**
 * ShareAcknowledge v1–2 (KIP-932, KIP-1222): a member of a share group says what became of records that it holds. Answered
 * when that is stored. Not here: other brokers' endpoints.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { ShareAcknowledgeRequest, ShareAcknowledgeResponse } from '../../wire/messages/share-acknowledge.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { Handler } from '../handler.ts'
import { acknowledgeAll } from './share-acknowledgements.ts'
import { isMemberId, MEMBER_ID_ADVICE, type ShareFetchParts } from './share-fetch.ts'
import { FINAL_EPOCH } from './share-sessions.ts'

type Response = InferInput<typeof ShareAcknowledgeResponse>
type ShareAcknowledgeParts = Pick<ShareFetchParts, 'shares' | 'topics' | 'groupSettings'>

export function shareAcknowledgeHandler(parts: ShareAcknowledgeParts): Handler<ShareAcknowledgeRequest, Response> {
  const { shares, topics, groupSettings } = parts
  return async (request, { apiVersion }) => {
    const { groupId, memberId, shareSessionEpoch: epoch, isRenewAck: renews } = request
    if (groupId === null) return failed(ErrorCode.INVALID_REQUEST, 'the group id is missing')
    if (!isMemberId(memberId)) return failed(ErrorCode.INVALID_REQUEST, MEMBER_ID_ADVICE)
    const found = shares.sessions.forAcknowledge({ groupId, memberId, epoch })
    if (found.errorCode !== ErrorCode.NONE) return failed(found.errorCode, null)
    const wanted = { groupId, memberId, apiVersion, renews, topics: request.topics }
    const acknowledged = await acknowledgeAll(shares.partitions, topics, wanted)
    if (epoch === FINAL_EPOCH) await shares.endSession(groupId, memberId)
    const responses = request.topics.map(({ topicId }) => ({
      topicId,
      partitions: acknowledged
        .filter((answer) => answer.topicId === topicId)
        .map(({ index, outcome }) => ({ partitionIndex: index, ...outcome, currentLeader: NO_LEADER }))
    }))
    const acquisitionLockTimeoutMs = groupSettings(groupId).shareRecordLockDurationMs
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, acquisitionLockTimeoutMs, responses, nodeEndpoints: [] }
  }
}

const NO_LEADER = { leaderId: 0, leaderEpoch: 0 }

function failed(errorCode: number, errorMessage: string | null): Response {
  return { throttleTimeMs: 0, errorCode, errorMessage, acquisitionLockTimeoutMs: 0, responses: [], nodeEndpoints: [] }
}
