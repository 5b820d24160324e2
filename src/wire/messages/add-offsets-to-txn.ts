import { request, response } from '../message.ts'
import { type Infer, int16, int32, int64Saturated, string } from '../schema.ts'

/** AddOffsetsToTxn (key 25), request: adds a group's partition of `__consumer_offsets` to a transaction (KIP-98). */
export const AddOffsetsToTxnRequest = request(
  { name: 'AddOffsetsToTxn', apiKey: 25, versions: [0, 4], flexibleFrom: 3 },
  { transactionalId: string, producerId: int64Saturated, producerEpoch: int16, groupId: string }
)
export type AddOffsetsToTxnRequest = Infer<typeof AddOffsetsToTxnRequest>

/** AddOffsetsToTxn (key 25), response: an error or none. */
export const AddOffsetsToTxnResponse = response(
  { name: 'AddOffsetsToTxn', apiKey: 25, versions: [0, 4], flexibleFrom: 3 },
  { throttleTimeMs: int32, errorCode: int16 }
)
export type AddOffsetsToTxnResponse = Infer<typeof AddOffsetsToTxnResponse>
