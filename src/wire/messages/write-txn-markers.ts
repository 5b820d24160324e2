import { request, response } from '../message.ts'
import { array, bool, type Infer, int8, int16, int32, int64, int64Saturated, string, struct } from '../schema.ts'

/** WriteTxnMarkers (key 27), request: ends transactions in the partitions that a broker leads (KIP-98). */
export const WriteTxnMarkersRequest = request(
  { name: 'WriteTxnMarkers', apiKey: 27, versions: [1, 2], flexibleFrom: 1 },
  {
    markers: array(
      struct({
        producerId: int64Saturated,
        producerEpoch: int16,
        transactionResult: bool,
        topics: array(struct({ name: string, partitionIndexes: array(int32) })),
        coordinatorEpoch: int32,
        transactionVersion: int8.in('2+').or(0).ignorable()
      })
    )
  }
)
export type WriteTxnMarkersRequest = Infer<typeof WriteTxnMarkersRequest>

/** WriteTxnMarkers (key 27), response: one error per producer and partition. */
export const WriteTxnMarkersResponse = response(
  { name: 'WriteTxnMarkers', apiKey: 27, versions: [1, 2], flexibleFrom: 1 },
  {
    markers: array(
      struct({
        producerId: int64,
        topics: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32, errorCode: int16 })) }))
      })
    )
  }
)
export type WriteTxnMarkersResponse = Infer<typeof WriteTxnMarkersResponse>
