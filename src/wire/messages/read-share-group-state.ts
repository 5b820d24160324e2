import { request, response } from '../message.ts'
import { array, type Infer, int8, int16, int32, int64, string, struct, uuid } from '../schema.ts'

/** ReadShareGroupState (key 84), request: reads the state of share partitions (KIP-932). */
export const ReadShareGroupStateRequest = request(
  { name: 'ReadShareGroupState', apiKey: 84, versions: [0, 0], flexibleFrom: 0 },
  {
    groupId: string,
    topics: array(struct({ topicId: uuid, partitions: array(struct({ partition: int32, leaderEpoch: int32 })) }))
  }
)
export type ReadShareGroupStateRequest = Infer<typeof ReadShareGroupStateRequest>

/** ReadShareGroupState (key 84), response: start offset, state epoch and state batches per partition. */
export const ReadShareGroupStateResponse = response(
  { name: 'ReadShareGroupState', apiKey: 84, versions: [0, 0], flexibleFrom: 0 },
  {
    results: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partition: int32,
            errorCode: int16,
            errorMessage: string.nullable().or(null),
            stateEpoch: int32,
            startOffset: int64,
            stateBatches: array(
              struct({ firstOffset: int64, lastOffset: int64, deliveryState: int8, deliveryCount: int16 })
            )
          })
        )
      })
    )
  }
)
export type ReadShareGroupStateResponse = Infer<typeof ReadShareGroupStateResponse>
