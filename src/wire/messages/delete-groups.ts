import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, string, struct } from '../schema.ts'

/** DeleteGroups (key 42), request: deletes empty groups (KIP-229). */
export const DeleteGroupsRequest = request(
  { name: 'DeleteGroups', apiKey: 42, versions: [0, 2], flexibleFrom: 2 },
  {
    groupsNames: array(string)
  }
)
export type DeleteGroupsRequest = Infer<typeof DeleteGroupsRequest>

/** DeleteGroups (key 42), response: one error code per group. */
export const DeleteGroupsResponse = response(
  { name: 'DeleteGroups', apiKey: 42, versions: [0, 2], flexibleFrom: 2 },
  {
    throttleTimeMs: int32,
    results: array(struct({ groupId: string, errorCode: int16 }))
  }
)
export type DeleteGroupsResponse = Infer<typeof DeleteGroupsResponse>
