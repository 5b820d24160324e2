import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, int64Saturated, string, struct, uuid } from '../schema.ts'

/** InitializeShareGroupState (key 83), request: begins the state of share partitions (KIP-932). */
export const InitializeShareGroupStateRequest = request(
  { name: 'InitializeShareGroupState', apiKey: 83, versions: [0, 0], flexibleFrom: 0 },
  {
    groupId: string,
    topics: array(
      struct({
        topicId: uuid,
        partitions: array(struct({ partition: int32, stateEpoch: int32, startOffset: int64Saturated }))
      })
    )
  }
)
export type InitializeShareGroupStateRequest = Infer<typeof InitializeShareGroupStateRequest>

/** InitializeShareGroupState (key 83), response: one error per partition. */
export const InitializeShareGroupStateResponse = response(
  { name: 'InitializeShareGroupState', apiKey: 83, versions: [0, 0], flexibleFrom: 0 },
  {
    results: array(
      struct({
        topicId: uuid,
        partitions: array(struct({ partition: int32, errorCode: int16, errorMessage: string.nullable().or(null) }))
      })
    )
  }
)
export type InitializeShareGroupStateResponse = Infer<typeof InitializeShareGroupStateResponse>
