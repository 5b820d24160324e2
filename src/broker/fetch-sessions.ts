/**
 * Incremental fetch sessions (KIP-227): the broker remembers what a consumer reads, so that a request names only what
 * changed and a response only what has news.
 *
 * Pure state with an injected `now`: a bounded cache in which only a session that has been idle
 * for long makes room for a new one; without room a client is served without a session.
 */
import type { Random } from '../runtime/random.ts'
import { ErrorCode } from '../wire/error-codes.ts'
import type { FetchRequest } from '../wire/messages/fetch.ts'

/** A session unused for so long may be replaced by a new one (Kafka's min eviction time). */
const EVICTABLE_AFTER_MS = 120_000
const INITIAL_EPOCH = 0
const FINAL_EPOCH = -1

type RequestedTopic = FetchRequest['topics'][number]
type RequestedPartition = RequestedTopic['partitions'][number]

/** One partition that a client wants to read. `shown` is what it was told last. */
export interface FetchTarget {
  /** Unique in its session. */
  readonly key: string
  readonly topic: string
  readonly topicId: string
  readonly index: number
  wanted: RequestedPartition
  shown: { highWatermark: number; lastStableOffset: number; logStartOffset: number } | undefined
}

interface FetchSession {
  readonly id: number
  readonly usesTopicIds: boolean
  /** In the order in which partitions are served: whoever got data goes to the end, so that nobody starves. */
  readonly targets: Map<string, FetchTarget>
  epoch: number
  lastUsedMs: number
}

/** What one request reads. `session` is undefined for a full fetch without a session. */
export interface FetchScope {
  readonly targets: readonly FetchTarget[]
  readonly session: FetchSession | undefined
  /** Only partitions with news belong in the response. */
  readonly incremental: boolean
}

export type FetchScopeResult =
  | { readonly errorCode: 0; readonly scope: FetchScope }
  | { readonly errorCode: 70 | 71 | 106 }

export class FetchSessions {
  readonly #random: Random
  readonly #sessionsMax: number
  readonly #sessions = new Map<number, FetchSession>()

  constructor(random: Random, sessionsMax: number) {
    this.#random = random
    this.#sessionsMax = sessionsMax
  }

  get size(): number {
    return this.#sessions.size
  }

  /** Finds, makes or ends the request's session and says what to read. */
  scope(request: FetchRequest, usesTopicIds: boolean, nowMs: number): FetchScopeResult {
    const { sessionId, sessionEpoch } = request
    if (sessionEpoch === INITIAL_EPOCH || sessionEpoch === FINAL_EPOCH) {
      this.#sessions.delete(sessionId)
      const targets = targetsOf(request.topics)
      const session = sessionEpoch === INITIAL_EPOCH ? this.#create(targets, usesTopicIds, nowMs) : undefined
      return { errorCode: ErrorCode.NONE, scope: { targets: [...targets.values()], session, incremental: false } }
    }
    const session = this.#sessions.get(sessionId)
    if (session === undefined) return { errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND }
    if (session.epoch !== sessionEpoch) return { errorCode: ErrorCode.INVALID_FETCH_SESSION_EPOCH }
    if (session.usesTopicIds !== usesTopicIds) return { errorCode: ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR }
    update(session, request)
    if (session.targets.size === 0) {
      // Nothing is left to remember, so the session ends; session id 0 in the answer says so.
      this.#sessions.delete(sessionId)
      return { errorCode: ErrorCode.NONE, scope: { targets: [], session: undefined, incremental: false } }
    }
    session.epoch = session.epoch === 0x7fff_ffff ? 1 : session.epoch + 1
    session.lastUsedMs = nowMs
    return {
      errorCode: ErrorCode.NONE,
      // A copy: serving a target moves it to the end of the session's own order.
      scope: { targets: [...session.targets.values()], session, incremental: true }
    }
  }

  /** The target got data: its turn comes last next time. */
  served(session: FetchSession, target: FetchTarget): void {
    if (session.targets.delete(target.key)) session.targets.set(target.key, target)
  }

  /**
   * The answer to a request was replaced by one without data: a session it began is over, of others everything is news
   * again. Says whether the session goes on.
   */
  unanswered(sessionId: number, sessionEpoch: number): boolean {
    if (sessionEpoch === INITIAL_EPOCH) this.#sessions.delete(sessionId)
    const session = this.#sessions.get(sessionId)
    for (const target of session?.targets.values() ?? []) target.shown = undefined
    return session !== undefined
  }

  #create(targets: Map<string, FetchTarget>, usesTopicIds: boolean, nowMs: number): FetchSession | undefined {
    if (this.#sessions.size >= this.#sessionsMax && !this.#evict(nowMs)) return undefined
    let id = 0
    while (id === 0 || this.#sessions.has(id)) id = this.#random.int(0x7fff_ffff)
    const session = { id, usesTopicIds, targets: new Map(targets), epoch: 1, lastUsedMs: nowMs }
    this.#sessions.set(id, session)
    return session
  }

  #evict(nowMs: number): boolean {
    let oldest: FetchSession | undefined
    for (const session of this.#sessions.values()) {
      if (oldest === undefined || session.lastUsedMs < oldest.lastUsedMs) oldest = session
    }
    if (oldest === undefined || nowMs - oldest.lastUsedMs < EVICTABLE_AFTER_MS) return false
    return this.#sessions.delete(oldest.id)
  }
}

function update(session: FetchSession, request: FetchRequest): void {
  for (const [key, target] of targetsOf(request.topics)) {
    const known = session.targets.get(key)
    if (known === undefined) session.targets.set(key, target)
    else known.wanted = target.wanted
  }
  for (const { topic, topicId, partitions } of request.forgottenTopicsData) {
    for (const index of partitions) session.targets.delete(targetKey(topic, topicId, index))
  }
}

function targetsOf(topics: readonly RequestedTopic[]): Map<string, FetchTarget> {
  const targets = new Map<string, FetchTarget>()
  for (const { topic, topicId, partitions } of topics) {
    for (const wanted of partitions) {
      const index = wanted.partition
      const key = targetKey(topic, topicId, index)
      targets.set(key, { key, topic, topicId, index, wanted, shown: undefined })
    }
  }
  return targets
}

function targetKey(topic: string, topicId: string, index: number): string {
  return `${topic}/${topicId}/${index}`
}
