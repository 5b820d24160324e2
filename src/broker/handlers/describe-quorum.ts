/**
 * DescribeQuorum v0 to v2 (KIP-595, KIP-836). There is no metadata log, and no quorum: metadata stands in a database. So
 * that Kafka's tools find something, this node shows itself as the one voter and leader, its epoch as the epoch, and the
 * number of the newest change as the end of the log.
 */
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { DescribeQuorumRequest, DescribeQuorumResponse } from '../../wire/messages/describe-quorum.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof DescribeQuorumResponse>
type PartitionAnswer = Answer['topics'][number]['partitions'][number]

const METADATA_TOPIC = '__cluster_metadata'
/** The first version that names where voters are reached. */
const LISTENERS_VERSION = 2

export function describeQuorumHandler(parts: BrokerParts): Handler<DescribeQuorumRequest, Answer> {
  return async ({ topics }, { apiVersion }) => {
    const [topic] = topics
    const asked = topics.length === 1 && topic?.topicName === METADATA_TOPIC && topic.partitions.length === 1
    const valid = asked && topic.partitions[0]?.partitionIndex === 0
    const quorum = valid ? await describe(parts) : undefined
    const { nodeId } = parts.cluster
    const place = parts.cluster.broker(nodeId)
    const listeners = place === undefined ? [] : [{ name: 'PLAINTEXT', host: place.host, port: place.port }]
    return {
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      topics: topics.map(({ topicName, partitions }) => ({
        topicName,
        partitions: partitions.map(({ partitionIndex }) => quorum ?? unknown(partitionIndex))
      })),
      nodes: valid && apiVersion >= LISTENERS_VERSION ? [{ nodeId, listeners }] : []
    }
  }
}

async function describe({ metadata, settings, clock }: BrokerParts): Promise<PartitionAnswer> {
  const { epoch = 0, changes = 0 } = (await metadata.nodeLife(settings.nodeId)) ?? {}
  const now = clock.now()
  const voter = {
    replicaId: settings.nodeId,
    replicaDirectoryId: ZERO_UUID,
    logEndOffset: changes + 1,
    lastFetchTimestamp: now,
    lastCaughtUpTimestamp: now
  }
  return {
    partitionIndex: 0,
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    leaderId: settings.nodeId,
    leaderEpoch: epoch,
    highWatermark: changes + 1,
    currentVoters: [voter],
    observers: []
  }
}

function unknown(partitionIndex: number): PartitionAnswer {
  return {
    partitionIndex,
    errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    errorMessage: `Only the quorum of ${METADATA_TOPIC}-0 can be described.`,
    leaderId: 0,
    leaderEpoch: 0,
    highWatermark: 0,
    currentVoters: [],
    observers: []
  }
}
