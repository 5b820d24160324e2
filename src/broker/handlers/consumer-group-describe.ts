/** ConsumerGroupDescribe v0–1 (KIP-848): epochs, members and assignments of consumer groups. v1 tells which protocol a member speaks. */
import type {
  ConsumerGroupDescribeRequest,
  ConsumerGroupDescribeResponse
} from '../../wire/messages/consumer-group-describe.ts'
import type { ConsumerGroups } from '../groups/consumer/consumer-groups.ts'
import type { Handler } from '../handler.ts'

export function consumerGroupDescribeHandler(
  groups: ConsumerGroups
): Handler<ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse> {
  return (request) => groups.describe(request)
}
