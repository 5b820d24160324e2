/**
 * Produce v3+ (KIP-98, topic ids by KIP-516): appends each partition's batch and answers once all are durable.
 *
 * Everything up to the appends happens before the first `await`: the order of calls is the order of offsets.
 * A partition that cannot be appended to gets its own error; the others are not touched by it.
 * What is not durable after the request's timeout is answered with REQUEST_TIMED_OUT and may still become durable.
 * Unlike Kafka, acks=1 waits for the same as acks=all: there is only one way to be durable.
 * Not here: transactions, timestamp bounds, recompression.
 */
import type { Clock } from '../../runtime/clock.ts'
import { Fault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { ProduceRequest, ProduceResponse } from '../../wire/messages/produce.ts'
import { BATCH_HEADER_BYTES, isTransactional, parseBatchHeader } from '../../wire/records/batch-header.ts'
import { type SplitFailure, type SplitLimits, splitBatches } from '../../wire/records/batch-validation.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { codeOf } from '../fault-codes.ts'
import type { Handler } from '../handler.ts'
import type { Appended } from '../partition/partition.ts'

type Answer = InferInput<typeof ProduceResponse>
type TopicData = ProduceRequest['topicData'][number]
type PartitionData = TopicData['partitionData'][number]
type PartitionAnswer = Answer['responses'][number]['partitionResponses'][number]

/** The first version that names topics by their id. */
const TOPIC_IDS_VERSION = 13
/** The first version whose clients all know zstd (KIP-110). */
const ZSTD_VERSION = 7
/** Every answer waits for a disk, also those that Kafka gives at once; no timeout may be shorter than a slow one takes. */
const TIMEOUT_MS_MIN = 1000

interface Outcome extends Appended {
  readonly index: number
  readonly logStartOffset: number
}

export function produceHandler({ topics, clock }: BrokerParts): Handler<ProduceRequest, Answer | undefined> {
  const appendTopic = (acks: number, apiVersion: number, data: TopicData, nowMs: number): Outcome[] => {
    const byId = apiVersion >= TOPIC_IDS_VERSION
    const topic = byId ? topics.byId(data.topicId) : topics.get(data.name)
    const limits = { zstdAllowed: apiVersion >= ZSTD_VERSION }
    return data.partitionData.map((partition) => {
      if (acks < -1 || acks > 1) return refuse(partition, ErrorCode.INVALID_REQUIRED_ACKS)
      if (topic === undefined) {
        return refuse(partition, byId ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
      }
      if (topic.internal) {
        return refuse(partition, ErrorCode.INVALID_TOPIC_EXCEPTION, `${topic.name} is written by the broker only`)
      }
      return appendPartition(topic.name, partition, limits, nowMs)
    })
  }

  const appendPartition = (topicName: string, data: PartitionData, limits: SplitLimits, nowMs: number): Outcome => {
    const partition = topics.partition(topicName, data.index)
    if (partition === undefined) return refuse(data, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    const split = splitBatches(data.records?.[0] ?? NO_RECORDS, limits)
    if (split.error !== undefined) return refuseRecords(data, split)
    const [batch] = split.batches
    if (batch === undefined) return refuse(data, ErrorCode.INVALID_RECORD, 'the request holds no record batch')
    if (isTransactional(batch.header))
      return refuse(data, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, NO_TRANSACTIONS)
    const appended = partition.append(batch, nowMs)
    const logStartOffset = appended.errorCode === ErrorCode.NONE ? partition.startOffset : -1
    return { ...appended, index: data.index, logStartOffset }
  }

  return (request, { apiVersion }) => {
    const { acks, topicData, timeoutMs } = request
    const nowMs = clock.now()
    const outcomes = topicData.map((data) => ({ data, partitions: appendTopic(acks, apiVersion, data, nowMs) }))
    return acks === 0 ? discard(outcomes) : answer(outcomes, timeout(clock, Math.max(timeoutMs, TIMEOUT_MS_MIN)))
  }
}

const NO_RECORDS = Buffer.alloc(0)
const NO_TRANSACTIONS = 'this broker has no transactions yet; produce without transactional.id'

type Outcomes = readonly { readonly data: TopicData; readonly partitions: readonly Outcome[] }[]

/** All partitions are waited for together: a rejection must never find nobody waiting for it. */
async function answer(outcomes: Outcomes, timer: Timeout): Promise<Answer> {
  const settling = outcomes.map(async ({ data, partitions }) => ({
    name: data.name,
    topicId: data.topicId,
    partitionResponses: await Promise.all(partitions.map((outcome) => settle(outcome, timer)))
  }))
  try {
    return { responses: await Promise.all(settling) }
  } finally {
    timer.cancel()
  }
}

/** Nobody waits for an answer: closing the connection is the only way to tell the producer of an error, as Kafka does. */
async function discard(outcomes: Outcomes): Promise<undefined> {
  const all = outcomes.flatMap(({ partitions }) => partitions)
  await Promise.all(all.map(({ durable }) => durable))
  const refused = all.find(({ errorCode }) => errorCode !== ErrorCode.NONE)
  if (refused === undefined) return undefined
  throw new Fault('invalid', `acks=0 and error ${refused.errorCode}: ${refused.errorMessage}`)
}

interface Timeout {
  /** Resolves with `timedOut` when the time is over. */
  readonly over: Promise<typeof timedOut>
  readonly cancel: () => void
}

const timedOut = Symbol('timed out')

function timeout(clock: Clock, timeoutMs: number): Timeout {
  let cancel = () => {}
  const over = new Promise<typeof timedOut>((resolve) => {
    cancel = clock.after(timeoutMs, () => resolve(timedOut))
  })
  return { over, cancel }
}

async function settle(outcome: Outcome, { over }: Timeout): Promise<PartitionAnswer> {
  const { index, logStartOffset, logAppendTimeMs } = outcome
  try {
    if (outcome.durable !== undefined && (await Promise.race([outcome.durable, over])) === timedOut) {
      const errorMessage = 'the records are not durable yet; they may still become so'
      return { index, errorCode: ErrorCode.REQUEST_TIMED_OUT, errorMessage, baseOffset: -1 }
    }
    const { errorCode, errorMessage, baseOffset } = outcome
    return { index, errorCode, errorMessage, baseOffset, logAppendTimeMs, logStartOffset }
  } catch (error) {
    return { index, errorCode: codeOf(error), errorMessage: String(error), baseOffset: -1 }
  }
}

function refuseRecords(data: PartitionData, { error, message }: SplitFailure): Outcome {
  const records = data.records?.[0] ?? NO_RECORDS
  if (records.length >= BATCH_HEADER_BYTES && isTransactional(parseBatchHeader(records, 0))) {
    return refuse(data, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, NO_TRANSACTIONS)
  }
  return refuse(data, ErrorCode[error], message)
}

function refuse(data: PartitionData, errorCode: number, errorMessage: string | null = null): Outcome {
  const answer = { errorCode, errorMessage, baseOffset: -1, logAppendTimeMs: -1, durable: undefined }
  return { ...answer, index: data.index, logStartOffset: -1 }
}
