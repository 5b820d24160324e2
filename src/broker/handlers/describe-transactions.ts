/** DescribeTransactions v0 (KIP-664): state, producer and partitions of transactional ids. */
import { ErrorCode } from '../../wire/error-codes.ts'
import type {
  DescribeTransactionsRequest,
  DescribeTransactionsResponse
} from '../../wire/messages/describe-transactions.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { Handler } from '../handler.ts'
import type { Transaction } from '../transactions/transaction.ts'
import type { TransactionCoordinator } from '../transactions/transaction-coordinator.ts'

type Answer = InferInput<typeof DescribeTransactionsResponse>
type StateAnswer = Answer['transactionStates'][number]

export function describeTransactionsHandler(
  transactions: TransactionCoordinator
): Handler<DescribeTransactionsRequest, Answer> {
  const describe = async (transactionalId: string): Promise<StateAnswer> => {
    const { error, transaction } = await transactions.describe(transactionalId)
    return transaction === undefined ? { ...NOTHING, errorCode: error, transactionalId } : description(transaction)
  }
  return async ({ transactionalIds }) => {
    return { throttleTimeMs: 0, transactionStates: await Promise.all(transactionalIds.map(describe)) }
  }
}

const NOTHING = {
  transactionState: '',
  transactionTimeoutMs: 0,
  transactionStartTimeMs: 0,
  producerId: 0,
  producerEpoch: 0,
  topics: []
}

function description(transaction: Transaction): StateAnswer {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of transaction.partitions.values()) {
    const known = topics.get(topic)
    if (known === undefined) topics.set(topic, [partition])
    else known.push(partition)
  }
  return {
    errorCode: ErrorCode.NONE,
    transactionalId: transaction.transactionalId,
    transactionState: transaction.state,
    transactionTimeoutMs: transaction.timeoutMs,
    transactionStartTimeMs: transaction.startedAt,
    producerId: transaction.producerId,
    producerEpoch: transaction.producerEpoch,
    topics: [...topics].map(([topic, partitions]) => ({ topic, partitions }))
  }
}
