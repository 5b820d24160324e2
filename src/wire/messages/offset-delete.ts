import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, string, struct } from '../schema.ts'

/**
 * OffsetDelete (key 47), request: deletes committed offsets of topics to which the group no longer subscribes
 * (KIP-496).
 */
export const OffsetDeleteRequest = request(
  { name: 'OffsetDelete', apiKey: 47, versions: [0, 0] },
  {
    groupId: string,
    topics: array(
      struct({
        name: string,
        partitions: array(struct({ partitionIndex: int32 }))
      })
    )
  }
)
export type OffsetDeleteRequest = Infer<typeof OffsetDeleteRequest>

/** OffsetDelete (key 47), response: one error code per partition. */
export const OffsetDeleteResponse = response(
  { name: 'OffsetDelete', apiKey: 47, versions: [0, 0] },
  {
    errorCode: int16,
    throttleTimeMs: int32.or(0),
    topics: array(
      struct({
        name: string,
        partitions: array(struct({ partitionIndex: int32, errorCode: int16 }))
      })
    )
  }
)
export type OffsetDeleteResponse = Infer<typeof OffsetDeleteResponse>
