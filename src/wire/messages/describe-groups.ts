import { request, response } from '../message.ts'
import { array, bool, bytes, type Infer, int16, int32, string, struct } from '../schema.ts'

/** DescribeGroups (key 15), request: asks for the state and members of classic groups. */
export const DescribeGroupsRequest = request(
  { name: 'DescribeGroups', apiKey: 15, versions: [0, 6], flexibleFrom: 5 },
  {
    groups: array(string),
    includeAuthorizedOperations: bool.in('3+')
  }
)
export type DescribeGroupsRequest = Infer<typeof DescribeGroupsRequest>

/** DescribeGroups (key 15), response: state and members. GROUP_ID_NOT_FOUND from v6 (KIP-1043). */
export const DescribeGroupsResponse = response(
  { name: 'DescribeGroups', apiKey: 15, versions: [0, 6], flexibleFrom: 5 },
  {
    throttleTimeMs: int32.in('1+').ignorable(),
    groups: array(
      struct({
        errorCode: int16,
        errorMessage: string.nullable().in('6+').or(null),
        groupId: string,
        groupState: string,
        protocolType: string,
        protocolData: string,
        members: array(
          struct({
            memberId: string,
            groupInstanceId: string.nullable().in('4+').or(null).ignorable(),
            clientId: string,
            clientHost: string,
            memberMetadata: bytes,
            memberAssignment: bytes
          })
        ),
        authorizedOperations: int32.in('3+').or(-0x8000_0000)
      })
    )
  }
)
export type DescribeGroupsResponse = Infer<typeof DescribeGroupsResponse>
