/**
 * DeleteTopics v1 to v6 (by id from v6 on, KIP-516): the topic, its records and what groups committed for it are gone.
 * From v5 on a client above its quota of changes is refused, before that it waits (KIP-599).
 * Unlike in Kafka, internal topics cannot be deleted.
 */
import type { Topic } from '../../metadata/metadata.ts'
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { DeleteTopicsRequest, DeleteTopicsResponse } from '../../wire/messages/delete-topics.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { codeOf } from '../fault-codes.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Handler } from '../handler.ts'
import type { MutationQuota } from '../quotas/client-quotas.ts'
import { QUOTA_EXCEEDED, quotaClient } from '../quotas/mutation-answers.ts'

type Answer = InferInput<typeof DeleteTopicsResponse>
type TopicAnswer = Answer['responses'][number]
type Wanted = DeleteTopicsRequest['topics'][number]

/** The first version that lists topics by name or id. */
const TOPIC_IDS_VERSION = 6
/** The first version whose clients know THROTTLING_QUOTA_EXCEEDED. */
const STRICT_QUOTA_VERSION = 5

/** What one entry of the request means. */
type Found = { readonly wanted: Wanted; readonly topic: Topic } | { readonly refusal: TopicAnswer }

export function deleteTopicsHandler(
  parts: BrokerParts,
  groups: GroupCoordinator
): Handler<DeleteTopicsRequest, Answer> {
  return async (request, context) => {
    const quota = parts.quotas.mutations(quotaClient(context), context.apiVersion >= STRICT_QUOTA_VERSION)
    const byName = request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }))
    const found = findAll(parts.topics, context.apiVersion < TOPIC_IDS_VERSION ? byName : request.topics)
    const responses: TopicAnswer[] = []
    for (const entry of found) {
      responses.push('refusal' in entry ? entry.refusal : await remove(parts.topics, groups, quota, entry.topic))
    }
    return { throttleTimeMs: quota.throttleMs, responses }
  }
}

/** Each entry once; those that mean the same topic in two ways are refused, since only one of them could succeed. */
function findAll(topics: BrokerParts['topics'], all: readonly Wanted[]): Found[] {
  const times = countBy(all, keyOf)
  const distinct = new Map(all.map((wanted) => [keyOf(wanted), wanted]))
  const found = [...distinct].map(([key, wanted]): Found => {
    if ((times.get(key) ?? 0) > 1) return refused(wanted, 'The topic is named twice in the request.')
    return find(topics, wanted)
  })
  const meant = countBy(found, (entry) => ('topic' in entry ? entry.topic.id : undefined))
  return found.map((entry) => {
    if (!('topic' in entry) || (meant.get(entry.topic.id) ?? 0) < 2) return entry
    return refused(entry.wanted, 'The topic stands in the request by its name and by its id.')
  })
}

function find(topics: BrokerParts['topics'], wanted: Wanted): Found {
  const { name, topicId } = wanted
  if (name !== null && topicId !== ZERO_UUID) return refused(wanted, 'Name a topic or its id, not both.')
  if (name === null && topicId === ZERO_UUID) return refused(wanted, 'Name a topic or its id.')
  const topic = name === null ? topics.byId(topicId) : topics.get(name)
  if (topic === undefined) {
    const errorCode = name === null ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return { refusal: { name, topicId, errorCode, errorMessage: null } }
  }
  return topic.internal ? refused(wanted, `${topic.name} belongs to the broker and stays.`) : { wanted, topic }
}

async function remove(
  topics: BrokerParts['topics'],
  groups: GroupCoordinator,
  quota: MutationQuota,
  topic: Topic
): Promise<TopicAnswer> {
  const { name, id: topicId } = topic
  if (!quota.take(topic.partitions.length)) return { name, topicId, ...QUOTA_EXCEEDED }
  try {
    await topics.delete(topic)
    await groups.forgetTopic(name)
    return { name, topicId, errorCode: ErrorCode.NONE }
  } catch (error) {
    return { name, topicId, errorCode: codeOf(error), errorMessage: String(error) }
  }
}

function refused({ name, topicId }: Wanted, errorMessage: string): Found {
  return { refusal: { name, topicId, errorCode: ErrorCode.INVALID_REQUEST, errorMessage } }
}

function keyOf({ name, topicId }: Wanted): string {
  return `${topicId}/${name}`
}

/** How often each key comes; undefined is no key. */
function countBy<T>(items: readonly T[], key: (item: T) => string | undefined): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const item of items) {
    const its = key(item)
    if (its !== undefined) counts.set(its, (counts.get(its) ?? 0) + 1)
  }
  return counts
}
