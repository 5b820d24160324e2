/**
 * Produce v3+ (KIP-98, KIP-890, topic ids by KIP-516): appends each partition's batch and answers once all are durable.
 *
 * Everything up to the appends happens before the first `await`: the order of calls is the order of offsets. Only where a
 * topic's settings ask for more than the header shows (`batch-preparation.ts`), and for the first batch of a transaction,
 * which its coordinator has to confirm, a batch waits; `AppendOrder` keeps those of a producer in order then.
 * A partition that cannot be appended to gets its own error; the others are not touched by it.
 * What is not durable after the request's timeout is answered with REQUEST_TIMED_OUT and may still become durable.
 * Unlike Kafka, acks=1 waits for the same as acks=all: there is only one way to be durable.
 */
import type { Clock } from '../../runtime/clock.ts'
import { Fault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { ProduceRequest, ProduceResponse } from '../../wire/messages/produce.ts'
import {
  type BatchHeader,
  parseBatchHeader,
  type RecordBatch,
  startsTransactional
} from '../../wire/records/batch-header.ts'
import { type SplitLimits, splitBatches } from '../../wire/records/batch-validation.ts'
import type { InferInput } from '../../wire/schema.ts'
import { AppendOrder } from '../append-order.ts'
import { BatchPreparation, isProblem, type Prepared } from '../batch-preparation.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { codeOf } from '../fault-codes.ts'
import type { Handler } from '../handler.ts'
import { hintedBrokers, type LeaderHint, leaderHint } from '../leader-hints.ts'
import type { Appended, Partition } from '../partition/partition.ts'
import type { VerificationGuard } from '../partition/verification-states.ts'
import type { RecordError } from '../record-problem.ts'
import type { TopicSettings } from '../topic-settings.ts'
import type { Topics } from '../topics.ts'
import { ProduceVerification } from '../transactions/produce-verification.ts'
import type { TransactionVerification } from '../transactions/transaction-partitions.ts'

type Answer = InferInput<typeof ProduceResponse>
type TopicData = ProduceRequest['topicData'][number]
type PartitionData = TopicData['partitionData'][number]
type PartitionAnswer = Answer['responses'][number]['partitionResponses'][number]

/** The first version whose answer can name the current leader (KIP-951). */
const LEADER_NAMED_VERSION = 10
/** The first version that names topics by their id. */
const TOPIC_IDS_VERSION = 13
/** The first version whose clients all know zstd (KIP-110). */
const ZSTD_VERSION = 7
/** Every answer waits for a disk, also those that Kafka gives at once; no timeout may be shorter than a slow one takes. */
const TIMEOUT_MS_MIN = 1000

/** The one client that Kafka lets write to internal topics. */
const INTERNAL_CLIENT = '__admin_client'

interface Outcome extends Appended {
  readonly index: number
  readonly logStartOffset: number
  readonly recordErrors?: readonly RecordError[]
}

/** What the appends of one request have in common. */
interface Request {
  readonly acks: number
  readonly byId: boolean
  readonly limits: SplitLimits
  readonly nowMs: number
  readonly internalAllowed: boolean
  /** Undefined where the request names no transaction. */
  readonly verification: ProduceVerification | undefined
}

type Work = Pick<BrokerParts, 'topics'> & { readonly order: AppendOrder; readonly preparation: BatchPreparation }

export function produceHandler(
  parts: BrokerParts,
  coordinator: TransactionVerification
): Handler<ProduceRequest, Answer | undefined> {
  const { topics, clock } = parts
  const work = { topics, order: new AppendOrder(), preparation: new BatchPreparation() }
  return (request, { apiVersion, clientId }) => {
    const { acks, topicData, timeoutMs, transactionalId } = request
    const byId = apiVersion >= TOPIC_IDS_VERSION
    const take = () => {
      const verification =
        transactionalId === null ? undefined : new ProduceVerification(coordinator, clock, transactionalId, apiVersion)
      const common = {
        acks,
        byId,
        limits: { zstdAllowed: apiVersion >= ZSTD_VERSION },
        nowMs: clock.now(),
        internalAllowed: clientId === INTERNAL_CLIENT,
        verification
      }
      const refusal = refusalOfAll(request)
      const outcomes = topicData.map((data) => ({
        data,
        partitions: refusal === undefined ? appendTopic(work, common, data) : refuseTopic(data, refusal)
      }))
      const hints = apiVersion >= LEADER_NAMED_VERSION ? parts : undefined
      const finish = (known: Outcomes) =>
        acks === 0 ? discard(known) : answer(known, parts, Math.max(timeoutMs, TIMEOUT_MS_MIN), hints)
      return areKnown(outcomes) ? finish(outcomes) : whenKnown(outcomes).then(finish)
    }
    const settling = whenSettled(topics, topicData, byId)
    return settling === undefined ? take() : settling.then(take)
  }
}

/** When it is known which of the partitions are here; undefined when it is known already. */
function whenSettled(topics: Topics, topicData: readonly TopicData[], byId: boolean): Promise<unknown> | undefined {
  let waits: Promise<void>[] | undefined
  for (const data of topicData) {
    const topic = byId ? topics.byId(data.topicId) : topics.get(data.name)
    for (const { index } of data.partitionData) {
      const wait = topics.settling(topic, index)
      if (wait === undefined) continue
      waits ??= []
      waits.push(wait)
    }
  }
  return waits === undefined ? undefined : Promise.all(waits)
}

function appendTopic(work: Work, request: Request, data: TopicData): (Outcome | Promise<Outcome>)[] {
  const { acks, byId, internalAllowed } = request
  const topic = byId ? work.topics.byId(data.topicId) : work.topics.get(data.name)
  return data.partitionData.map((partition) => {
    if (acks < -1 || acks > 1) return refuse(partition, ErrorCode.INVALID_REQUIRED_ACKS)
    if (topic === undefined) {
      return refuse(partition, byId ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    }
    if (topic.internal && !internalAllowed) {
      return refuse(partition, ErrorCode.INVALID_TOPIC_EXCEPTION, `${topic.name} is written by the broker only`)
    }
    return appendPartition(work, request, topic.name, partition)
  })
}

function appendPartition(
  { topics, order, preparation }: Work,
  { limits, nowMs, verification }: Request,
  topicName: string,
  data: PartitionData
): Outcome | Promise<Outcome> {
  const partition = topics.partition(topicName, data.index)
  const settings = topics.settings(topicName)
  if (partition === undefined || settings === undefined) return refuse(data, topics.absence(topicName, data.index))
  const split = splitBatches(data.records?.[0] ?? NO_RECORDS, limits)
  if (split.error !== undefined) return refuse(data, ErrorCode[split.error], split.message)
  const [batch] = split.batches
  if (batch === undefined) return refuse(data, ErrorCode.INVALID_RECORD, 'the request holds no record batch')
  const { producerId } = batch.header
  const unverified = verification !== undefined && partition.producers.needsVerification(batch.header)
  if (unverified || order.isBusy(partition, producerId)) {
    const arriving = { partition, settings, data, batch, nowMs, verification }
    return order.enqueue(partition, producerId, () => appendLater(arriving, preparation))
  }
  const prepared = preparation.prepare(partition, settings, batch, nowMs)
  if (!(prepared instanceof Promise)) return append(partition, data, batch, prepared, nowMs)
  return order.enqueue(partition, producerId, async () => append(partition, data, batch, await prepared, nowMs))
}

interface Arriving {
  readonly partition: Partition
  readonly settings: TopicSettings
  readonly data: PartitionData
  readonly batch: RecordBatch
  readonly nowMs: number
  readonly verification: ProduceVerification | undefined
}

/** What came before it in its lane has been appended, or not, by now: that may have begun the transaction. */
async function appendLater(arriving: Arriving, preparation: BatchPreparation): Promise<Outcome> {
  const { partition, settings, data, batch, nowMs, verification } = arriving
  const { header } = batch
  let guard: VerificationGuard | undefined
  if (verification !== undefined && partition.producers.needsVerification(header)) {
    const begun = partition.producers.beginVerification(header, verification.bumpsEpoch, nowMs)
    if ('kind' in begun) return refuse(data, begun.errorCode, begun.message)
    guard = begun
    const producer = { id: header.producerId, epoch: header.producerEpoch }
    const { topicName: topic, index } = partition
    const refusal = await verification.ask(producer, { topic, partition: index })
    if (refusal !== undefined) return refuse(data, refusal.errorCode, refusal.message)
  }
  const prepared = await preparation.prepare(partition, settings, batch, nowMs)
  return append(partition, data, batch, prepared, nowMs, guard)
}

function append(
  partition: Partition,
  data: PartitionData,
  batch: RecordBatch,
  prepared: Prepared,
  nowMs: number,
  guard?: VerificationGuard
): Outcome {
  if (isProblem(prepared)) {
    return { ...refuse(data, prepared.errorCode, prepared.message), recordErrors: prepared.recordErrors }
  }
  const appended = partition.append(prepared ?? batch, nowMs, guard)
  const logStartOffset = appended.errorCode === ErrorCode.NONE ? partition.startOffset : -1
  return { ...appended, index: partition.index, logStartOffset }
}

/** Why nothing of the request is taken. */
function refusalOfAll({ transactionalId, topicData }: ProduceRequest): Refusal | undefined {
  let first: BatchHeader | undefined
  for (const { partitionData } of topicData) {
    for (const { records } of partitionData) {
      const bytes = records?.[0] ?? NO_RECORDS
      if (!startsTransactional(bytes)) continue
      if (transactionalId === null) return NO_TRANSACTIONAL_ID
      const header = parseBatchHeader(bytes, 0)
      first ??= header
      if (header.producerId !== first.producerId || header.producerEpoch !== first.producerEpoch) return TWO_PRODUCERS
    }
  }
  return undefined
}

interface Refusal {
  readonly errorCode: number
  readonly message: string
}

const NO_TRANSACTIONAL_ID: Refusal = {
  errorCode: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  message: 'the request has transactional records and names no transactional id'
}
const TWO_PRODUCERS: Refusal = {
  errorCode: ErrorCode.INVALID_PRODUCER_ID_MAPPING,
  message: 'the request has transactional records of more than one producer'
}

function refuseTopic({ partitionData }: TopicData, { errorCode, message }: Refusal): Outcome[] {
  return partitionData.map((partition) => refuse(partition, errorCode, message))
}

const NO_RECORDS = Buffer.alloc(0)

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
async function answer(
  outcomes: Outcomes,
  { clock, appendDelays }: Pick<BrokerParts, 'clock' | 'appendDelays'>,
  timeoutMs: number,
  hints: Hints | undefined
): Promise<Answer> {
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
  if (pending.length > 0) {
    const sinceMs = clock.monotonic()
    await atMost(clock, timeoutMs, pending.length === 1 ? pending[0] : Promise.all(pending))
    appendDelays.note(clock.monotonic() - sinceMs)
  }
  const responses = outcomes.map(({ data, partitions }) => ({
    name: data.name,
    topicId: data.topicId,
    partitionResponses: partitions.map((outcome) => describe(outcome, settled))
  }))
  return hints === undefined ? { responses } : withLeaders(responses, hints)
}

type Hints = Pick<BrokerParts, 'topics' | 'cluster'>

/** Says of partitions that are led elsewhere by whom. */
function withLeaders(responses: Answer['responses'], { topics, cluster }: Hints): Answer {
  const misled = ({ errorCode }: PartitionAnswer) => errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER
  if (!responses.some(({ partitionResponses }) => partitionResponses.some(misled))) return { responses }
  const hints: (LeaderHint | undefined)[] = []
  const named = responses.map((topic) => ({
    ...topic,
    partitionResponses: topic.partitionResponses.map((partition) => {
      if (!misled(partition)) return partition
      const name = topic.name || (topics.byId(topic.topicId ?? '')?.name ?? '')
      const currentLeader = leaderHint(cluster, name, partition.index ?? -1)
      hints.push(currentLeader)
      return currentLeader === undefined ? partition : { ...partition, currentLeader }
    })
  }))
  return { responses: named, nodeEndpoints: hintedBrokers(cluster, hints) }
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

function refuse(data: PartitionData, errorCode: number, errorMessage: string | null = null): Outcome {
  const answer = { errorCode, errorMessage, baseOffset: -1, logAppendTimeMs: -1, durable: undefined }
  return { ...answer, index: data.index, logStartOffset: -1 }
}
