/**
 * Asks the coordinator of a transactional id about a transaction, wherever it is: here, or by AddPartitionsToTxn v5 to the
 * broker that leads its partition of `__transaction_state` (KIP-890). Whatever keeps a coordinator from being reached is told
 * as an error that passes; nothing is retried.
 */
import { isFault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { AddPartitionsToTxnRequest, AddPartitionsToTxnResponse } from '../../wire/messages/add-partitions-to-txn.ts'
import type { CoordinatorPlaces } from '../coordinator-places.ts'
import { BatchedCalls } from '../nodes/batched-calls.ts'
import type { NodeCalls } from '../nodes/node-calls.ts'
import { byTopic } from './partitions-by-topic.ts'
import { partitionKey } from './transaction.ts'
import type { TransactionVerification, VerificationRequest } from './transaction-partitions.ts'

export interface RoutedVerificationParts {
  readonly nodeId: number
  /** The coordinator of what this broker leads. */
  readonly local: TransactionVerification
  readonly places: CoordinatorPlaces
  readonly nodes: NodeCalls
}

const ADD_PARTITIONS = { request: AddPartitionsToTxnRequest, response: AddPartitionsToTxnResponse }
const VERSION = 5

export class RoutedVerification implements TransactionVerification {
  readonly #parts: RoutedVerificationParts
  readonly #calls: BatchedCalls<VerificationRequest, readonly number[]>

  constructor(parts: RoutedVerificationParts) {
    this.#parts = parts
    this.#calls = new BatchedCalls((nodeId, requests) => this.#ask(nodeId, requests))
  }

  async verify(request: VerificationRequest): Promise<readonly number[]> {
    const { places, local, nodeId } = this.#parts
    try {
      const place = await places.find(request.transactionalId)
      if (place === undefined) return all(request, ErrorCode.COORDINATOR_NOT_AVAILABLE)
      return await (place.nodeId === nodeId ? local.verify(request) : this.#calls.ask(place.nodeId, request))
    } catch (error) {
      if (!isFault(error)) throw error
      return all(request, ErrorCode.NETWORK_EXCEPTION)
    }
  }

  async #ask(nodeId: number, requests: readonly VerificationRequest[]): Promise<readonly (readonly number[])[]> {
    const transactions = requests.map(({ transactionalId, producer, partitions, add }) => ({
      transactionalId,
      producerId: producer.id,
      producerEpoch: producer.epoch,
      verifyOnly: !add,
      topics: byTopic(partitions).map(([name, indexes]) => ({ name, partitions: indexes }))
    }))
    const answer = await this.#parts.nodes.send(nodeId, ADD_PARTITIONS, VERSION, { transactions })
    const { errorCode, resultsByTransaction } = answer
    if (errorCode !== ErrorCode.NONE) return requests.map((request) => all(request, wholeError(errorCode)))
    return requests.map(({ partitions }, place) => {
      const codes = new Map<string, number>()
      for (const { name: topic, resultsByPartition } of resultsByTransaction[place]?.topicResults ?? []) {
        for (const { partitionIndex: partition, partitionErrorCode } of resultsByPartition) {
          codes.set(partitionKey({ topic, partition }), partitionErrorCode)
        }
      }
      return partitions.map((one) => partitionError(codes.get(partitionKey(one))))
    })
  }
}

function all({ partitions }: VerificationRequest, code: number): readonly number[] {
  return partitions.map(() => code)
}

/** As Kafka: no client can do anything about brokers that do not trust each other. */
function wholeError(code: number): number {
  return code === ErrorCode.CLUSTER_AUTHORIZATION_FAILED ? ErrorCode.INVALID_TXN_STATE : code
}

/**
 * Whoever asks has the partition open: when the coordinator does not know it, it has not heard of it yet. (Kafka hands these
 * to the producer as they are, which gives up at the second.)
 */
function partitionError(code: number | undefined): number {
  switch (code) {
    case undefined:
      return ErrorCode.UNKNOWN_SERVER_ERROR
    case ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
    case ErrorCode.OPERATION_NOT_ATTEMPTED:
      return ErrorCode.COORDINATOR_NOT_AVAILABLE
    default:
      return code
  }
}
