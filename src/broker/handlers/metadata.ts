/**
 * Metadata v0 to v13: brokers, topics, leaders. Creates topics that a client asks for by name, if both sides allow it.
 * Unlike Kafka, which answers LEADER_NOT_AVAILABLE first, the answer waits for the new topic; the topic of committed
 * offsets comes into being with the first group and never this way.
 * Topics can be asked for by id from v12 on (KIP-516); earlier versions, whose answer cannot leave a name out, are refused.
 * Every partition has one replica, its leader, because the storage is what is replicated. One whose leader is away has
 * none until another takes over.
 */
import type { Topic } from '../../metadata/metadata.ts'
import { isFault } from '../../runtime/fault.ts'
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { MetadataRequest, MetadataResponse } from '../../wire/messages/metadata.ts'
import type { InferInput } from '../../wire/schema.ts'
import { ALL_CLUSTER_OPERATIONS, ALL_TOPIC_OPERATIONS, OPERATIONS_OMITTED } from '../advertised.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { ClusterView } from '../cluster-view.ts'
import type { Handler } from '../handler.ts'
import type { MutationQuota } from '../quotas/client-quotas.ts'
import { quotaClient } from '../quotas/mutation-answers.ts'
import { collidingTopic, isInternalTopic, topicNameProblem } from '../topic-names.ts'

type Answer = InferInput<typeof MetadataResponse>
type TopicAnswer = Answer['topics'][number]
type Wanted = { readonly name: string | null; readonly topicId: string }

/** The first version that finds topics by their id. */
const TOPIC_IDS_VERSION = 12

export function metadataHandler(parts: BrokerParts): Handler<MetadataRequest, Answer> {
  const { topics, settings, metadata, cluster } = parts
  return async (request, context) => {
    const byId = request.topics?.some(({ name, topicId }) => name === null || topicId !== ZERO_UUID) ?? false
    if (byId && context.apiVersion < TOPIC_IDS_VERSION) return refuse(request.topics ?? [])
    const all = request.topics === null || (context.apiVersion === 0 && request.topics.length === 0)
    const operations = request.includeTopicAuthorizedOperations ? ALL_TOPIC_OPERATIONS : OPERATIONS_OMITTED
    const quota = parts.quotas.mutations(quotaClient(context), false)
    const answers: TopicAnswer[] = []
    if (all) for (const topic of topics.all()) answers.push(describe(cluster, topic, operations))
    else {
      for (const wanted of once(request.topics ?? [])) {
        answers.push(await find(parts, quota, wanted, request, operations))
      }
    }
    return {
      throttleTimeMs: quota.throttleMs,
      brokers: cluster.brokers(),
      clusterId: metadata.clusterId,
      controllerId: settings.nodeId,
      topics: answers,
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? ALL_CLUSTER_OPERATIONS
        : OPERATIONS_OMITTED
    }
  }
}

async function find(
  parts: BrokerParts,
  quota: MutationQuota,
  wanted: Wanted,
  request: MetadataRequest,
  operations: number
): Promise<TopicAnswer> {
  const { topics, settings, cluster } = parts
  const { name } = wanted
  if (name === null || wanted.topicId !== ZERO_UUID) {
    const topic = topics.byId(wanted.topicId)
    if (topic !== undefined) return describe(cluster, topic, operations)
    return missing({ ...wanted, name: null }, ErrorCode.UNKNOWN_TOPIC_ID)
  }
  const topic = topics.get(name)
  if (topic !== undefined) return describe(cluster, topic, operations)
  if (topicNameProblem(name) !== undefined) return missing(wanted, ErrorCode.INVALID_TOPIC_EXCEPTION)
  if (!settings.autoCreateTopics || !request.allowAutoTopicCreation || isInternalTopic(name)) {
    return missing(wanted, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  }
  if (collidingTopic(name, topics.names()) !== undefined) return missing(wanted, ErrorCode.INVALID_TOPIC_EXCEPTION)
  quota.take(settings.defaultPartitions)
  try {
    return describe(cluster, await topics.ensure(name, settings.defaultPartitions, {}), operations)
  } catch (error) {
    if (!isFault(error)) throw error
    return missing(wanted, ErrorCode.LEADER_NOT_AVAILABLE)
  }
}

function refuse(topics: readonly Wanted[]): Answer {
  const answers = topics.map(({ name, topicId }) => missing({ name: name ?? '', topicId }, ErrorCode.INVALID_REQUEST))
  return { brokers: [], topics: answers }
}

/** Each topic once, however often it is named. */
function once(topics: readonly Wanted[]): Iterable<Wanted> {
  return new Map(topics.map((wanted) => [`${wanted.topicId}/${wanted.name}`, wanted])).values()
}

function missing({ name, topicId }: Wanted, errorCode: number): TopicAnswer {
  return { errorCode, name, topicId, partitions: [] }
}

function describe(cluster: ClusterView, topic: Topic, topicAuthorizedOperations: number): TopicAnswer {
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: topic.internal,
    partitions: topic.partitions.map(({ index, leader, leaderEpoch }) => {
      const isThere = cluster.broker(leader) !== undefined
      return {
        errorCode: isThere ? ErrorCode.NONE : ErrorCode.LEADER_NOT_AVAILABLE,
        partitionIndex: index,
        leaderId: isThere ? leader : -1,
        leaderEpoch,
        replicaNodes: [leader],
        isrNodes: isThere ? [leader] : [],
        offlineReplicas: isThere ? [] : [leader]
      }
    }),
    topicAuthorizedOperations
  }
}
