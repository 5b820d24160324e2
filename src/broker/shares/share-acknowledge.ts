/**
 * ShareAcknowledge v1–2 (KIP-932, KIP-1222): a member of a share group says what became of records that it holds. Answered
 * when that is stored. Whoever asks the wrong broker is told of the right one.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { ShareAcknowledgeRequest, ShareAcknowledgeResponse } from '../../wire/messages/share-acknowledge.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { Handler } from '../handler.ts'
import { acknowledgeAll } from './share-acknowledgements.ts'
import { isMemberId, MEMBER_ID_ADVICE, type ShareFetchParts } from './share-fetch.ts'
import { ShareLeaders } from './share-leaders.ts'
import { FINAL_EPOCH } from './share-sessions.ts'

type Response = InferInput<typeof ShareAcknowledgeResponse>
type ShareAcknowledgeParts = Pick<ShareFetchParts, 'shares' | 'cluster' | 'topics' | 'groupSettings'>

export function shareAcknowledgeHandler(parts: ShareAcknowledgeParts): Handler<ShareAcknowledgeRequest, Response> {
  const { shares, cluster, topics, groupSettings } = parts
  return async (request, { apiVersion }) => {
    const { groupId, memberId, shareSessionEpoch: epoch, isRenewAck: renews } = request
    if (groupId === null) return failed(ErrorCode.INVALID_REQUEST, 'the group id is missing')
    if (!isMemberId(memberId)) return failed(ErrorCode.INVALID_REQUEST, MEMBER_ID_ADVICE)
    const found = shares.sessions.forAcknowledge({ groupId, memberId, epoch })
    if (found.errorCode !== ErrorCode.NONE) return failed(found.errorCode, null)
    const wanted = { groupId, memberId, apiVersion, renews, topics: request.topics }
    const acknowledged = await acknowledgeAll(shares.partitions, topics, wanted)
    if (epoch === FINAL_EPOCH) await shares.endSession(groupId, memberId)
    const leaders = new ShareLeaders(cluster, topics)
    const responses = request.topics.map(({ topicId }) => ({
      topicId,
      partitions: acknowledged
        .filter((answer) => answer.topicId === topicId)
        .map(({ index, outcome }) => ({
          partitionIndex: index,
          ...outcome,
          currentLeader: leaders.current({ topicId, index }, outcome.errorCode)
        }))
    }))
    const acquisitionLockTimeoutMs = groupSettings(groupId).shareRecordLockDurationMs
    const nodeEndpoints = leaders.endpoints()
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, acquisitionLockTimeoutMs, responses, nodeEndpoints }
  }
}

function failed(errorCode: number, errorMessage: string | null): Response {
  return { throttleTimeMs: 0, errorCode, errorMessage, acquisitionLockTimeoutMs: 0, responses: [], nodeEndpoints: [] }
}
