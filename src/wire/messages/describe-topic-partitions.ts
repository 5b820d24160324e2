import { request, response } from '../message.ts'
import { array, bool, type Infer, int16, int32, string, struct, uuid } from '../schema.ts'

/** DescribeTopicPartitions (key 75), request: pages through topics and partitions (KIP-966). */
export const DescribeTopicPartitionsRequest = request(
  { name: 'DescribeTopicPartitions', apiKey: 75, versions: [0, 0], flexibleFrom: 0 },
  {
    topics: array(struct({ name: string })),
    responsePartitionLimit: int32.or(2000),
    cursor: struct({ topicName: string, partitionIndex: int32 }).nullable().or(null)
  }
)
export type DescribeTopicPartitionsRequest = Infer<typeof DescribeTopicPartitionsRequest>

/** DescribeTopicPartitions (key 75), response: a page, and the cursor of the next one. */
export const DescribeTopicPartitionsResponse = response(
  { name: 'DescribeTopicPartitions', apiKey: 75, versions: [0, 0], flexibleFrom: 0 },
  {
    throttleTimeMs: int32.or(0),
    topics: array(
      struct({
        errorCode: int16,
        name: string.nullable(),
        topicId: uuid,
        isInternal: bool.or(false),
        partitions: array(
          struct({
            errorCode: int16,
            partitionIndex: int32,
            leaderId: int32,
            leaderEpoch: int32.or(-1),
            replicaNodes: array(int32),
            isrNodes: array(int32),
            eligibleLeaderReplicas: array(int32).nullable().or(null),
            lastKnownElr: array(int32).nullable().or(null),
            offlineReplicas: array(int32).or([])
          })
        ),
        topicAuthorizedOperations: int32.or(-0x8000_0000)
      })
    ),
    nextCursor: struct({ topicName: string, partitionIndex: int32 }).nullable().or(null)
  }
)
export type DescribeTopicPartitionsResponse = Infer<typeof DescribeTopicPartitionsResponse>
