import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, int64, string, struct, uint16, uuid } from '../schema.ts'

const replicaState = struct({
  replicaId: int32,
  replicaDirectoryId: uuid.in('2+'),
  logEndOffset: int64,
  lastFetchTimestamp: int64.in('1+').or(-1).ignorable(),
  lastCaughtUpTimestamp: int64.in('1+').or(-1).ignorable()
})

/** DescribeQuorum (key 55), request: asks for the voters of the metadata log (KIP-595, KIP-836). */
export const DescribeQuorumRequest = request(
  { name: 'DescribeQuorum', apiKey: 55, versions: [0, 2], flexibleFrom: 0 },
  { topics: array(struct({ topicName: string, partitions: array(struct({ partitionIndex: int32 })) })) }
)
export type DescribeQuorumRequest = Infer<typeof DescribeQuorumRequest>

/** DescribeQuorum (key 55), response: leader, voters and observers. */
export const DescribeQuorumResponse = response(
  { name: 'DescribeQuorum', apiKey: 55, versions: [0, 2], flexibleFrom: 0 },
  {
    errorCode: int16,
    errorMessage: string.nullable('2+').in('2+').ignorable(),
    topics: array(
      struct({
        topicName: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            errorMessage: string.nullable('2+').in('2+').ignorable(),
            leaderId: int32,
            leaderEpoch: int32,
            highWatermark: int64,
            currentVoters: array(replicaState),
            observers: array(replicaState)
          })
        )
      })
    ),
    nodes: array(
      struct({
        nodeId: int32.in('2+'),
        listeners: array(struct({ name: string.in('2+'), host: string.in('2+'), port: uint16.in('2+') })).in('2+')
      })
    ).in('2+')
  }
)
export type DescribeQuorumResponse = Infer<typeof DescribeQuorumResponse>
