/** SyncGroup v0–5: waits for the leader's assignment, and until that is durable. Classic groups only. */
import type { SyncGroupRequest, SyncGroupResponse } from '../../wire/messages/sync-group.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Handler } from '../handler.ts'

export function syncGroupHandler(coordinator: GroupCoordinator): Handler<SyncGroupRequest, SyncGroupResponse> {
  return (request) => coordinator.syncGroup(request)
}
