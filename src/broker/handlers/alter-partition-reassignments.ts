/**
 * AlterPartitionReassignments v0 and v1 (KIP-455, KIP-860): moves partitions to other brokers, or cancels such moves.
 *
 * Of the brokers that a request names for a partition the first one leads it, and is its only replica: the storage is
 * what is replicated. On one node a move to it is done at once.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse
} from '../../wire/messages/alter-partition-reassignments.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { codeOf } from '../fault-codes.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof AlterPartitionReassignmentsResponse>
type PartitionAnswer = Answer['responses'][number]['partitions'][number]
type Wanted = AlterPartitionReassignmentsRequest['topics'][number]['partitions'][number]

interface Outcome {
  readonly errorCode: number
  readonly errorMessage: string | null
}

const DONE: Outcome = { errorCode: ErrorCode.NONE, errorMessage: null }

export function alterPartitionReassignmentsHandler(
  parts: BrokerParts
): Handler<AlterPartitionReassignmentsRequest, Answer> {
  return async (request) => {
    const { allowReplicationFactorChange, topics } = request
    const responses: Answer['responses'][number][] = []
    for (const { name, partitions } of topics) {
      const answers: PartitionAnswer[] = []
      for (const wanted of partitions) {
        const outcome = await reassign(parts, name, wanted, allowReplicationFactorChange)
        answers.push({ partitionIndex: wanted.partitionIndex, ...outcome })
      }
      responses.push({ name, partitions: answers })
    }
    return { throttleTimeMs: 0, allowReplicationFactorChange, ...DONE, responses }
  }
}

async function reassign(
  { topics, moves }: BrokerParts,
  name: string,
  { partitionIndex, replicas }: Wanted,
  factorMayChange: boolean
): Promise<Outcome> {
  const partition = topics.get(name)?.partitions[partitionIndex]
  if (partition === undefined) {
    return refuse(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `There is no partition ${name}-${partitionIndex}.`)
  }
  try {
    if (replicas === null) {
      if (await moves.cancel(name, partitionIndex)) return DONE
      return refuse(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, `${name}-${partitionIndex} is not on its way to a broker.`)
    }
    const problem = assignmentProblem(replicas, moves.brokers())
    if (problem !== undefined) return refuse(ErrorCode.INVALID_REPLICA_ASSIGNMENT, problem)
    if (replicas.length > 1 && !factorMayChange) {
      const message = `${name}-${partitionIndex} has 1 replica, and the request forbids to change that.`
      return refuse(ErrorCode.INVALID_REPLICATION_FACTOR, message)
    }
    await moves.begin(name, partition, replicas[0] ?? partition.leader)
    return DONE
  } catch (error) {
    return refuse(codeOf(error), String(error))
  }
}

/** Why these brokers cannot be the replicas of a partition, or undefined when they can. */
export function assignmentProblem(replicas: readonly number[], brokers: readonly number[]): string | undefined {
  if (replicas.length === 0) return 'An assignment needs at least one broker.'
  const unknown = replicas.find((id) => !brokers.includes(id))
  if (unknown !== undefined) return `There is no broker ${unknown}. Known are ${brokers.join(', ')}.`
  return new Set(replicas).size < replicas.length ? 'An assignment names a broker more than once.' : undefined
}

function refuse(errorCode: number, errorMessage: string): Outcome {
  return { errorCode, errorMessage }
}
