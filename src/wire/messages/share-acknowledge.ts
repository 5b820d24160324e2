import { request, response } from '../message.ts'
import { array, bool, type Infer, int8, int16, int32, int64Saturated, string, struct, uuid } from '../schema.ts'

/** ShareAcknowledge (key 79), request: acknowledges records that were acquired (KIP-932). */
export const ShareAcknowledgeRequest = request(
  { name: 'ShareAcknowledge', apiKey: 79, versions: [1, 2], flexibleFrom: 0 },
  {
    groupId: string.nullable().or(null),
    memberId: string.nullable(),
    shareSessionEpoch: int32,
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
    )
  }
)
export type ShareAcknowledgeRequest = Infer<typeof ShareAcknowledgeRequest>

/** ShareAcknowledge (key 79), response: one error per partition. */
export const ShareAcknowledgeResponse = response(
  { name: 'ShareAcknowledge', apiKey: 79, versions: [1, 2], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable().or(null),
    acquisitionLockTimeoutMs: int32.in('2+').ignorable(),
    responses: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            errorMessage: string.nullable().or(null),
            currentLeader: struct({ leaderId: int32, leaderEpoch: int32 })
          })
        )
      })
    ),
    nodeEndpoints: array(struct({ nodeId: int32, host: string, port: int32, rack: string.nullable().or(null) }))
  }
)
export type ShareAcknowledgeResponse = Infer<typeof ShareAcknowledgeResponse>
