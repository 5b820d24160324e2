import { request, response } from '../message.ts'
import {
  array,
  type Infer,
  int8,
  int16,
  int32,
  int64,
  int64Saturated,
  records,
  string,
  struct,
  uuid
} from '../schema.ts'

const nodeEndpoint = struct({ nodeId: int32, host: string, port: int32, rack: string.nullable().or(null) })

/**
 * Fetch (key 1), request: reads batches from partitions, within or without a session (KIP-227). Topic ids from v13
 * (KIP-516).
 */
export const FetchRequest = request(
  { name: 'Fetch', apiKey: 1, versions: [4, 18], flexibleFrom: 12 },
  {
    clusterId: string.nullable().tag(0, '12+').or(null).ignorable(),
    replicaId: int32.in('4-14').or(-1),
    replicaState: struct({ replicaId: int32.or(-1), replicaEpoch: int64.or(-1) }).tag(1, '15+'),
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: int32.or(0x7fff_ffff),
    isolationLevel: int8.or(0),
    sessionId: int32.in('7+').ignorable(),
    sessionEpoch: int32.in('7+').or(-1).ignorable(),
    topics: array(
      struct({
        topic: string.in('4-12').ignorable(),
        topicId: uuid.in('13+').ignorable(),
        partitions: array(
          struct({
            partition: int32,
            currentLeaderEpoch: int32.in('9+').or(-1).ignorable(),
            fetchOffset: int64Saturated,
            lastFetchedEpoch: int32.in('12+').or(-1),
            logStartOffset: int64Saturated.in('5+').or(-1).ignorable(),
            partitionMaxBytes: int32,
            replicaDirectoryId: uuid.tag(0, '17+').ignorable(),
            highWatermark: int64Saturated.tag(1, '18+').or(Number.MAX_SAFE_INTEGER).ignorable()
          })
        )
      })
    ),
    forgottenTopicsData: array(
      struct({
        topic: string.in('7-12').ignorable(),
        topicId: uuid.in('13+').ignorable(),
        partitions: array(int32)
      })
    ).in('7+'),
    rackId: string.in('11+').ignorable()
  }
)
export type FetchRequest = Infer<typeof FetchRequest>

/**
 * Fetch (key 1), response: whole batches per partition: the first may exceed every limit (KIP-74), aborted
 * transactions listed (KIP-98).
 */
export const FetchResponse = response(
  { name: 'Fetch', apiKey: 1, versions: [4, 18], flexibleFrom: 12 },
  {
    throttleTimeMs: int32.or(0),
    errorCode: int16.in('7+').ignorable(),
    sessionId: int32.in('7+'),
    responses: array(
      struct({
        topic: string.in('4-12').ignorable(),
        topicId: uuid.in('13+').ignorable(),
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            highWatermark: int64,
            lastStableOffset: int64.or(-1),
            logStartOffset: int64.in('5+').or(-1).ignorable(),
            divergingEpoch: struct({ epoch: int32.or(-1), endOffset: int64.or(-1) }).tag(0, '12+'),
            currentLeader: struct({ leaderId: int32.or(-1), leaderEpoch: int32.or(-1) }).tag(1, '12+'),
            snapshotId: struct({ endOffset: int64.or(-1), epoch: int32.or(-1) }).tag(2, '12+'),
            abortedTransactions: array(struct({ producerId: int64, firstOffset: int64 }))
              .nullable()
              .or([]),
            preferredReadReplica: int32.in('11+').or(-1),
            records
          })
        )
      })
    ),
    nodeEndpoints: array(nodeEndpoint).tag(0, '16+')
  }
)
export type FetchResponse = Infer<typeof FetchResponse>
