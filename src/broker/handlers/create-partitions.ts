/** CreatePartitions v0 to v3 (KIP-195): a topic may grow, never shrink. */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { CreatePartitionsRequest, CreatePartitionsResponse } from '../../wire/messages/create-partitions.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { codeOf } from '../fault-codes.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof CreatePartitionsResponse>
type TopicAnswer = Answer['results'][number]
type Wanted = CreatePartitionsRequest['topics'][number]

const PARTITIONS_MAX = 10_000

export function createPartitionsHandler(parts: BrokerParts): Handler<CreatePartitionsRequest, Answer> {
  return async (request) => {
    const results: TopicAnswer[] = []
    const seen = new Set<string>()
    for (const wanted of request.topics) {
      if (seen.has(wanted.name)) continue
      seen.add(wanted.name)
      const repeated = request.topics.filter(({ name }) => name === wanted.name).length > 1
      results.push(
        repeated
          ? refuse(wanted, ErrorCode.INVALID_REQUEST, `Topic ${wanted.name} is named twice in the request.`)
          : await grow(parts, wanted, request.validateOnly)
      )
    }
    return { throttleTimeMs: 0, results }
  }
}

async function grow({ topics, settings }: BrokerParts, wanted: Wanted, validateOnly: boolean): Promise<TopicAnswer> {
  const topic = topics.get(wanted.name)
  if (topic === undefined) return refuse(wanted, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, null)
  const current = topic.partitions.length
  if (wanted.count <= current || wanted.count > PARTITIONS_MAX) {
    const message = `Topic ${wanted.name} has ${current} partitions; the new count must be larger, and at most ${PARTITIONS_MAX}, not ${wanted.count}.`
    return refuse(wanted, ErrorCode.INVALID_PARTITIONS, message)
  }
  const { assignments } = wanted
  if (assignments !== null) {
    const known = assignments.every(
      ({ brokerIds }) => brokerIds.length > 0 && brokerIds.every((id) => id === settings.nodeId)
    )
    if (!known || assignments.length !== wanted.count - current) {
      const message = `An assignment is needed for each of the ${wanted.count - current} new partitions, to known brokers only: ${settings.nodeId}.`
      return refuse(wanted, ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)
    }
  }
  try {
    if (!validateOnly) await topics.grow(topic, wanted.count)
    return { name: wanted.name, errorCode: ErrorCode.NONE, errorMessage: null }
  } catch (error) {
    return refuse(wanted, codeOf(error), String(error))
  }
}

function refuse({ name }: Wanted, errorCode: number, errorMessage: string | null): TopicAnswer {
  return { name, errorCode, errorMessage }
}
