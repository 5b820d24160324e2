import { request, response } from '../message.ts'
import {
  array,
  bool,
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

/** ShareFetch (key 78), request: acquires records for a member of a share group, and acknowledges others (KIP-932). */
export const ShareFetchRequest = request(
  { name: 'ShareFetch', apiKey: 78, versions: [1, 2], flexibleFrom: 0 },
  {
    groupId: string.nullable().or(null),
    memberId: string.nullable(),
    shareSessionEpoch: int32,
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: int32.or(0x7fff_ffff),
    maxRecords: int32,
    batchSize: int32,
    shareAcquireMode: int8.in('2+').or(0).ignorable(),
    isRenewAck: bool.in('2+').or(false),
    topics: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partitionIndex: int32,
            acknowledgementBatches: array(
              struct({ firstOffset: int64Saturated, lastOffset: int64Saturated, acknowledgeTypes: array(int8) })
            )
          })
        )
      })
    ),
    forgottenTopicsData: array(struct({ topicId: uuid, partitions: array(int32) }))
  }
)
export type ShareFetchRequest = Infer<typeof ShareFetchRequest>

/** ShareFetch (key 78), response: records, and which of them are acquired. */
export const ShareFetchResponse = response(
  { name: 'ShareFetch', apiKey: 78, versions: [1, 2], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable().or(null),
    acquisitionLockTimeoutMs: int32,
    responses: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            errorMessage: string.nullable().or(null),
            acknowledgeErrorCode: int16,
            acknowledgeErrorMessage: string.nullable().or(null),
            currentLeader: struct({ leaderId: int32, leaderEpoch: int32 }),
            records: records.nullable('0'),
            acquiredRecords: array(struct({ firstOffset: int64, lastOffset: int64, deliveryCount: int16 }))
          })
        )
      })
    ),
    nodeEndpoints: array(struct({ nodeId: int32, host: string, port: int32, rack: string.nullable().or(null) }))
  }
)
export type ShareFetchResponse = Infer<typeof ShareFetchResponse>
