import { request, response } from '../message.ts'
import { array, bool, type Infer, int8, int16, int32, string, struct, uuid } from '../schema.ts'

const topicPartitions = struct({ topicId: uuid, topicName: string, partitions: array(int32) })
const assignment = struct({ topicPartitions: array(topicPartitions) })

/** ConsumerGroupDescribe (key 69), request: asks for consumer groups (KIP-848). */
export const ConsumerGroupDescribeRequest = request(
  { name: 'ConsumerGroupDescribe', apiKey: 69, versions: [0, 1], flexibleFrom: 0 },
  { groupIds: array(string), includeAuthorizedOperations: bool }
)
export type ConsumerGroupDescribeRequest = Infer<typeof ConsumerGroupDescribeRequest>

/** ConsumerGroupDescribe (key 69), response: state, members and their assignments. */
export const ConsumerGroupDescribeResponse = response(
  { name: 'ConsumerGroupDescribe', apiKey: 69, versions: [0, 1], flexibleFrom: 0 },
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
            instanceId: string.nullable().or(null),
            rackId: string.nullable().or(null),
            memberEpoch: int32,
            clientId: string,
            clientHost: string,
            subscribedTopicNames: array(string),
            subscribedTopicRegex: string.nullable().or(null),
            assignment: assignment,
            targetAssignment: assignment,
            memberType: int8.in('1+').or(-1).ignorable()
          })
        ),
        authorizedOperations: int32.or(-2147483648)
      })
    )
  }
)
export type ConsumerGroupDescribeResponse = Infer<typeof ConsumerGroupDescribeResponse>
