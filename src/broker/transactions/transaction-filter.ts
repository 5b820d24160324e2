/** Which transactions ListTransactions shows (KIP-664, KIP-994, KIP-1152). Pure. */
import type { ListTransactionsRequest } from '../../wire/messages/list-transactions.ts'
import type { Transaction, TransactionState } from './transaction.ts'

const STATES: readonly TransactionState[] = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort'
]
/** States of Kafka that a transaction here is never shown in: legal to ask for, and nobody is. */
const NEVER_SHOWN = ['Dead', 'PrepareEpochFence']

/** Those of the names that are no state. */
export function unknownStates(names: readonly string[]): string[] {
  return names.filter((name) => !NEVER_SHOWN.includes(name) && !STATES.some((state) => state === name))
}

/** `matches`: whether the id has the pattern asked for. */
export function filterTransactions(
  transactions: readonly Transaction[],
  request: Pick<ListTransactionsRequest, 'stateFilters' | 'producerIdFilters' | 'durationFilter'>,
  matches: (transactionalId: string) => boolean,
  now: number
): Transaction[] {
  const producerIds = new Set(request.producerIdFilters)
  const states = new Set<string>(request.stateFilters)
  const { durationFilter } = request
  return transactions.filter(({ producerId, state, startedAt, transactionalId }) => {
    if (producerIds.size > 0 && !producerIds.has(producerId)) return false
    if (states.size > 0 && !states.has(state)) return false
    if (durationFilter >= 0 && now - startedAt <= durationFilter) return false
    return matches(transactionalId)
  })
}
