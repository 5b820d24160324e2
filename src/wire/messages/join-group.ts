import { request, response } from '../message.ts'
import { array, bool, bytes, type Infer, int16, int32, string, struct } from '../schema.ts'

/**
 * JoinGroup (key 11), request: joins a classic group or starts its rebalance. Static members from v5 (KIP-345),
 * member ids asked for first from v4 (KIP-394).
 */
export const JoinGroupRequest = request(
  { name: 'JoinGroup', apiKey: 11, versions: [0, 9], flexibleFrom: 6 },
  {
    groupId: string,
    sessionTimeoutMs: int32,
    rebalanceTimeoutMs: int32.in('1+').or(-1).ignorable(),
    memberId: string,
    groupInstanceId: string.nullable().in('5+').or(null),
    protocolType: string,
    protocols: array(struct({ name: string, metadata: bytes })),
    reason: string.nullable().in('8+').or(null).ignorable()
  }
)
export type JoinGroupRequest = Infer<typeof JoinGroupRequest>

/** JoinGroup (key 11), response: the new generation; the leader also gets all members with their metadata. */
export const JoinGroupResponse = response(
  { name: 'JoinGroup', apiKey: 11, versions: [0, 9], flexibleFrom: 6 },
  {
    throttleTimeMs: int32.in('2+').ignorable(),
    errorCode: int16,
    generationId: int32.or(-1),
    protocolType: string.nullable().in('7+').or(null).ignorable(),
    protocolName: string.nullable('7+'),
    leader: string,
    skipAssignment: bool.in('9+'),
    memberId: string,
    members: array(
      struct({
        memberId: string,
        groupInstanceId: string.nullable().in('5+').or(null).ignorable(),
        metadata: bytes
      })
    )
  }
)
export type JoinGroupResponse = Infer<typeof JoinGroupResponse>
