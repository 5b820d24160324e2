/**
 * Produce v3+ (KIP-98, topic ids by KIP-516): appends each partition's batch and answers once all are durable.
 *
 * Everything up to the appends happens before the first `await`: the order of calls is the order of offsets. Only batches
 * for compacted topics, whose records must be looked into, may have to be unpacked first; `KeyCheck` keeps their order.
 * A partition that cannot be appended to gets its own error; the others are not touched by it.
 * What is not durable after the request's timeout is answered with REQUEST_TIMED_OUT and may still become durable.
 * Unlike Kafka, acks=1 waits for the same as acks=all: there is only one way to be durable.
 * Not here: transactions, timestamp bounds, recompression.
 */
import type { Clock } from '../../runtime/clock.ts'
import { Fault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { ProduceRequest, ProduceResponse } from '../../wire/messages/produce.ts'
import {
  BATCH_HEADER_BYTES,
  isTransactional,
  parseBatchHeader,
  type RecordBatch
} from '../../wire/records/batch-header.ts'
import { type SplitFailure, type SplitLimits, splitBatches } from '../../wire/records/batch-validation.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { KeyCheck, type RecordError } from '../compaction/key-check.ts'
import { codeOf } from '../fault-codes.ts'
import type { Handler } from '../handler.ts'
import type { Appended, Partition } from '../partition/partition.ts'

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
  readonly recordErrors?: readonly RecordError[]
}

export function produceHandler({ topics, clock }: BrokerParts): Handler<ProduceRequest, Answer | undefined> {
  const keys = new KeyCheck()

  const appendTopic = (
    acks: number,
    apiVersion: number,
    data: TopicData,
    nowMs: number
  ): (Outcome | Promise<Outcome>)[] => {
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

  const appendPartition = (
    topicName: string,
    data: PartitionData,
    limits: SplitLimits,
    nowMs: number
  ): Outcome | Promise<Outcome> => {
    const partition = topics.partition(topicName, data.index)
    if (partition === undefined) return refuse(data, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    const split = splitBatches(data.records?.[0] ?? NO_RECORDS, limits)
    if (split.error !== undefined) return refuseRecords(data, split)
    const [batch] = split.batches
    if (batch === undefined) return refuse(data, ErrorCode.INVALID_RECORD, 'the request holds no record batch')
    if (isTransactional(batch.header))
      return refuse(data, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, NO_TRANSACTIONS)
    if (topics.settings(topicName)?.compact !== true) return append(partition, batch, nowMs)
    return keys.check(partition, batch, (problem) => {
      if (problem === undefined) return append(partition, batch, nowMs)
      return { ...refuse(data, ErrorCode.INVALID_RECORD, problem.message), recordErrors: problem.recordErrors }
    })
  }

  return (request, { apiVersion }) => {
    const { acks, topicData, timeoutMs } = request
    const nowMs = clock.now()
    const outcomes = topicData.map((data) => ({ data, partitions: appendTopic(acks, apiVersion, data, nowMs) }))
    const finish = (known: Outcomes) =>
      acks === 0 ? discard(known) : answer(known, clock, Math.max(timeoutMs, TIMEOUT_MS_MIN))
    return areKnown(outcomes) ? finish(outcomes) : whenKnown(outcomes).then(finish)
  }
}

function append(partition: Partition, batch: RecordBatch, nowMs: number): Outcome {
  const appended = partition.append(batch, nowMs)
  const logStartOffset = appended.errorCode === ErrorCode.NONE ? partition.startOffset : -1
  return { ...appended, index: partition.index, logStartOffset }
}

const NO_RECORDS = Buffer.alloc(0)
const NO_TRANSACTIONS = 'this broker has no transactions yet; produce without transactional.id'

type Outcomes = readonly { readonly data: TopicData; readonly partitions: readonly Outcome[] }[]
type PendingOutcomes = readonly {
  readonly data: TopicData
  readonly partitions: readonly (Outcome | Promise<Outcome>)[]
}[]

function areKnown(outcomes: PendingOutcomes): outcomes is Outcomes {
  for (const { partitions } of outcomes) {
    for (const outcome of partitions) if (outcome instanceof Promise) return false
  }
  return true
}

async function whenKnown(outcomes: PendingOutcomes): Promise<Outcomes> {
  const known = outcomes.map(async ({ data, partitions }) => ({
    data,
    partitions: await Promise.all(partitions.map(observed))
  }))
  return Promise.all(known)
}

/** What becomes of an append may be known before the other partitions of its request are looked into. */
async function observed(pending: Outcome | Promise<Outcome>): Promise<Outcome> {
  const outcome = await pending
  outcome.durable?.catch(() => undefined)
  return outcome
}

/** All partitions are waited for together: a rejection must never find nobody waiting for it. */
async function answer(outcomes: Outcomes, clock: Clock, timeoutMs: number): Promise<Answer> {
  const pending: Promise<void>[] = []
  const settled = new Map<Outcome, unknown>()
  for (const { partitions } of outcomes) {
    for (const outcome of partitions) {
      if (outcome.durable === undefined) settled.set(outcome, undefined)
      else {
        const note = (fault?: unknown) => void settled.set(outcome, fault)
        pending.push(outcome.durable.then(note, note))
      }
    }
  }
  if (pending.length > 0) await atMost(clock, timeoutMs, pending.length === 1 ? pending[0] : Promise.all(pending))
  return {
    responses: outcomes.map(({ data, partitions }) => ({
      name: data.name,
      topicId: data.topicId,
      partitionResponses: partitions.map((outcome) => describe(outcome, settled))
    }))
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

/** Resolves with `work`, which never rejects, or when the time is over. */
function atMost(clock: Clock, timeoutMs: number, work: Promise<unknown> | undefined): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(timeoutMs, resolve)
    work?.then(() => {
      cancel()
      resolve()
    })
  })
}

function describe(outcome: Outcome, settled: ReadonlyMap<Outcome, unknown>): PartitionAnswer {
  const { index, errorCode, errorMessage, baseOffset, logStartOffset, logAppendTimeMs, recordErrors } = outcome
  if (!settled.has(outcome)) {
    const late = 'the records are not durable yet; they may still become so'
    return { index, errorCode: ErrorCode.REQUEST_TIMED_OUT, errorMessage: late, baseOffset: -1 }
  }
  const fault = settled.get(outcome)
  if (fault !== undefined) return { index, errorCode: codeOf(fault), errorMessage: String(fault), baseOffset: -1 }
  const answered = { index, errorCode, errorMessage, baseOffset, logAppendTimeMs, logStartOffset }
  return recordErrors === undefined ? answered : { ...answered, recordErrors }
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
