/** DeleteGroups v0–2: deletes groups without members, and their offsets. */
import type { DeleteGroupsRequest, DeleteGroupsResponse } from '../../wire/messages/delete-groups.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Handler } from '../handler.ts'

export function deleteGroupsHandler(coordinator: GroupCoordinator): Handler<DeleteGroupsRequest, DeleteGroupsResponse> {
  return (request) => coordinator.deleteGroups(request)
}
