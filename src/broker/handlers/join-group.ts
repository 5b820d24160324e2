/** JoinGroup v0–9: waits until the rebalance it takes part in has all members, or is over. Classic groups only. */
import type { JoinGroupRequest, JoinGroupResponse } from '../../wire/messages/join-group.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Handler } from '../handler.ts'

export function joinGroupHandler(coordinator: GroupCoordinator): Handler<JoinGroupRequest, JoinGroupResponse> {
  return (request, context) => coordinator.joinGroup(request, context)
}
