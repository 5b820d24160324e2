import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, string, struct } from '../schema.ts'

/** LeaveGroup (key 13), request: removes one member up to v2, several from v3 (KIP-345). */
export const LeaveGroupRequest = request(
  { name: 'LeaveGroup', apiKey: 13, versions: [0, 5], flexibleFrom: 4 },
  {
    groupId: string,
    memberId: string.in('0-2'),
    members: array(
      struct({
        memberId: string,
        groupInstanceId: string.nullable().or(null),
        reason: string.nullable().in('5+').or(null).ignorable()
      })
    ).in('3+')
  }
)
export type LeaveGroupRequest = Infer<typeof LeaveGroupRequest>

/** LeaveGroup (key 13), response: one error code per member from v3. */
export const LeaveGroupResponse = response(
  { name: 'LeaveGroup', apiKey: 13, versions: [0, 5], flexibleFrom: 4 },
  {
    throttleTimeMs: int32.in('1+').ignorable(),
    errorCode: int16,
    members: array(struct({ memberId: string, groupInstanceId: string.nullable(), errorCode: int16 })).in('3+')
  }
)
export type LeaveGroupResponse = Infer<typeof LeaveGroupResponse>
