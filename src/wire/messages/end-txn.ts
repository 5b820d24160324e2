import { request, response } from '../message.ts'
import { bool, type Infer, int16, int32, int64, int64Saturated, string } from '../schema.ts'

/** EndTxn (key 26), request: commits or aborts a transaction (KIP-98). */
export const EndTxnRequest = request(
  { name: 'EndTxn', apiKey: 26, versions: [0, 5], flexibleFrom: 3 },
  { transactionalId: string, producerId: int64Saturated, producerEpoch: int16, committed: bool }
)
export type EndTxnRequest = Infer<typeof EndTxnRequest>

/** EndTxn (key 26), response: an error or none; from v5 the producer id and epoch of the next transaction (KIP-890). */
export const EndTxnResponse = response(
  { name: 'EndTxn', apiKey: 26, versions: [0, 5], flexibleFrom: 3 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    producerId: int64.in('5+').or(-1).ignorable(),
    producerEpoch: int16.in('5+').or(-1).ignorable()
  }
)
export type EndTxnResponse = Infer<typeof EndTxnResponse>
