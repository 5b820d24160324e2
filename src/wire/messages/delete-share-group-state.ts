import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, string, struct, uuid } from '../schema.ts'

/** DeleteShareGroupState (key 86), request: deletes the state of share partitions (KIP-932). */
export const DeleteShareGroupStateRequest = request(
  { name: 'DeleteShareGroupState', apiKey: 86, versions: [0, 0], flexibleFrom: 0 },
  { groupId: string, topics: array(struct({ topicId: uuid, partitions: array(struct({ partition: int32 })) })) }
)
export type DeleteShareGroupStateRequest = Infer<typeof DeleteShareGroupStateRequest>

/** DeleteShareGroupState (key 86), response: one error per partition. */
export const DeleteShareGroupStateResponse = response(
  { name: 'DeleteShareGroupState', apiKey: 86, versions: [0, 0], flexibleFrom: 0 },
  {
    results: array(
      struct({
        topicId: uuid,
        partitions: array(struct({ partition: int32, errorCode: int16, errorMessage: string.nullable().or(null) }))
      })
    )
  }
)
export type DeleteShareGroupStateResponse = Infer<typeof DeleteShareGroupStateResponse>
