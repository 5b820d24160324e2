/** The acknowledgements of a ShareFetch or ShareAcknowledge: whether they can be meant, and what became of them. */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { Topics } from '../topics.ts'
import type { Acknowledgement } from './share-partition-state.ts'
import type { SharePartitions } from './share-partitions.ts'
import type { ShareTarget } from './share-sessions.ts'
import type { StateOutcome } from './share-state.ts'

const RENEW = 4
/** The first version of both APIs that knows renewals (KIP-1222). */
export const RENEW_VERSION = 2

interface WireTopic {
  readonly topicId: string
  readonly partitions: readonly {
    readonly partitionIndex: number
    readonly acknowledgementBatches: readonly {
      readonly firstOffset: number
      readonly lastOffset: number
      readonly acknowledgeTypes: readonly number[]
    }[]
  }[]
}

export interface AcknowledgeRequest {
  readonly groupId: string
  readonly memberId: string
  readonly apiVersion: number
  /** The request says that it renews locks. */
  readonly renews: boolean
  readonly topics: readonly WireTopic[]
}

export interface Acknowledged extends ShareTarget {
  readonly outcome: StateOutcome
}

/** One outcome for each partition that is named; partitions do not fail each other. */
export function acknowledgeAll(
  shares: SharePartitions,
  topics: Topics,
  request: AcknowledgeRequest
): Promise<Acknowledged[]> {
  const typeMax = request.apiVersion >= RENEW_VERSION ? RENEW : RENEW - 1
  const answers: Promise<Acknowledged>[] = []
  for (const { topicId, partitions } of request.topics) {
    for (const { partitionIndex: index, acknowledgementBatches } of partitions) {
      const batches = acknowledgementBatches.map(({ firstOffset, lastOffset, acknowledgeTypes }) => ({
        first: firstOffset,
        last: lastOffset,
        types: acknowledgeTypes
      }))
      const outcome = acknowledge(shares, topics, request, { topicId, index }, batches, typeMax)
      answers.push(outcome.then((settled) => ({ topicId, index, outcome: settled })))
    }
  }
  return Promise.all(answers)
}

async function acknowledge(
  shares: SharePartitions,
  topics: Topics,
  { groupId, memberId, renews }: AcknowledgeRequest,
  target: ShareTarget,
  batches: readonly Acknowledgement[],
  typeMax: number
): Promise<StateOutcome> {
  const topic = topics.byId(target.topicId)
  if (topic === undefined) return failed(ErrorCode.UNKNOWN_TOPIC_ID, `there is no topic of id ${target.topicId}`)
  const problem = problemOf(batches, typeMax, renews)
  if (problem !== undefined) return failed(ErrorCode.INVALID_REQUEST, problem)
  if (target.index >= topic.partitions.length) {
    return failed(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `${topic.name} has no partition ${target.index}`)
  }
  if (batches.length === 0) return failed(ErrorCode.NONE, null)
  const share = shares.get(groupId, target)
  if (share !== undefined) return share.acknowledge(memberId, batches)
  if (topics.partition(topic.name, target.index) === undefined) {
    return failed(topics.absence(topic.name, target.index), `this broker does not lead ${topic.name}-${target.index}`)
  }
  return failed(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `nothing of ${topic.name}-${target.index} was delivered`)
}

function problemOf(batches: readonly Acknowledgement[], typeMax: number, renews: boolean): string | undefined {
  let before = -1
  for (const { first, last, types } of batches) {
    if (first > last) return `a batch ends at ${last}, before its first offset ${first}`
    if (first < before) return `a batch begins at ${first}, inside the one before it`
    if (types.length === 0 || (types.length > 1 && types.length !== last - first + 1)) {
      return `the offsets ${first} to ${last} have ${types.length} types: one for all, or one for each`
    }
    const unknown = types.find((type) => type < 0 || type > typeMax)
    if (unknown !== undefined) return `acknowledge type ${unknown} is not one of this version`
    if (types.includes(RENEW) && !renews) return 'a renewal has to be announced by isRenewAck'
    before = last
  }
  return undefined
}

function failed(errorCode: number, errorMessage: string | null): StateOutcome {
  return { errorCode, errorMessage }
}
