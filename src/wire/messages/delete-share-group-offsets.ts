import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, string, struct, uuid } from '../schema.ts'

/** DeleteShareGroupOffsets (key 92), request: forgets topics of an empty share group (KIP-932). */
export const DeleteShareGroupOffsetsRequest = request(
  { name: 'DeleteShareGroupOffsets', apiKey: 92, versions: [0, 0], flexibleFrom: 0 },
  { groupId: string, topics: array(struct({ topicName: string })) }
)
export type DeleteShareGroupOffsetsRequest = Infer<typeof DeleteShareGroupOffsetsRequest>

/** DeleteShareGroupOffsets (key 92), response: one error per topic. */
export const DeleteShareGroupOffsetsResponse = response(
  { name: 'DeleteShareGroupOffsets', apiKey: 92, versions: [0, 0], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable().or(null),
    responses: array(
      struct({ topicName: string, topicId: uuid, errorCode: int16, errorMessage: string.nullable().or(null) })
    )
  }
)
export type DeleteShareGroupOffsetsResponse = Infer<typeof DeleteShareGroupOffsetsResponse>
