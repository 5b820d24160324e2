/**
 * ShareGroupHeartbeat v1 and ShareGroupDescribe v1 (KIP-932): how members join a share group and hear what to read, and how
 * admin tools see it. Everybody may do everything: authorization is not here.
 */
import { ErrorCode } from '../../../wire/error-codes.ts'
import type {
  ShareGroupDescribeRequest,
  ShareGroupDescribeResponse
} from '../../../wire/messages/share-group-describe.ts'
import type {
  ShareGroupHeartbeatRequest,
  ShareGroupHeartbeatResponse
} from '../../../wire/messages/share-group-heartbeat.ts'
import type { InferInput } from '../../../wire/schema.ts'
import type { Handler } from '../../handler.ts'
import { authorizedOperations } from '../group-administration.ts'
import type { ShareGroups } from './share-groups.ts'

export function shareGroupHeartbeatHandler(
  groups: ShareGroups
): Handler<ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse> {
  return (request, { clientId, clientHost }) => groups.heartbeat(request, { clientId: clientId ?? '', clientHost })
}

export function shareGroupDescribeHandler(
  groups: ShareGroups
): Handler<ShareGroupDescribeRequest, InferInput<typeof ShareGroupDescribeResponse>> {
  return async ({ groupIds, includeAuthorizedOperations }) => {
    const described = await groups.describe(groupIds)
    if (!includeAuthorizedOperations) return { throttleTimeMs: 0, groups: described }
    const shown = described.map((group) =>
      group.errorCode === ErrorCode.NONE ? { ...group, authorizedOperations: authorizedOperations(true) } : group
    )
    return { throttleTimeMs: 0, groups: shown }
  }
}
