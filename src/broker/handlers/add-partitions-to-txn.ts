/**
 * AddPartitionsToTxn v0 to v5 (KIP-98, KIP-890): up to v3 a client adds partitions to its transaction; from v4 on brokers
 * do, or ask whether a client has, for many transactions at once: in a cluster, nobody else may.
 *
 * A transaction with a partition that does not exist gets none of its partitions. Nor does one with a partition of an
 * internal topic, from a client: AddOffsetsToTxn is how a group's becomes part of it.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse
} from '../../wire/messages/add-partitions-to-txn.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { Handler } from '../handler.ts'
import type { NodeSecurity } from '../security/node-security.ts'
import type { Topics } from '../topics.ts'
import type { TransactionCoordinator } from '../transactions/transaction-coordinator.ts'
import type { TopicPartition } from '../transactions/transaction-partitions.ts'

type Answer = InferInput<typeof AddPartitionsToTxnResponse>
type TopicsAnswer = NonNullable<Answer['resultsByTopicV3AndBelow']>
type Asked = AddPartitionsToTxnRequest['transactions'][number]

/** The first version that is for brokers. */
const BROKER_VERSION = 4
/** The first version whose clients know PRODUCER_FENCED. */
const FENCED_VERSION = 2

export function addPartitionsToTxnHandler(
  topics: Pick<Topics, 'get'>,
  transactions: TransactionCoordinator,
  security?: NodeSecurity
): Handler<AddPartitionsToTxnRequest, Answer> {
  const add = async (asked: Asked, apiVersion: number): Promise<TopicsAnswer> => {
    const partitions = asked.topics.flatMap(({ name, partitions: indexes }) =>
      indexes.map((partition) => ({ topic: name, partition }))
    )
    const problem = ({ topic, partition }: TopicPartition): number => {
      const known = topics.get(topic)
      if (known?.internal && apiVersion < BROKER_VERSION) return ErrorCode.TOPIC_AUTHORIZATION_FAILED
      return known?.partitions[partition] === undefined ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.NONE
    }
    if (partitions.some((one) => problem(one) !== ErrorCode.NONE)) {
      return answered(asked, (one) => problem(one) || ErrorCode.OPERATION_NOT_ATTEMPTED)
    }
    const { transactionalId, verifyOnly } = asked
    const producer = { id: asked.producerId, epoch: asked.producerEpoch }
    if (verifyOnly) {
      const codes = await transactions.verify({ transactionalId, producer, partitions, add: false })
      const byPartition = new Map(partitions.map(({ topic, partition }, at) => [`${topic}-${partition}`, codes[at]]))
      return answered(
        asked,
        ({ topic, partition }) => byPartition.get(`${topic}-${partition}`) ?? ErrorCode.UNKNOWN_SERVER_ERROR
      )
    }
    const version = apiVersion >= BROKER_VERSION ? 2 : 0
    const error = await transactions.addPartitions(transactionalId, producer, partitions, version)
    const unknown = error === ErrorCode.PRODUCER_FENCED && apiVersion < FENCED_VERSION
    return answered(asked, () => (unknown ? ErrorCode.INVALID_PRODUCER_EPOCH : error))
  }
  return async (request, { apiVersion, peer }) => {
    if (apiVersion < BROKER_VERSION) {
      return { throttleTimeMs: 0, resultsByTopicV3AndBelow: await add(ofClient(request), apiVersion) }
    }
    if (security?.requireNodeAuthentication === true && !peer.isNode) {
      return { throttleTimeMs: 0, errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED, resultsByTransaction: [] }
    }
    const results = request.transactions.map(async (asked) => ({
      transactionalId: asked.transactionalId,
      topicResults: await add(asked, apiVersion)
    }))
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, resultsByTransaction: await Promise.all(results) }
  }
}

function ofClient(request: AddPartitionsToTxnRequest): Asked {
  return {
    transactionalId: request.v3AndBelowTransactionalId,
    producerId: request.v3AndBelowProducerId,
    producerEpoch: request.v3AndBelowProducerEpoch,
    verifyOnly: false,
    topics: request.v3AndBelowTopics
  }
}

function answered(asked: Asked, codeOf: (one: TopicPartition) => number): TopicsAnswer {
  return asked.topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex) => ({
      partitionIndex,
      partitionErrorCode: codeOf({ topic: name, partition: partitionIndex })
    }))
  }))
}
