/** DescribeGroups v0–6: state and members. Authorized operations are all there are, as no ACLs are checked yet. */
import type { DescribeGroupsRequest, DescribeGroupsResponse } from '../../wire/messages/describe-groups.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Handler } from '../handler.ts'

export function describeGroupsHandler(
  coordinator: GroupCoordinator
): Handler<DescribeGroupsRequest, DescribeGroupsResponse> {
  return (request, context) => coordinator.describeGroups(request, context)
}
