/**
 * ListGroups, DescribeGroups and DeleteGroups, over groups of all types; DescribeGroups knows classic ones only. What is
 * not yet durable is waited for: an answer never goes back.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { DeleteGroupsRequest, DeleteGroupsResponse } from '../../wire/messages/delete-groups.ts'
import type { DescribeGroupsRequest, DescribeGroupsResponse } from '../../wire/messages/describe-groups.ts'
import type { ListGroupsRequest, ListGroupsResponse } from '../../wire/messages/list-groups.ts'
import { noAssignment } from './group-draft.ts'
import { GroupShard, type Route } from './group-shard.ts'
import type { ClassicGroup, Member } from './group-state.ts'
import type { AnyRules } from './hosted-group.ts'
import type { ShardGroup } from './shard-entry.ts'

type FindRoute = (groupId: string) => Promise<Route>
type DescribedGroup = DescribeGroupsResponse['groups'][number]

/** Read, delete, describe, describe and alter configs: all that can be done to a group, as bits by operation code. */
const allGroupOperations = (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11)
/** Kafka's value for "was not asked for". */
const operationsUnknown = -0x8000_0000

export function authorizedOperations(wanted: boolean): number {
  return wanted ? allGroupOperations : operationsUnknown
}

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
    for (const group of route.all().map(listed)) {
      if (states.size > 0 && !states.has(group.groupState.toLowerCase())) continue
      if (types.size > 0 && !types.has(group.groupType)) continue
      groups.push(group)
    }
  }
  return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, groups }
}

function listed(content: ShardGroup): ListGroupsResponse['groups'][number] {
  if (content.type === 'classic') {
    const { groupId, protocolType, state } = content.group
    return { groupId, protocolType: protocolType ?? '', groupState: state, groupType: 'classic' }
  }
  const { rules, state } = content
  const groupState = rules.stateName(state)
  return { groupId: state.groupId, protocolType: rules.type, groupState, groupType: rules.type }
}

export async function describeGroups(
  request: DescribeGroupsRequest,
  find: FindRoute,
  apiVersion: number
): Promise<DescribeGroupsResponse> {
  const describe = async (groupId: string): Promise<DescribedGroup> => {
    const route = await find(groupId)
    const error = route instanceof GroupShard ? await route.settled() : route
    const blank = {
      ...nothing,
      groupId,
      authorizedOperations: authorizedOperations(request.includeAuthorizedOperations)
    }
    if (error !== 'NONE') return { ...blank, errorCode: ErrorCode[error] }
    const group = route instanceof GroupShard ? route.group(groupId) : undefined
    if (group !== undefined) return { ...blank, ...description(group) }
    if (apiVersion < 6) return { ...blank, groupState: 'Dead' }
    const known = route instanceof GroupShard && route.find(groupId) !== undefined
    const errorMessage = known ? `Group ${groupId} is not a classic group.` : `Group ${groupId} not found.`
    const refused = { errorCode: ErrorCode.GROUP_ID_NOT_FOUND, errorMessage }
    return { ...blank, ...refused, groupState: 'Dead', authorizedOperations: authorizedOperations(false) }
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

/** What has to go before a group of a type does, outside its shard. NONE: the group may be deleted. */
export type GroupCleanups = Readonly<
  Partial<Record<AnyRules['type'], (groupId: string) => Promise<keyof typeof ErrorCode>>>
>

export async function deleteGroups(
  request: DeleteGroupsRequest,
  find: FindRoute,
  cleanups: GroupCleanups
): Promise<DeleteGroupsResponse> {
  const groupIds = [...new Set(request.groupsNames)]
  const results = await Promise.all(
    groupIds.map(async (groupId) => ({
      groupId,
      errorCode: ErrorCode[await deleteGroup(groupId, await find(groupId), cleanups)]
    }))
  )
  return { throttleTimeMs: 0, results }
}

async function deleteGroup(groupId: string, route: Route, cleanups: GroupCleanups): Promise<keyof typeof ErrorCode> {
  if (!(route instanceof GroupShard)) return route
  // A commit under way must not bring the group back after its deletion.
  const error = await route.settled()
  if (error !== 'NONE') return error
  const refusal = deletionRefusal(route.find(groupId))
  if (refusal !== 'NONE') return refusal
  const group = route.find(groupId)
  const cleanup = group?.type === 'hosted' ? cleanups[group.rules.type] : undefined
  if (cleanup === undefined) return route.deleteGroup(groupId)
  const cleaned = await cleanup(groupId)
  if (cleaned !== 'NONE') return cleaned
  // Somebody may have joined meanwhile.
  const late = deletionRefusal(route.find(groupId))
  return late === 'NONE' ? route.deleteGroup(groupId) : late
}

function deletionRefusal(group: ShardGroup | undefined): 'NONE' | 'GROUP_ID_NOT_FOUND' | 'NON_EMPTY_GROUP' {
  if (group === undefined) return 'GROUP_ID_NOT_FOUND'
  const empty = group.type === 'classic' ? group.group.state === 'Empty' : group.rules.isEmpty(group.state)
  return empty ? 'NONE' : 'NON_EMPTY_GROUP'
}
