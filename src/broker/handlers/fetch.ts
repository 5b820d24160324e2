/**
 * Fetch v4+ (KIP-74, KIP-227, KIP-320, KIP-516): whole batches from many partitions, waiting for data if there is none.
 *
 * In a session, whoever was served goes to the end of the queue, so that no partition starves; without one, partitions
 * are read in the order of the request and the client has to rotate them. Only durable data is served.
 * To a read_committed client the partition ends at the last stable offset, and the aborted transactions of what it gets are
 * listed, by their first offset (Kafka lists them by their end; clients sort them).
 * Unlike Kafka, a partition that does not exist ends the wait for the others: its client learns of it at once.
 * Not here: fetches by other brokers (nothing is replicated), preferred read replicas.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { FetchRequest, FetchResponse } from '../../wire/messages/fetch.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { FetchPass, type PartitionAnswer } from '../fetch-pass.ts'
import type { FetchScope, FetchTarget } from '../fetch-sessions.ts'
import type { Handler } from '../handler.ts'
import { hintedBrokers } from '../leader-hints.ts'
import { PartitionWatch } from '../partition-watch.ts'

type Answer = InferInput<typeof FetchResponse>

const READ_COMMITTED = 1
/** The first version whose response can name the current leader. */
const LEADER_NAMED_VERSION = 12
/** The first version whose response says where the brokers are that it names. */
const ENDPOINTS_VERSION = 16
/** The first version that names topics by their id. */
const TOPIC_IDS_VERSION = 13
/** Kafka's default of `fetch.max.bytes`: no response is larger, whatever the client asks for, but for one batch. */
const RESPONSE_BYTES_MAX = 55 * 1024 * 1024

export function fetchHandler(parts: BrokerParts): Handler<FetchRequest, Answer> {
  const { sessions, clock, topics, cluster, unsent } = parts
  return async (request, context) => {
    const byId = context.apiVersion >= TOPIC_IDS_VERSION
    const readCommitted = request.isolationLevel === READ_COMMITTED
    const leaderNamed = context.apiVersion >= LEADER_NAMED_VERSION
    const result = sessions.scope(request, byId, clock.now())
    if (result.errorCode !== ErrorCode.NONE) return { errorCode: result.errorCode, sessionId: 0, responses: [] }
    const { scope } = result
    const bytesMax = Math.min(request.maxBytes, RESPONSE_BYTES_MAX)
    const pass = new FetchPass({
      topics,
      unsent,
      cluster,
      targets: scope.targets,
      byId,
      leaderNamed,
      readCommitted,
      bytesMax
    })
    const deadline = clock.monotonic() + request.maxWaitMs
    try {
      await pass.readAll()
      const enough = () => pass.urgent || pass.bytes >= Math.min(request.minBytes, bytesMax) || pass.reads.length === 0
      if (request.maxWaitMs > 0 && !enough()) await readUntil(enough, parts, pass, deadline, context.closed)
      const answered = answer(parts, scope, pass, byId)
      return context.apiVersion < ENDPOINTS_VERSION ? answered : { ...answered, nodeEndpoints: endpoints(parts, pass) }
    } finally {
      pass.close()
    }
  }
}

/** Reads what moves until there is enough, the time is over, or the client has left. */
async function readUntil(
  enough: () => boolean,
  { clock }: BrokerParts,
  pass: FetchPass,
  deadline: number,
  closed: AbortSignal
): Promise<void> {
  const watch = new PartitionWatch(
    clock,
    pass.reads.map(({ partition }) => partition)
  )
  try {
    // What moved between its read and the start of the watch told nobody.
    await pass.readAgain(pass.outdated())
    while (!enough()) {
      const moved = await watch.next(deadline - clock.monotonic(), closed)
      if (moved.length === 0) return
      await pass.readAgain(moved)
    }
  } finally {
    watch.close()
  }
}

function answer({ sessions }: BrokerParts, scope: FetchScope, pass: FetchPass, byId: boolean): Answer {
  const byTopic = new Map<string, { topic: string; topicId: string; partitions: PartitionAnswer[] }>()
  for (const { target, partition, answer, bytes } of pass.reads) {
    if (bytes > 0) partition?.traffic.fetched(bytes)
    if (scope.incremental && bytes === 0 && !hasNews(target, answer)) continue
    if (scope.session !== undefined) {
      remember(target, answer)
      if (bytes > 0) sessions.served(scope.session, target)
    }
    const { topic: name, topicId } = target
    let topic = byTopic.get(byId ? topicId : name)
    if (topic === undefined) {
      topic = { topic: name, topicId, partitions: [] }
      byTopic.set(byId ? topicId : name, topic)
    }
    topic.partitions.push(answer)
  }
  return { sessionId: scope.session?.id ?? 0, responses: [...byTopic.values()] }
}

function endpoints({ cluster }: BrokerParts, { reads }: FetchPass) {
  return hintedBrokers(
    cluster,
    reads.map(({ answer }) => answer.currentLeader)
  )
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
