import { request, response } from '../message.ts'
import { array, bool, type Infer, int16, int32, int64Saturated, string, struct, uuid } from '../schema.ts'

/**
 * OffsetFetch (key 9), request: asks for committed offsets: of one group up to v7, of several from v8 (KIP-709).
 * Null topics mean all.
 */
export const OffsetFetchRequest = request(
  { name: 'OffsetFetch', apiKey: 9, versions: [1, 10], flexibleFrom: 6 },
  {
    groupId: string.in('1-7'),
    topics: array(struct({ name: string, partitionIndexes: array(int32) }))
      .nullable('2-7')
      .in('1-7'),
    groups: array(
      struct({
        groupId: string,
        memberId: string.nullable().in('9+').or(null).ignorable(),
        memberEpoch: int32.in('9+').or(-1).ignorable(),
        topics: array(
          struct({
            name: string.in('8-9').ignorable(),
            topicId: uuid.in('10+').ignorable(),
            partitionIndexes: array(int32)
          })
        ).nullable()
      })
    ).in('8+'),
    requireStable: bool.in('7+')
  }
)
export type OffsetFetchRequest = Infer<typeof OffsetFetchRequest>

/** OffsetFetch (key 9), response: committed offsets, -1 where there is none. */
export const OffsetFetchResponse = response(
  { name: 'OffsetFetch', apiKey: 9, versions: [1, 10], flexibleFrom: 6 },
  {
    throttleTimeMs: int32.in('3+').ignorable(),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            committedOffset: int64Saturated,
            committedLeaderEpoch: int32.in('5-7').or(-1).ignorable(),
            metadata: string.nullable(),
            errorCode: int16
          })
        )
      })
    ).in('1-7'),
    errorCode: int16.in('2-7').ignorable(),
    groups: array(
      struct({
        groupId: string,
        topics: array(
          struct({
            name: string.in('8-9').ignorable(),
            topicId: uuid.in('10+').ignorable(),
            partitions: array(
              struct({
                partitionIndex: int32,
                committedOffset: int64Saturated,
                committedLeaderEpoch: int32.or(-1),
                metadata: string.nullable(),
                errorCode: int16
              })
            )
          })
        ),
        errorCode: int16.or(0)
      })
    ).in('8+')
  }
)
export type OffsetFetchResponse = Infer<typeof OffsetFetchResponse>
