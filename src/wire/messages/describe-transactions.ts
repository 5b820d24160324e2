import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, int64, string, struct } from '../schema.ts'

/** DescribeTransactions (key 65), request: asks for the state of transactions by transactional id (KIP-664). */
export const DescribeTransactionsRequest = request(
  { name: 'DescribeTransactions', apiKey: 65, versions: [0, 0], flexibleFrom: 0 },
  { transactionalIds: array(string) }
)
export type DescribeTransactionsRequest = Infer<typeof DescribeTransactionsRequest>

/** DescribeTransactions (key 65), response: one state or error per transactional id. */
export const DescribeTransactionsResponse = response(
  { name: 'DescribeTransactions', apiKey: 65, versions: [0, 0], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    transactionStates: array(
      struct({
        errorCode: int16,
        transactionalId: string,
        transactionState: string,
        transactionTimeoutMs: int32,
        transactionStartTimeMs: int64,
        producerId: int64,
        producerEpoch: int16,
        topics: array(struct({ topic: string, partitions: array(int32) }))
      })
    )
  }
)
export type DescribeTransactionsResponse = Infer<typeof DescribeTransactionsResponse>
