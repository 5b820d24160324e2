import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, int64Saturated, string, struct, uuid } from '../schema.ts'

/** AlterShareGroupOffsets (key 91), request: moves the start offsets of an empty share group (KIP-932). */
export const AlterShareGroupOffsetsRequest = request(
  { name: 'AlterShareGroupOffsets', apiKey: 91, versions: [0, 0], flexibleFrom: 0 },
  {
    groupId: string,
    topics: array(
      struct({ topicName: string, partitions: array(struct({ partitionIndex: int32, startOffset: int64Saturated })) })
    )
  }
)
export type AlterShareGroupOffsetsRequest = Infer<typeof AlterShareGroupOffsetsRequest>

/** AlterShareGroupOffsets (key 91), response: one error per partition. */
export const AlterShareGroupOffsetsResponse = response(
  { name: 'AlterShareGroupOffsets', apiKey: 91, versions: [0, 0], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable().or(null),
    responses: array(
      struct({
        topicName: string,
        topicId: uuid,
        partitions: array(struct({ partitionIndex: int32, errorCode: int16, errorMessage: string.nullable().or(null) }))
      })
    )
  }
)
export type AlterShareGroupOffsetsResponse = Infer<typeof AlterShareGroupOffsetsResponse>
