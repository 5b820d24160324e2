import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, int64, string, struct } from '../schema.ts'

/** DescribeProducers (key 61), request: asks for the active producers of partitions (KIP-664). */
export const DescribeProducersRequest = request(
  { name: 'DescribeProducers', apiKey: 61, versions: [0, 0], flexibleFrom: 0 },
  { topics: array(struct({ name: string, partitionIndexes: array(int32) })) }
)
export type DescribeProducersRequest = Infer<typeof DescribeProducersRequest>

/** DescribeProducers (key 61), response: producers with their epoch, sequence and open transaction, per partition. */
export const DescribeProducersResponse = response(
  { name: 'DescribeProducers', apiKey: 61, versions: [0, 0], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            errorMessage: string.nullable().or(null),
            activeProducers: array(
              struct({
                producerId: int64,
                producerEpoch: int32,
                lastSequence: int32.or(-1),
                lastTimestamp: int64.or(-1),
                coordinatorEpoch: int32,
                currentTxnStartOffset: int64.or(-1)
              })
            )
          })
        )
      })
    )
  }
)
export type DescribeProducersResponse = Infer<typeof DescribeProducersResponse>
