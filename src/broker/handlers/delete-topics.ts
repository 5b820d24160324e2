/** DeleteTopics v1 to v6 (by id from v6 on, KIP-516): the topic, its records and what groups committed for it are gone. */
import type { Topic } from '../../metadata/metadata.ts'
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { DeleteTopicsRequest, DeleteTopicsResponse } from '../../wire/messages/delete-topics.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { codeOf } from '../fault-codes.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof DeleteTopicsResponse>
type TopicAnswer = Answer['responses'][number]
type Wanted = DeleteTopicsRequest['topics'][number]

/** The first version that lists topics by name or id. */
const TOPIC_IDS_VERSION = 6

export function deleteTopicsHandler(
  parts: BrokerParts,
  groups: GroupCoordinator
): Handler<DeleteTopicsRequest, Answer> {
  return async (request, context) => {
    const byName = request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }))
    const responses: TopicAnswer[] = []
    const all = context.apiVersion < TOPIC_IDS_VERSION ? byName : request.topics
    const seen = new Set<string>()
    for (const wanted of all) {
      const key = `${wanted.topicId}/${wanted.name}`
      if (seen.has(key)) continue
      seen.add(key)
      const repeated = all.filter(({ name, topicId }) => name === wanted.name && topicId === wanted.topicId).length > 1
      responses.push(
        repeated
          ? refuse(wanted, ErrorCode.INVALID_REQUEST, 'The topic is named twice in the request.')
          : await remove(parts, groups, wanted)
      )
    }
    return { responses }
  }
}

async function remove({ topics }: BrokerParts, groups: GroupCoordinator, wanted: Wanted): Promise<TopicAnswer> {
  const { name, topicId } = wanted
  if (name !== null && topicId !== ZERO_UUID)
    return refuse(wanted, ErrorCode.INVALID_REQUEST, 'Name a topic or its id, not both.')
  if (name === null && topicId === ZERO_UUID)
    return refuse(wanted, ErrorCode.INVALID_REQUEST, 'Name a topic or its id.')
  const topic = name === null ? topics.byId(topicId) : topics.get(name)
  if (topic === undefined) {
    return refuse(wanted, name === null ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, null)
  }
  if (topic.internal) return refuse(wanted, ErrorCode.INVALID_REQUEST, `${topic.name} belongs to the broker and stays.`)
  return removeTopic(topics, groups, topic)
}

async function removeTopic(
  topics: BrokerParts['topics'],
  groups: GroupCoordinator,
  topic: Topic
): Promise<TopicAnswer> {
  const { name, id: topicId } = topic
  try {
    await topics.delete(topic)
    await groups.forgetTopic(name)
    return { name, topicId, errorCode: ErrorCode.NONE }
  } catch (error) {
    return refuse({ name, topicId }, codeOf(error), String(error))
  }
}

function refuse({ name, topicId }: Wanted, errorCode: number, errorMessage: string | null): TopicAnswer {
  return { name, topicId, errorCode, errorMessage }
}
