/**
 * CreateTopics v2 to v7 (KIP-195, KIP-464, KIP-525). From v6 on a client above its quota of changes is refused, before that
 * it waits (KIP-599).
 *
 * Any replication factor from 1 on is accepted and means the same: what is acknowledged is as durable as the
 * write-ahead log and the object store, whatever the number.
 */
import { isFault } from '../../runtime/fault.ts'
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { CreateTopicsRequest, CreateTopicsResponse } from '../../wire/messages/create-topics.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { codeOf } from '../fault-codes.ts'
import type { Handler } from '../handler.ts'
import type { MutationQuota } from '../quotas/client-quotas.ts'
import { QUOTA_EXCEEDED, quotaClient } from '../quotas/mutation-answers.ts'
import { shownTopicConfigs } from '../shown-configs.ts'
import { collidingTopic, isInternalTopic, topicNameProblem } from '../topic-names.ts'
import { checkSettings, checkTogether } from '../topic-settings.ts'

type Answer = InferInput<typeof CreateTopicsResponse>
type TopicAnswer = Answer['topics'][number]
type Wanted = CreateTopicsRequest['topics'][number]

const PARTITIONS_MAX = 10_000
/** The first version whose clients know THROTTLING_QUOTA_EXCEEDED. */
const STRICT_QUOTA_VERSION = 6

interface Problem {
  readonly errorCode: number
  readonly errorMessage: string
}

export function createTopicsHandler(parts: BrokerParts): Handler<CreateTopicsRequest, Answer> {
  return async (request, context) => {
    const quota = parts.quotas.mutations(quotaClient(context), context.apiVersion >= STRICT_QUOTA_VERSION)
    const answers: TopicAnswer[] = []
    const seen = new Set<string>()
    for (const wanted of request.topics) {
      if (seen.has(wanted.name)) continue
      seen.add(wanted.name)
      const repeated = request.topics.filter(({ name }) => name === wanted.name).length > 1
      answers.push(
        repeated
          ? refuse(wanted, {
              errorCode: ErrorCode.INVALID_REQUEST,
              errorMessage: `Topic ${wanted.name} is named twice in the request.`
            })
          : await create(parts, quota, wanted, request.validateOnly)
      )
    }
    return { throttleTimeMs: quota.throttleMs, topics: answers }
  }
}

async function create(
  parts: BrokerParts,
  quota: MutationQuota,
  wanted: Wanted,
  validateOnly: boolean
): Promise<TopicAnswer> {
  const problem = nameProblem(parts, wanted) ?? sizeProblem(parts, wanted) ?? configProblem(parts, wanted)
  if (problem !== undefined) return refuse(wanted, problem)
  const numPartitions = partitionCount(parts, wanted)
  if (!quota.take(numPartitions)) return refuse(wanted, QUOTA_EXCEEDED)
  const configs = chosen(wanted)
  try {
    const topicId = validateOnly ? ZERO_UUID : await record(parts, wanted, numPartitions, configs)
    return {
      name: wanted.name,
      topicId,
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      numPartitions,
      replicationFactor: 1,
      configs: shownTopicConfigs(configs, parts.live)
    }
  } catch (error) {
    if (isFault(error, 'conflict')) return refuse(wanted, exists(wanted.name))
    return refuse(wanted, { errorCode: codeOf(error), errorMessage: String(error) })
  }
}

async function record(
  { topics }: BrokerParts,
  { name, assignments }: Wanted,
  partitions: number,
  configs: Record<string, string>
): Promise<string> {
  const byIndex = assignments.toSorted((a, b) => a.partitionIndex - b.partitionIndex)
  const leaders = byIndex.flatMap(({ brokerIds }) => brokerIds[0] ?? [])
  return (await topics.create(name, partitions, configs, leaders.length > 0 ? { leaders } : {})).id
}

function nameProblem({ topics }: BrokerParts, { name }: Wanted): Problem | undefined {
  const invalid = topicNameProblem(name)
  if (invalid !== undefined) return { errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, errorMessage: invalid }
  if (topics.get(name) !== undefined) return exists(name)
  if (isInternalTopic(name)) {
    const errorMessage = `${name} belongs to the broker, which creates it when it is first needed.`
    return { errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, errorMessage }
  }
  const colliding = collidingTopic(name, topics.names())
  if (colliding === undefined) return undefined
  return {
    errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION,
    errorMessage: `Topic '${name}' collides with existing topic: ${colliding}`
  }
}

function exists(name: string): Problem {
  return { errorCode: ErrorCode.TOPIC_ALREADY_EXISTS, errorMessage: `Topic '${name}' already exists.` }
}

function sizeProblem(parts: BrokerParts, wanted: Wanted): Problem | undefined {
  const { numPartitions, replicationFactor, assignments } = wanted
  if (assignments.length > 0) return assignmentProblem(parts, wanted)
  if (replicationFactor !== -1 && replicationFactor < 1) {
    return {
      errorCode: ErrorCode.INVALID_REPLICATION_FACTOR,
      errorMessage: 'Replication factor must be larger than 0, or -1 to use the default value.'
    }
  }
  if (numPartitions !== -1 && (numPartitions < 1 || numPartitions > PARTITIONS_MAX)) {
    return {
      errorCode: ErrorCode.INVALID_PARTITIONS,
      errorMessage: `Number of partitions must be from 1 to ${PARTITIONS_MAX}, or -1 to use the default value.`
    }
  }
  return undefined
}

function assignmentProblem({ cluster }: BrokerParts, wanted: Wanted): Problem | undefined {
  if (wanted.numPartitions !== -1 || wanted.replicationFactor !== -1) {
    return {
      errorCode: ErrorCode.INVALID_REQUEST,
      errorMessage: 'With a manual assignment, partitions and replication factor must both be -1.'
    }
  }
  const indexes = wanted.assignments.map(({ partitionIndex }) => partitionIndex).sort((a, b) => a - b)
  const dense = indexes.every((index, at) => index === at)
  const receivers = cluster.receivers()
  const known = wanted.assignments.every(
    ({ brokerIds }) => brokerIds.length > 0 && brokerIds.every((id) => receivers.includes(id))
  )
  if (dense && known) return undefined
  return {
    errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    errorMessage: `A manual assignment numbers its partitions from 0 on without gaps and names known brokers only: ${receivers.join(', ')}.`
  }
}

function configProblem({ settings, live }: BrokerParts, wanted: Wanted): Problem | undefined {
  const configs = Object.fromEntries(wanted.configs.map(({ name, value }) => [name, value]))
  const missing = wanted.configs.find(({ value }) => value === null)
  const problem =
    missing === undefined
      ? (checkSettings(configs) ?? checkTogether(chosen(wanted), settings.objectStoreProfiles, live.topicDefaults()))
      : `Null value not supported for topic configs: ${missing.name}`
  return problem === undefined ? undefined : { errorCode: ErrorCode.INVALID_CONFIG, errorMessage: problem }
}

function chosen(wanted: Wanted): Record<string, string> {
  const configs: Record<string, string> = {}
  for (const { name, value } of wanted.configs) if (value !== null) configs[name] = value
  return configs
}

function partitionCount({ settings }: BrokerParts, wanted: Wanted): number {
  if (wanted.assignments.length > 0) return wanted.assignments.length
  return wanted.numPartitions === -1 ? settings.defaultPartitions : wanted.numPartitions
}

function refuse({ name }: Wanted, problem: Problem): TopicAnswer {
  return { name, ...problem }
}
