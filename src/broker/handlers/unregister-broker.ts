/**
 * UnregisterBroker v0 (KIP-500). Brokers need no registration that would outlive them, so there is none to remove; this
 * broker, which is there to be asked, is refused, while Kafka would let it be taken out.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { UnregisterBrokerRequest, UnregisterBrokerResponse } from '../../wire/messages/unregister-broker.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof UnregisterBrokerResponse>

export function unregisterBrokerHandler({ moves }: BrokerParts): Handler<UnregisterBrokerRequest, Answer> {
  return ({ brokerId }) => {
    if (moves.brokers().includes(brokerId)) {
      const errorMessage = `Broker ${brokerId} is running: stop it, and it is gone.`
      return { throttleTimeMs: 0, errorCode: ErrorCode.INVALID_REQUEST, errorMessage }
    }
    const errorMessage = `There is no broker ${brokerId}.`
    return { throttleTimeMs: 0, errorCode: ErrorCode.BROKER_ID_NOT_REGISTERED, errorMessage }
  }
}
