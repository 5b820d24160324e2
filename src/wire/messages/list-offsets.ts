import { request, response } from '../message.ts'
import { array, type Infer, int8, int16, int32, int64, int64Saturated, string, struct } from '../schema.ts'

/**
 * ListOffsets (key 2), request: finds offsets by timestamp (KIP-79). Negative timestamps are questions: -1 latest,
 * -2 earliest, -3 the largest timestamp (KIP-734).
 */
export const ListOffsetsRequest = request(
  { name: 'ListOffsets', apiKey: 2, versions: [1, 11], flexibleFrom: 6 },
  {
    replicaId: int32,
    isolationLevel: int8.in('2+'),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            currentLeaderEpoch: int32.in('4+').or(-1).ignorable(),
            timestamp: int64Saturated
          })
        )
      })
    ),
    timeoutMs: int32.in('10+').ignorable()
  }
)
export type ListOffsetsRequest = Infer<typeof ListOffsetsRequest>

/** ListOffsets (key 2), response: the offset found per partition, -1 when there is none. */
export const ListOffsetsResponse = response(
  { name: 'ListOffsets', apiKey: 2, versions: [1, 11], flexibleFrom: 6 },
  {
    throttleTimeMs: int32.in('2+').ignorable(),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            timestamp: int64Saturated.or(-1),
            offset: int64.or(-1),
            leaderEpoch: int32.in('4+').or(-1)
          })
        )
      })
    )
  }
)
export type ListOffsetsResponse = Infer<typeof ListOffsetsResponse>
