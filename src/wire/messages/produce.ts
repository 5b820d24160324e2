import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, int64, records, string, struct, uuid } from '../schema.ts'

const nodeEndpoint = struct({ nodeId: int32, host: string, port: int32, rack: string.nullable().or(null) })

/**
 * Produce (key 0), request: appends record batches, whole and opaque, to partitions. Transactions by KIP-98, topic
 * ids from v13 (KIP-516).
 */
export const ProduceRequest = request(
  { name: 'Produce', apiKey: 0, versions: [3, 13], flexibleFrom: 9 },
  {
    transactionalId: string.nullable().or(null),
    acks: int16,
    timeoutMs: int32,
    topicData: array(
      struct({
        name: string.in('3-12').ignorable(),
        topicId: uuid.in('13+').ignorable(),
        partitionData: array(struct({ index: int32, records }))
      })
    )
  }
)
export type ProduceRequest = Infer<typeof ProduceRequest>

/**
 * Produce (key 0), response: one answer per partition. Record errors from v8 (KIP-467), the current leader from
 * v10 (KIP-951).
 */
export const ProduceResponse = response(
  { name: 'Produce', apiKey: 0, versions: [3, 13], flexibleFrom: 9 },
  {
    responses: array(
      struct({
        name: string.in('3-12').ignorable(),
        topicId: uuid.in('13+').ignorable(),
        partitionResponses: array(
          struct({
            index: int32,
            errorCode: int16,
            baseOffset: int64,
            logAppendTimeMs: int64.or(-1),
            logStartOffset: int64.in('5+').or(-1).ignorable(),
            recordErrors: array(struct({ batchIndex: int32, batchIndexErrorMessage: string.nullable().or(null) }))
              .in('8+')
              .ignorable(),
            errorMessage: string.nullable().in('8+').or(null).ignorable(),
            currentLeader: struct({ leaderId: int32.or(-1), leaderEpoch: int32.or(-1) }).tag(0, '10+')
          })
        )
      })
    ),
    throttleTimeMs: int32.or(0),
    nodeEndpoints: array(nodeEndpoint).tag(0, '10+')
  }
)
export type ProduceResponse = Infer<typeof ProduceResponse>
