/**
 * Fetch v4+ (KIP-74, KIP-227, KIP-320, KIP-516): whole batches from many partitions, waiting for data if there is none.
 *
 * The first partition with data may exceed every limit by one batch, so that a consumer always makes progress; in a
 * session, whoever was served goes to the end of the queue. Only durable data is served.
 * Not here: fetches by other brokers (nothing is replicated), aborted transactions, preferred read replicas.
 */
import { isFault } from '../../runtime/fault.ts'
import type { Entry } from '../../stream/entry.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { FetchRequest, FetchResponse } from '../../wire/messages/fetch.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { codeOf } from '../fault-codes.ts'
import type { FetchScope, FetchTarget } from '../fetch-sessions.ts'
import type { Handler, RequestContext } from '../handler.ts'
import type { Partition } from '../partition/partition.ts'

type Answer = InferInput<typeof FetchResponse>
type TopicAnswer = Answer['responses'][number]
type PartitionAnswer = TopicAnswer['partitions'][number]

/** The first version that names topics by their id. */
const TOPIC_IDS_VERSION = 13

interface Read {
  readonly target: FetchTarget
  readonly answer: PartitionAnswer
  readonly bytes: number
}

interface Pass {
  readonly reads: readonly Read[]
  readonly bytes: number
  /** Something that the client has to hear now, whatever it asked to wait for. */
  readonly urgent: boolean
}

export function fetchHandler(parts: BrokerParts): Handler<FetchRequest, Answer> {
  const { sessions, clock } = parts
  return async (request, context) => {
    const byId = context.apiVersion >= TOPIC_IDS_VERSION
    const result = sessions.scope(request, byId, clock.now())
    if (result.errorCode !== ErrorCode.NONE) return { errorCode: result.errorCode, sessionId: 0, responses: [] }
    const { scope } = result
    const targets = [...scope.targets]
    const deadline = clock.monotonic() + Math.max(0, request.maxWaitMs)
    let pass = await read(parts, targets, byId, request.maxBytes)
    while (!pass.urgent && pass.bytes < request.minBytes && !context.closed.aborted) {
      const leftMs = deadline - clock.monotonic()
      if (leftMs <= 0) break
      if (await advanced(parts, targets, byId, leftMs, context, pass))
        pass = await read(parts, targets, byId, request.maxBytes)
      else break
    }
    return answer(parts, scope, pass)
  }
}

function find({ topics }: BrokerParts, target: FetchTarget, byId: boolean): Partition | undefined {
  const name = byId ? topics.byId(target.topicId)?.name : target.topic
  return name === undefined ? undefined : topics.partition(name, target.index)
}

async function read(
  parts: BrokerParts,
  targets: readonly FetchTarget[],
  byId: boolean,
  bytesMax: number
): Promise<Pass> {
  const reads: Read[] = []
  let bytes = 0
  let urgent = false
  for (const target of targets) {
    const partition = find(parts, target, byId)
    const room = Math.min(bytesMax - bytes, target.wanted.partitionMaxBytes)
    const outcome =
      partition === undefined ? unknown(target, byId) : await readPartition(partition, target, room, bytes === 0)
    reads.push(outcome)
    bytes += outcome.bytes
    urgent ||= outcome.answer.errorCode !== ErrorCode.NONE || outcome.answer.divergingEpoch !== undefined
  }
  return { reads, bytes, urgent }
}

/** `first`: no data is in the response yet, so one batch goes in whatever its size. */
async function readPartition(partition: Partition, target: FetchTarget, room: number, first: boolean): Promise<Read> {
  const { wanted } = target
  const errorCode = partition.checkPosition(wanted.fetchOffset, wanted.currentLeaderEpoch)
  if (errorCode !== ErrorCode.NONE) return failed(partition, target, errorCode)
  const diverging = divergence(partition, wanted.fetchOffset, wanted.lastFetchedEpoch)
  if (diverging !== undefined) {
    return {
      target,
      answer: { ...positions(partition, target.index), divergingEpoch: diverging, records: [] },
      bytes: 0
    }
  }
  if (room <= 0 && !first) return empty(partition, target)
  try {
    const entries = await partition.stream.read(wanted.fetchOffset, Math.max(room, 0))
    const [entry] = entries
    // A whole batch larger than the room left waits for its turn at the front.
    if (entry === undefined || (!first && entry.payload.length > room)) return empty(partition, target)
    const records = entries.map(payload)
    let bytes = 0
    for (const { length } of records) bytes += length
    return { target, answer: { ...positions(partition, target.index), records }, bytes }
  } catch (error) {
    // Trimmed away while it was read.
    const gone = isFault(error) && wanted.fetchOffset < partition.startOffset
    return failed(partition, target, gone ? ErrorCode.OFFSET_OUT_OF_RANGE : codeOf(error))
  }
}

function payload(entry: Entry): Buffer {
  return entry.payload
}

/** Where the client's log left ours, when its last epoch ended before the offset it asks for (KIP-320, KIP-595). */
function divergence(
  partition: Partition,
  fetchOffset: number,
  lastFetchedEpoch: number
): { epoch: number; endOffset: number } | undefined {
  if (lastFetchedEpoch < 0) return undefined
  const end = partition.leaderEpochs.endOf(lastFetchedEpoch, partition.highWatermark)
  if (end.endOffset === -1) return undefined
  return end.epoch < lastFetchedEpoch || end.endOffset < fetchOffset ? end : undefined
}

function positions(partition: Partition, partitionIndex: number) {
  return {
    partitionIndex,
    errorCode: ErrorCode.NONE as number,
    highWatermark: partition.highWatermark,
    lastStableOffset: partition.lastStableOffset,
    logStartOffset: partition.startOffset
  }
}

function empty(partition: Partition, target: FetchTarget): Read {
  return { target, answer: { ...positions(partition, target.index), records: [] }, bytes: 0 }
}

function failed(partition: Partition, target: FetchTarget, errorCode: number): Read {
  const currentLeader =
    errorCode === ErrorCode.FENCED_LEADER_EPOCH ? { leaderId: -1, leaderEpoch: partition.leaderEpoch } : undefined
  const answer = { partitionIndex: target.index, errorCode, highWatermark: -1, currentLeader, records: [] }
  return { target, answer, bytes: 0 }
}

function unknown(target: FetchTarget, byId: boolean): Read {
  const errorCode = byId ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  return { target, answer: { partitionIndex: target.index, errorCode, highWatermark: -1, records: [] }, bytes: 0 }
}

/** Resolves with true once a partition has grown beyond what `pass` saw, with false after `waitMs` or when the client left. */
function advanced(
  parts: BrokerParts,
  targets: readonly FetchTarget[],
  byId: boolean,
  waitMs: number,
  context: RequestContext,
  pass: Pass
): Promise<boolean> {
  return new Promise((resolve) => {
    const stops: (() => void)[] = []
    const finish = (grown: boolean) => {
      for (const stop of stops) stop()
      context.closed.removeEventListener('abort', leave)
      resolve(grown)
    }
    const leave = () => finish(false)
    stops.push(parts.clock.after(waitMs, leave))
    context.closed.addEventListener('abort', leave, { once: true })
    for (const [at, target] of targets.entries()) {
      const partition = find(parts, target, byId)
      if (partition === undefined) continue
      if (partition.highWatermark > (pass.reads[at]?.answer.highWatermark ?? 0)) {
        finish(true)
        return
      }
      stops.push(partition.stream.subscribe(() => finish(true)))
    }
  })
}

function answer({ sessions }: BrokerParts, scope: FetchScope, pass: Pass): Answer {
  const byTopic = new Map<string, { topic: string; topicId: string; partitions: PartitionAnswer[] }>()
  for (const { target, answer, bytes } of pass.reads) {
    if (scope.incremental && bytes === 0 && !hasNews(target, answer)) continue
    remember(target, answer)
    if (bytes > 0 && scope.session !== undefined) sessions.served(scope.session, target)
    const key = `${target.topic}/${target.topicId}`
    let topic = byTopic.get(key)
    if (topic === undefined) {
      topic = { topic: target.topic, topicId: target.topicId, partitions: [] }
      byTopic.set(key, topic)
    }
    topic.partitions.push(answer)
  }
  return { sessionId: scope.session?.id ?? 0, responses: [...byTopic.values()] }
}

function hasNews({ shown }: FetchTarget, answer: PartitionAnswer): boolean {
  return (
    shown === undefined ||
    answer.errorCode !== ErrorCode.NONE ||
    answer.divergingEpoch !== undefined ||
    shown.highWatermark !== answer.highWatermark ||
    shown.lastStableOffset !== answer.lastStableOffset ||
    shown.logStartOffset !== answer.logStartOffset
  )
}

function remember(target: FetchTarget, answer: PartitionAnswer): void {
  const { highWatermark, lastStableOffset = -1, logStartOffset = -1 } = answer
  // An error is repeated until it is gone, and what comes after it is news.
  target.shown = answer.errorCode === ErrorCode.NONE ? { highWatermark, lastStableOffset, logStartOffset } : undefined
}
