import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, int64, string, struct, uuid } from '../schema.ts'

/** ReadShareGroupStateSummary (key 87), request: reads the start of share partitions (KIP-932). */
export const ReadShareGroupStateSummaryRequest = request(
  { name: 'ReadShareGroupStateSummary', apiKey: 87, versions: [0, 1], flexibleFrom: 0 },
  {
    groupId: string,
    topics: array(struct({ topicId: uuid, partitions: array(struct({ partition: int32, leaderEpoch: int32 })) }))
  }
)
export type ReadShareGroupStateSummaryRequest = Infer<typeof ReadShareGroupStateSummaryRequest>

/** ReadShareGroupStateSummary (key 87), response: start offset and epochs per partition. */
export const ReadShareGroupStateSummaryResponse = response(
  { name: 'ReadShareGroupStateSummary', apiKey: 87, versions: [0, 1], flexibleFrom: 0 },
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
            leaderEpoch: int32,
            startOffset: int64,
            deliveryCompleteCount: int32.in('1+').or(-1).ignorable()
          })
        )
      })
    )
  }
)
export type ReadShareGroupStateSummaryResponse = Infer<typeof ReadShareGroupStateSummaryResponse>
