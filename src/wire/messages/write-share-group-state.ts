import { request, response } from '../message.ts'
import { array, type Infer, int8, int16, int32, int64Saturated, string, struct, uuid } from '../schema.ts'

/** WriteShareGroupState (key 85), request: changes the state of share partitions (KIP-932). */
export const WriteShareGroupStateRequest = request(
  { name: 'WriteShareGroupState', apiKey: 85, versions: [0, 1], flexibleFrom: 0 },
  {
    groupId: string,
    topics: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partition: int32,
            stateEpoch: int32,
            leaderEpoch: int32,
            startOffset: int64Saturated,
            deliveryCompleteCount: int32.in('1+').or(-1).ignorable(),
            stateBatches: array(
              struct({
                firstOffset: int64Saturated,
                lastOffset: int64Saturated,
                deliveryState: int8,
                deliveryCount: int16
              })
            )
          })
        )
      })
    )
  }
)
export type WriteShareGroupStateRequest = Infer<typeof WriteShareGroupStateRequest>

/** WriteShareGroupState (key 85), response: one error per partition. */
export const WriteShareGroupStateResponse = response(
  { name: 'WriteShareGroupState', apiKey: 85, versions: [0, 1], flexibleFrom: 0 },
  {
    results: array(
      struct({
        topicId: uuid,
        partitions: array(struct({ partition: int32, errorCode: int16, errorMessage: string.nullable().or(null) }))
      })
    )
  }
)
export type WriteShareGroupStateResponse = Infer<typeof WriteShareGroupStateResponse>
