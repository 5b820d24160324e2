/**
 * InitProducerId v0 to v5 (KIP-98, KIP-360): a new id each time for an idempotent producer; for a transactional one the
 * id and epoch that fence all before it.
 * Not here: two-phase commit (KIP-939), which begins with v6.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { InitProducerIdRequest, InitProducerIdResponse } from '../../wire/messages/init-producer-id.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { codeOf } from '../fault-codes.ts'
import type { Handler } from '../handler.ts'
import type { TransactionCoordinator } from '../transactions/transaction-coordinator.ts'

type Answer = InferInput<typeof InitProducerIdResponse>

const NONE = -1
/** The first version whose clients know PRODUCER_FENCED. */
const FENCED_VERSION = 4

export function initProducerIdHandler(
  { producerIds }: BrokerParts,
  transactions: TransactionCoordinator
): Handler<InitProducerIdRequest, Answer> {
  return async (request, { apiVersion }) => {
    const { transactionalId, transactionTimeoutMs: timeoutMs, producerId: id, producerEpoch: epoch } = request
    if ((id === NONE) !== (epoch === NONE)) return refuse(ErrorCode.INVALID_REQUEST)
    try {
      if (transactionalId === null) return answer({ id: await producerIds.next(), epoch: 0 })
      const expected = id === NONE ? undefined : { id, epoch }
      const { error, producer } = await transactions.initProducer(transactionalId, { timeoutMs, expected })
      if (error === ErrorCode.NONE) return answer(producer)
      const unknown = error === ErrorCode.PRODUCER_FENCED && apiVersion < FENCED_VERSION
      return refuse(unknown ? ErrorCode.INVALID_PRODUCER_EPOCH : error)
    } catch (error) {
      // Producers try again after this one.
      codeOf(error)
      return refuse(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    }
  }
}

function answer({ id, epoch }: { readonly id: number; readonly epoch: number }): Answer {
  return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, producerId: id, producerEpoch: epoch }
}

function refuse(errorCode: number): Answer {
  return { throttleTimeMs: 0, errorCode, producerId: NONE, producerEpoch: NONE }
}
