import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, string, struct } from '../schema.ts'

/** ListGroups (key 16), request: asks for groups, by state from v4 (KIP-518) and by type from v5 (KIP-848). */
export const ListGroupsRequest = request(
  { name: 'ListGroups', apiKey: 16, versions: [0, 5], flexibleFrom: 3 },
  {
    statesFilter: array(string).in('4+'),
    typesFilter: array(string).in('5+')
  }
)
export type ListGroupsRequest = Infer<typeof ListGroupsRequest>

/** ListGroups (key 16), response: the groups that this broker coordinates. */
export const ListGroupsResponse = response(
  { name: 'ListGroups', apiKey: 16, versions: [0, 5], flexibleFrom: 3 },
  {
    throttleTimeMs: int32.in('1+').ignorable(),
    errorCode: int16,
    groups: array(
      struct({
        groupId: string,
        protocolType: string,
        groupState: string.in('4+').ignorable(),
        groupType: string.in('5+').ignorable()
      })
    )
  }
)
export type ListGroupsResponse = Infer<typeof ListGroupsResponse>
