/**
 * FindCoordinator v0 to v6 (KIP-699): the leader of the internal partition that holds a group, which on one node is
 * always this one.
 *
 * Not here: transaction and share coordinators. A transactional producer is refused with
 * TRANSACTIONAL_ID_AUTHORIZATION_FAILED, the only error at which Kafka's Java client and librdkafka both give up at
 * once; after any other one of them asks again until its own time is over.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { FindCoordinatorRequest, FindCoordinatorResponse } from '../../wire/messages/find-coordinator.ts'
import type { InferInput } from '../../wire/schema.ts'
import { thisBroker } from '../advertised.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof FindCoordinatorResponse>
type Coordinator = NonNullable<Answer['coordinators']>[number]

const GROUP_KEY_TYPE = 0
const TRANSACTION_KEY_TYPE = 1
/** The first version that asks for several keys at once. */
const BATCHED_VERSION = 4

export function findCoordinatorHandler(parts: BrokerParts): Handler<FindCoordinatorRequest, Answer> {
  return (request, context) => {
    if (context.apiVersion >= BATCHED_VERSION) {
      return { coordinators: request.coordinatorKeys.map((key) => find(parts, request.keyType, key)) }
    }
    const { nodeId, host, port, errorCode, errorMessage } = find(parts, request.keyType, request.key)
    return { nodeId, host, port, errorCode, errorMessage: errorMessage ?? null }
  }
}

function find(parts: BrokerParts, keyType: number, key: string): Coordinator {
  if (keyType !== GROUP_KEY_TYPE) {
    const transactional = keyType === TRANSACTION_KEY_TYPE
    const errorCode = transactional ? ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED : ErrorCode.INVALID_REQUEST
    const errorMessage = transactional
      ? 'This broker has no transactions yet: produce without transactional.id.'
      : `This broker coordinates consumer groups only; it has no coordinator of type ${keyType}.`
    return { key, nodeId: -1, host: '', port: -1, errorCode, errorMessage }
  }
  const { nodeId, host, port } = thisBroker(parts)
  return { key, nodeId, host, port, errorCode: ErrorCode.NONE, errorMessage: null }
}
