/**
 * CreatePartitions v0 to v3 (KIP-195): a topic may grow, never shrink. In v3 a client above its quota of changes is refused,
 * before that it waits (KIP-599).
 */
import type { Topic } from '../../metadata/metadata.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { CreatePartitionsRequest, CreatePartitionsResponse } from '../../wire/messages/create-partitions.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { codeOf } from '../fault-codes.ts'
import type { Handler } from '../handler.ts'
import type { MutationQuota } from '../quotas/client-quotas.ts'
import { QUOTA_EXCEEDED, quotaClient } from '../quotas/mutation-answers.ts'
import { assignmentProblem } from './alter-partition-reassignments.ts'

type Answer = InferInput<typeof CreatePartitionsResponse>
type TopicAnswer = Answer['results'][number]
type Wanted = CreatePartitionsRequest['topics'][number]

interface Problem {
  readonly errorCode: number
  readonly errorMessage: string | null
}

const PARTITIONS_MAX = 10_000
/** The first version whose clients know THROTTLING_QUOTA_EXCEEDED. */
const STRICT_QUOTA_VERSION = 3

export function createPartitionsHandler(parts: BrokerParts): Handler<CreatePartitionsRequest, Answer> {
  return async ({ topics, validateOnly }, context) => {
    const quota = parts.quotas.mutations(quotaClient(context), context.apiVersion >= STRICT_QUOTA_VERSION)
    const results: TopicAnswer[] = []
    const seen = new Set<string>()
    for (const wanted of topics) {
      const { name } = wanted
      if (seen.has(name)) continue
      seen.add(name)
      const repeated = topics.filter((other) => other.name === name).length > 1
      const errorMessage = `Topic ${name} is named twice in the request.`
      const problem = repeated
        ? { errorCode: ErrorCode.INVALID_REQUEST, errorMessage }
        : await grow(parts, quota, wanted, validateOnly)
      results.push({ name, errorCode: ErrorCode.NONE, errorMessage: null, ...problem })
    }
    return { throttleTimeMs: quota.throttleMs, results }
  }
}

async function grow(
  { topics, moves }: BrokerParts,
  quota: MutationQuota,
  wanted: Wanted,
  validateOnly: boolean
): Promise<Problem | undefined> {
  const topic = topics.get(wanted.name)
  if (topic === undefined) return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: null }
  const problem = countProblem(topic, wanted)
  if (problem !== undefined) return problem
  if (!quota.take(wanted.count - topic.partitions.length)) return QUOTA_EXCEEDED
  const badAssignment = assignmentsProblem(wanted, moves.brokers())
  if (badAssignment !== undefined) return badAssignment
  try {
    if (!validateOnly) await topics.grow(topic, wanted.count, leadersOf(wanted))
    return undefined
  } catch (error) {
    return { errorCode: codeOf(error), errorMessage: String(error) }
  }
}

/** By the assignments, if there are any. */
function leadersOf({ assignments }: Wanted): readonly number[] | undefined {
  return assignments?.flatMap(({ brokerIds }) => brokerIds[0] ?? [])
}

function countProblem({ name, partitions }: Topic, { count, assignments }: Wanted): Problem | undefined {
  const current = partitions.length
  if (count <= current || count > PARTITIONS_MAX) {
    const errorMessage = `Topic ${name} has ${current} partitions; the new count must be larger, and at most ${PARTITIONS_MAX}, not ${count}.`
    return { errorCode: ErrorCode.INVALID_PARTITIONS, errorMessage }
  }
  if (assignments === null || assignments.length === count - current) return undefined
  const errorMessage = `${count - current} partitions are to be added, and there are assignments for ${assignments.length}.`
  return { errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT, errorMessage }
}

/** Partitions have one replica, so an assignment to several brokers contradicts those that are there. */
function assignmentsProblem({ assignments }: Wanted, brokers: readonly number[]): Problem | undefined {
  for (const { brokerIds } of assignments ?? []) {
    const several = brokerIds.length > 1 ? `A partition has 1 replica here, not ${brokerIds.length}.` : undefined
    const errorMessage = assignmentProblem(brokerIds, brokers) ?? several
    if (errorMessage !== undefined) return { errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT, errorMessage }
  }
  return undefined
}
