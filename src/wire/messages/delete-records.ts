import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, int64, int64Saturated, string, struct } from '../schema.ts'

/**
 * DeleteRecords (key 21), request: moves the log start of partitions forward (KIP-107). Offset -1 means the high
 * watermark.
 */
export const DeleteRecordsRequest = request(
  { name: 'DeleteRecords', apiKey: 21, versions: [0, 2], flexibleFrom: 2 },
  {
    topics: array(
      struct({
        name: string,
        partitions: array(struct({ partitionIndex: int32, offset: int64Saturated }))
      })
    ),
    timeoutMs: int32
  }
)
export type DeleteRecordsRequest = Infer<typeof DeleteRecordsRequest>

/** DeleteRecords (key 21), response: the new log start per partition. */
export const DeleteRecordsResponse = response(
  { name: 'DeleteRecords', apiKey: 21, versions: [0, 2], flexibleFrom: 2 },
  {
    throttleTimeMs: int32,
    topics: array(
      struct({
        name: string,
        partitions: array(struct({ partitionIndex: int32, lowWatermark: int64, errorCode: int16 }))
      })
    )
  }
)
export type DeleteRecordsResponse = Infer<typeof DeleteRecordsResponse>
