import { request, response } from '../message.ts'
import { array, type Infer, int16, int32, int64, int64Saturated, string, struct } from '../schema.ts'

/** ListTransactions (key 66), request: asks for the transactions that a coordinator knows (KIP-664, duration filter by KIP-994, pattern by KIP-1152). */
export const ListTransactionsRequest = request(
  { name: 'ListTransactions', apiKey: 66, versions: [0, 2], flexibleFrom: 0 },
  {
    stateFilters: array(string),
    producerIdFilters: array(int64Saturated),
    durationFilter: int64Saturated.in('1+').or(-1),
    transactionalIdPattern: string.nullable('2+').in('2+').or(null)
  }
)
export type ListTransactionsRequest = Infer<typeof ListTransactionsRequest>

/** ListTransactions (key 66), response: their ids and states. */
export const ListTransactionsResponse = response(
  { name: 'ListTransactions', apiKey: 66, versions: [0, 2], flexibleFrom: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    unknownStateFilters: array(string),
    transactionStates: array(struct({ transactionalId: string, producerId: int64, transactionState: string }))
  }
)
export type ListTransactionsResponse = Infer<typeof ListTransactionsResponse>
