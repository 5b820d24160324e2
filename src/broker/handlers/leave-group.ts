/** LeaveGroup v0–5: from v3 on several members at once, static ones by instance id. Classic groups only. */
import type { LeaveGroupRequest, LeaveGroupResponse } from '../../wire/messages/leave-group.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Handler } from '../handler.ts'

export function leaveGroupHandler(coordinator: GroupCoordinator): Handler<LeaveGroupRequest, LeaveGroupResponse> {
  return (request, context) => coordinator.leaveGroup(request, context)
}
