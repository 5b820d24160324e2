/**
 * ElectLeaders v0 to v2 (KIP-183, KIP-460). A partition has one replica, which is its preferred leader and leads it as long
 * as its broker lives: there is never anything to elect. Without a list all partitions are meant, and those that need
 * no election, which is all, are left out.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { ElectLeadersRequest, ElectLeadersResponse } from '../../wire/messages/elect-leaders.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof ElectLeadersResponse>

/** `ElectionType` of Kafka's client. */
const ELECTION = { preferred: 0, unclean: 1 } as const

export function electLeadersHandler(parts: BrokerParts): Handler<ElectLeadersRequest, Answer> {
  return ({ electionType, topicPartitions }) => {
    const known = electionType === ELECTION.preferred || electionType === ELECTION.unclean
    const unknownType = `Election type ${electionType} is not known.`
    const refusal = known ? undefined : { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: unknownType }
    const wanted = topicPartitions ?? (known ? everything(parts) : [])
    const replicaElectionResults = wanted.map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions
        .map((partitionId) => ({ partitionId, ...(refusal ?? elect(parts, electionType, topic, partitionId)) }))
        .filter(({ errorCode }) => topicPartitions !== null || errorCode !== ErrorCode.ELECTION_NOT_NEEDED)
    }))
    return { throttleTimeMs: 0, errorCode: refusal?.errorCode ?? ErrorCode.NONE, replicaElectionResults }
  }
}

function everything({ topics }: BrokerParts) {
  return topics.all().map(({ name, partitions }) => ({ topic: name, partitions: partitions.map(({ index }) => index) }))
}

function elect({ topics, moves }: BrokerParts, electionType: number, topic: string, index: number) {
  const partition = topics.get(topic)?.partitions[index]
  if (partition === undefined) {
    const errorMessage = `There is no partition ${topic}-${index}.`
    return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage }
  }
  if (moves.brokers().includes(partition.leader))
    return { errorCode: ErrorCode.ELECTION_NOT_NEEDED, errorMessage: null }
  const preferred = electionType === ELECTION.preferred
  const errorCode = preferred ? ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE : ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE
  return { errorCode, errorMessage: `Broker ${partition.leader}, which leads ${topic}-${index}, is not there.` }
}
