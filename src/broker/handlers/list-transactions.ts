/** ListTransactions v0 to v2 (KIP-664, KIP-994, KIP-1152): those whose coordinator this broker is. */
import { isFault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { ListTransactionsRequest, ListTransactionsResponse } from '../../wire/messages/list-transactions.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { TopicPattern } from '../groups/consumer/topic-pattern.ts'
import type { Handler } from '../handler.ts'
import type { TransactionCoordinator } from '../transactions/transaction-coordinator.ts'
import { filterTransactions, unknownStates } from '../transactions/transaction-filter.ts'

type Answer = InferInput<typeof ListTransactionsResponse>

export function listTransactionsHandler(
  { clock }: Pick<BrokerParts, 'clock'>,
  coordinator: TransactionCoordinator
): Handler<ListTransactionsRequest, Answer> {
  return async (request) => {
    const unknownStateFilters = unknownStates(request.stateFilters)
    const matches = matcher(request.transactionalIdPattern)
    if (matches === undefined) return refuse(ErrorCode.INVALID_REGULAR_EXPRESSION)
    const { error, transactions } = await coordinator.list()
    if (error !== ErrorCode.NONE) return refuse(error)
    const shown = filterTransactions(transactions, request, matches, clock.now())
    return {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      unknownStateFilters,
      transactionStates: shown.map(({ transactionalId, producerId, state }) => {
        return { transactionalId, producerId, transactionState: state }
      })
    }
  }
}

/** Undefined when the pattern is no regular expression. */
function matcher(pattern: string | null): ((transactionalId: string) => boolean) | undefined {
  if (pattern === null || pattern === '') return () => true
  try {
    const compiled = new TopicPattern(pattern)
    return (transactionalId) => compiled.matches(transactionalId)
  } catch (error) {
    if (isFault(error, 'invalid')) return undefined
    throw error
  }
}

function refuse(errorCode: number): Answer {
  return { throttleTimeMs: 0, errorCode, unknownStateFilters: [], transactionStates: [] }
}
