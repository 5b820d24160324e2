import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, int64, string, struct } from '../schema.ts'

/** OffsetForLeaderEpoch (key 23), request: asks where a leader epoch ended, to detect truncation (KIP-320). */
export const OffsetForLeaderEpochRequest = request(
  { name: 'OffsetForLeaderEpoch', apiKey: 23, versions: [2, 4], flexibleFrom: 4 },
  {
    replicaId: int32.in('3+').or(-2).ignorable(),
    topics: array(
      struct({
        topic: string,
        partitions: array(struct({ partition: int32, currentLeaderEpoch: int32.or(-1), leaderEpoch: int32 }))
      })
    )
  }
)
export type OffsetForLeaderEpochRequest = Infer<typeof OffsetForLeaderEpochRequest>

/** OffsetForLeaderEpoch (key 23), response: the end offset per partition, -1 for an unknown epoch. */
export const OffsetForLeaderEpochResponse = response(
  { name: 'OffsetForLeaderEpoch', apiKey: 23, versions: [2, 4], flexibleFrom: 4 },
  {
    throttleTimeMs: int32.or(0),
    topics: array(
      struct({
        topic: string,
        partitions: array(
          struct({
            errorCode: int16,
            partition: int32,
            leaderEpoch: int32.or(-1),
            endOffset: int64.or(-1)
          })
        )
      })
    )
  }
)
export type OffsetForLeaderEpochResponse = Infer<typeof OffsetForLeaderEpochResponse>
