import { request, response } from '../message.ts'
import { type Infer, int16, int32, int64, string } from '../schema.ts'

/**
 * InitProducerId (key 22), request: asks for a producer id and epoch, of a transactional id or none (KIP-98,
 * KIP-360).
 */
export const InitProducerIdRequest = request(
  { name: 'InitProducerId', apiKey: 22, versions: [0, 5], flexibleFrom: 2 },
  {
    transactionalId: string.nullable(),
    transactionTimeoutMs: int32,
    producerId: int64.in('3+').or(-1),
    producerEpoch: int16.in('3+').or(-1)
  }
)
export type InitProducerIdRequest = Infer<typeof InitProducerIdRequest>

/** InitProducerId (key 22), response: the producer id and epoch. */
export const InitProducerIdResponse = response(
  { name: 'InitProducerId', apiKey: 22, versions: [0, 6], flexibleFrom: 2 },
  {
    throttleTimeMs: int32.or(0),
    errorCode: int16,
    producerId: int64.or(-1),
    producerEpoch: int16,
    ongoingTxnProducerId: int64.in('6+').or(-1),
    ongoingTxnProducerEpoch: int16.in('6+').or(-1)
  }
)
export type InitProducerIdResponse = Infer<typeof InitProducerIdResponse>
