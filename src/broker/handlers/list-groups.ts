/** ListGroups v0–5: the groups that this broker coordinates, of all types, filtered by state (v4) and type (v5). */
import type { ListGroupsRequest, ListGroupsResponse } from '../../wire/messages/list-groups.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Handler } from '../handler.ts'

export function listGroupsHandler(coordinator: GroupCoordinator): Handler<ListGroupsRequest, ListGroupsResponse> {
  return (request) => coordinator.listGroups(request)
}
