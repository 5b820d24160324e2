import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, int64Saturated, string, struct, uuid } from '../schema.ts'

/** OffsetCommit (key 8), request: stores the offsets of a group. Topic ids from v10 (KIP-848). */
export const OffsetCommitRequest = request(
  { name: 'OffsetCommit', apiKey: 8, versions: [2, 10], flexibleFrom: 8 },
  {
    groupId: string,
    generationIdOrMemberEpoch: int32.or(-1),
    memberId: string.or(''),
    groupInstanceId: string.nullable().in('7+').or(null),
    retentionTimeMs: int64Saturated.in('2-4').or(-1).ignorable(),
    topics: array(
      struct({
        name: string.in('2-9').ignorable(),
        topicId: uuid.in('10+').ignorable(),
        partitions: array(
          struct({
            partitionIndex: int32,
            committedOffset: int64Saturated,
            committedLeaderEpoch: int32.in('6+').or(-1).ignorable(),
            committedMetadata: string.nullable()
          })
        )
      })
    )
  }
)
export type OffsetCommitRequest = Infer<typeof OffsetCommitRequest>

/** OffsetCommit (key 8), response: one error code per partition. */
export const OffsetCommitResponse = response(
  { name: 'OffsetCommit', apiKey: 8, versions: [2, 10], flexibleFrom: 8 },
  {
    throttleTimeMs: int32.in('3+').ignorable(),
    topics: array(
      struct({
        name: string.in('2-9').ignorable(),
        topicId: uuid.in('10+').ignorable(),
        partitions: array(struct({ partitionIndex: int32, errorCode: int16 }))
      })
    )
  }
)
export type OffsetCommitResponse = Infer<typeof OffsetCommitResponse>
