/**
 * InitProducerId v0 to v5 (KIP-98) for idempotent producers: a new id each time.
 * Not here: transactional ids; they are refused as in `find-coordinator.ts`.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { InitProducerIdRequest, InitProducerIdResponse } from '../../wire/messages/init-producer-id.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { codeOf } from '../fault-codes.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof InitProducerIdResponse>

export function initProducerIdHandler({ producerIds }: BrokerParts): Handler<InitProducerIdRequest, Answer> {
  return async (request) => {
    if (request.transactionalId === '') return refuse(ErrorCode.INVALID_REQUEST)
    if (request.transactionalId !== null) return refuse(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    try {
      return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, producerId: await producerIds.next(), producerEpoch: 0 }
    } catch (error) {
      // Producers try again after this one.
      codeOf(error)
      return refuse(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    }
  }
}

function refuse(errorCode: number): Answer {
  return { throttleTimeMs: 0, errorCode, producerId: -1, producerEpoch: -1 }
}
