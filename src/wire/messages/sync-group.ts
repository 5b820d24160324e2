import { request, response } from '../message.ts'
import { array, bytes, type Infer, int16, int32, string, struct } from '../schema.ts'

/** SyncGroup (key 14), request: hands in the assignments (from the leader) and waits for one's own. */
export const SyncGroupRequest = request(
  { name: 'SyncGroup', apiKey: 14, versions: [0, 5], flexibleFrom: 4 },
  {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: string.nullable().in('3+').or(null),
    protocolType: string.nullable().in('5+').or(null).ignorable(),
    protocolName: string.nullable().in('5+').or(null).ignorable(),
    assignments: array(struct({ memberId: string, assignment: bytes }))
  }
)
export type SyncGroupRequest = Infer<typeof SyncGroupRequest>

/** SyncGroup (key 14), response: the assignment of the member, opaque to the broker. */
export const SyncGroupResponse = response(
  { name: 'SyncGroup', apiKey: 14, versions: [0, 5], flexibleFrom: 4 },
  {
    throttleTimeMs: int32.in('1+').ignorable(),
    errorCode: int16,
    protocolType: string.nullable().in('5+').or(null).ignorable(),
    protocolName: string.nullable().in('5+').or(null).ignorable(),
    assignment: bytes
  }
)
export type SyncGroupResponse = Infer<typeof SyncGroupResponse>
