/** ListGroups, DescribeGroups and DeleteGroups. What is not yet durable is waited for: an answer never goes back. */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { DeleteGroupsRequest, DeleteGroupsResponse } from '../../wire/messages/delete-groups.ts'
import type { DescribeGroupsRequest, DescribeGroupsResponse } from '../../wire/messages/describe-groups.ts'
import type { ListGroupsRequest, ListGroupsResponse } from '../../wire/messages/list-groups.ts'
import { noAssignment } from './group-draft.ts'
import { GroupShard, type Route } from './group-shard.ts'
import type { ClassicGroup, Member } from './group-state.ts'

type FindRoute = (groupId: string) => Promise<Route>
type DescribedGroup = DescribeGroupsResponse['groups'][number]

/** Read, delete, describe, describe and alter configs: all that can be done to a group, as bits by operation code. */
const allGroupOperations = (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11)
/** Kafka's value for "was not asked for". */
const operationsUnknown = -0x8000_0000

export async function listGroups(request: ListGroupsRequest, routes: readonly Route[]): Promise<ListGroupsResponse> {
  const failed = (errorCode: number): ListGroupsResponse => ({ throttleTimeMs: 0, errorCode, groups: [] })
  const states = new Set(request.statesFilter.map((state) => state.trim().toLowerCase()))
  const types = new Set(request.typesFilter.map((type) => type.trim().toLowerCase()))
  const groups: ListGroupsResponse['groups'] = []
  for (const route of routes) {
    // Another broker's: it lists them itself.
    if (route === 'NOT_COORDINATOR') continue
    if (!(route instanceof GroupShard)) return failed(ErrorCode[route])
    const error = await route.settled()
    if (error !== 'NONE') return failed(ErrorCode[error])
    for (const { groupId, protocolType, state } of route.groups()) {
      if (states.size > 0 && !states.has(state.toLowerCase())) continue
      if (types.size > 0 && !types.has('classic')) continue
      groups.push({ groupId, protocolType: protocolType ?? '', groupState: state, groupType: 'classic' })
    }
  }
  return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, groups }
}

export async function describeGroups(
  request: DescribeGroupsRequest,
  find: FindRoute,
  apiVersion: number
): Promise<DescribeGroupsResponse> {
  const authorizedOperations = request.includeAuthorizedOperations ? allGroupOperations : operationsUnknown
  const describe = async (groupId: string): Promise<DescribedGroup> => {
    const route = await find(groupId)
    const error = route instanceof GroupShard ? await route.settled() : route
    const blank = { ...nothing, groupId, authorizedOperations }
    if (error !== 'NONE') return { ...blank, errorCode: ErrorCode[error] }
    const group = route instanceof GroupShard ? route.group(groupId) : undefined
    if (group !== undefined) return { ...blank, ...description(group) }
    if (apiVersion < 6) return { ...blank, groupState: 'Dead' }
    const errorMessage = `Group ${groupId} not found.`
    return { ...blank, groupState: 'Dead', errorCode: ErrorCode.GROUP_ID_NOT_FOUND, errorMessage }
  }
  return { throttleTimeMs: 0, groups: await Promise.all(request.groups.map(describe)) }
}

const nothing = {
  errorCode: ErrorCode.NONE as number,
  errorMessage: null,
  groupState: '',
  protocolType: '',
  protocolData: '',
  members: []
}

/** The protocol and the members' metadata mean something while the group is stable, and are left out otherwise. */
function description(
  group: ClassicGroup
): Pick<DescribedGroup, 'groupState' | 'protocolType' | 'protocolData' | 'members'> {
  const stable = group.state === 'Stable'
  const metadata = (member: Member) => member.protocols.find(({ name }) => name === group.protocol)?.metadata
  return {
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: stable ? (group.protocol ?? '') : '',
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: (stable ? metadata(member) : undefined) ?? noAssignment,
      memberAssignment: member.assignment
    }))
  }
}

export async function deleteGroups(request: DeleteGroupsRequest, find: FindRoute): Promise<DeleteGroupsResponse> {
  const groupIds = [...new Set(request.groupsNames)]
  const results = await Promise.all(
    groupIds.map(async (groupId) => ({
      groupId,
      errorCode: ErrorCode[await deleteGroup(groupId, await find(groupId))]
    }))
  )
  return { throttleTimeMs: 0, results }
}

async function deleteGroup(groupId: string, route: Route): Promise<keyof typeof ErrorCode> {
  if (!(route instanceof GroupShard)) return route
  // A commit under way must not bring the group back after its deletion.
  const error = await route.settled()
  if (error !== 'NONE') return error
  const group = route.group(groupId)
  if (group === undefined) return 'GROUP_ID_NOT_FOUND'
  if (group.state !== 'Empty') return 'NON_EMPTY_GROUP'
  return route.deleteGroup(groupId)
}
