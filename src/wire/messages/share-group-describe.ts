import { request, response } from '../message.ts'
import { array, bool, type Infer, int16, int32, string, struct, uuid } from '../schema.ts'

const topicPartitions = struct({ topicId: uuid, topicName: string, partitions: array(int32) })
const assignment = struct({ topicPartitions: array(topicPartitions) })

/** ShareGroupDescribe (key 77), request: asks for share groups (KIP-932). */
export const ShareGroupDescribeRequest = request(
  { name: 'ShareGroupDescribe', apiKey: 77, versions: [1, 1], flexibleFrom: 0 },
  { groupIds: array(string), includeAuthorizedOperations: bool }
)
export type ShareGroupDescribeRequest = Infer<typeof ShareGroupDescribeRequest>

/** ShareGroupDescribe (key 77), response: state, members and their assignments. */
export const ShareGroupDescribeResponse = response(
  { name: 'ShareGroupDescribe', apiKey: 77, versions: [1, 1], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    groups: array(
      struct({
        errorCode: int16,
        errorMessage: string.nullable().or(null),
        groupId: string,
        groupState: string,
        groupEpoch: int32,
        assignmentEpoch: int32,
        assignorName: string,
        members: array(
          struct({
            memberId: string,
            rackId: string.nullable().or(null),
            memberEpoch: int32,
            clientId: string,
            clientHost: string,
            subscribedTopicNames: array(string),
            assignment: assignment
          })
        ),
        authorizedOperations: int32.or(-2147483648)
      })
    )
  }
)
export type ShareGroupDescribeResponse = Infer<typeof ShareGroupDescribeResponse>
