/** SyncGroup v0–5: waits for the leader's assignment, and until that is durable. Classic groups only. */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { SyncGroupRequest, SyncGroupResponse } from '../../wire/messages/sync-group.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Handler } from '../handler.ts'

/** The first version that must say which protocol the member believes was chosen (KIP-559). */
const PROTOCOL_NAMED_VERSION = 5

export function syncGroupHandler(
  coordinator: GroupCoordinator
): Handler<SyncGroupRequest, InferInput<typeof SyncGroupResponse>> {
  return (request, { apiVersion }) => {
    const named = request.protocolType !== null && request.protocolName !== null
    if (apiVersion >= PROTOCOL_NAMED_VERSION && !named) {
      return { errorCode: ErrorCode.INCONSISTENT_GROUP_PROTOCOL, assignment: Buffer.alloc(0) }
    }
    return coordinator.syncGroup(request)
  }
}
