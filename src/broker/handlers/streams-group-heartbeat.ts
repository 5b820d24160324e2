/**
 * StreamsGroupHeartbeat v0 (KIP-1071): a member of a Streams group joins, reports or leaves, and learns its tasks.
 *
 * Creates the internal topics of the application as its members describe them. As in Kafka 4.3 there are no static
 * members, no regular expressions for source topics, no warmup tasks, no task offsets and no updates of a topology: a
 * request that uses one of them is INVALID_REQUEST.
 */
import type { StreamsGroupHeartbeatRequest } from '../../wire/messages/streams-group-heartbeat.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { InternalTopics, type TopicCreation } from '../groups/streams/internal-topics.ts'
import type { StreamsGroups } from '../groups/streams/streams-groups.ts'
import type { HeartbeatAnswer, HeartbeatResponse } from '../groups/streams/streams-heartbeat.ts'
import { StatusCode } from '../groups/streams/topology-configuration.ts'
import type { Handler } from '../handler.ts'
import { createTopicsHandler } from './create-topics.ts'

const CREATION_TIMEOUT_MS = 30_000

export function streamsGroupHeartbeatHandler(
  parts: BrokerParts,
  groups: StreamsGroups
): Handler<StreamsGroupHeartbeatRequest, HeartbeatResponse> {
  const internalTopics = new InternalTopics(parts.clock)
  const createTopics = createTopicsHandler(parts)
  return async (request, context) => {
    const { clientId, clientHost } = context
    const answer = await groups.heartbeat(request, { clientId: clientId ?? '', clientHost })
    if (answer.missing.length === 0) return answer.response
    const create = async (topics: readonly TopicCreation[]) => (await createTopics(creation(topics), context)).topics
    // Two heartbeats later it is tried again.
    const retryMs = 2 * parts.live.groupSettings(request.groupId).streamsHeartbeatIntervalMs
    void internalTopics.create(answer.missing, create, retryMs)
    return withFailure(answer, internalTopics.failure(answer.missing))
  }
}

function creation(topics: readonly TopicCreation[]) {
  const wanted = topics.map((topic) => ({ ...topic, configs: [...topic.configs], assignments: [] }))
  return { topics: wanted, timeoutMs: CREATION_TIMEOUT_MS, validateOnly: false }
}

function withFailure({ response }: HeartbeatAnswer, failure: string | undefined): HeartbeatResponse {
  if (failure === undefined || response.status === null) return response
  const status = response.status.map((told) =>
    told.statusCode === StatusCode.MISSING_INTERNAL_TOPICS
      ? { ...told, statusDetail: `${told.statusDetail}; their creation failed: ${failure}.` }
      : told
  )
  return { ...response, status }
}
