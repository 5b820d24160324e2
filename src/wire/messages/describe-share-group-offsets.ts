import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, int64, string, struct, uuid } from '../schema.ts'

/** DescribeShareGroupOffsets (key 90), request: asks where share groups stand (KIP-932). */
export const DescribeShareGroupOffsetsRequest = request(
  { name: 'DescribeShareGroupOffsets', apiKey: 90, versions: [0, 1], flexibleFrom: 0 },
  {
    groups: array(
      struct({ groupId: string, topics: array(struct({ topicName: string, partitions: array(int32) })).nullable() })
    )
  }
)
export type DescribeShareGroupOffsetsRequest = Infer<typeof DescribeShareGroupOffsetsRequest>

/** DescribeShareGroupOffsets (key 90), response: start offsets, and lag from v1 (KIP-1226), per partition. */
export const DescribeShareGroupOffsetsResponse = response(
  { name: 'DescribeShareGroupOffsets', apiKey: 90, versions: [0, 1], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    groups: array(
      struct({
        groupId: string,
        topics: array(
          struct({
            topicName: string,
            topicId: uuid,
            partitions: array(
              struct({
                partitionIndex: int32,
                startOffset: int64,
                leaderEpoch: int32,
                lag: int64.in('1+').or(-1).ignorable(),
                errorCode: int16,
                errorMessage: string.nullable().or(null)
              })
            )
          })
        ),
        errorCode: int16,
        errorMessage: string.nullable().or(null)
      })
    )
  }
)
export type DescribeShareGroupOffsetsResponse = Infer<typeof DescribeShareGroupOffsetsResponse>
