/**
 * ConsumerGroupHeartbeat v0–1 (KIP-848): a member joins, says what it subscribes to and owns, hears what it is to own, or
 * leaves. v1 brings regular expressions and member ids that clients choose. The assignor is the broker's own; those of
 * clients are not part of the protocol any more.
 */
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse
} from '../../wire/messages/consumer-group-heartbeat.ts'
import type { ConsumerGroups } from '../groups/consumer/consumer-groups.ts'
import type { Handler } from '../handler.ts'

export function consumerGroupHeartbeatHandler(
  groups: ConsumerGroups
): Handler<ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse> {
  return (request, context) => groups.heartbeat(request, context)
}
