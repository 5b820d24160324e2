/**
 * Share sessions (KIP-932): the broker remembers what each member of a share group reads from it, so that a request names
 * only what changed. A session belongs to one connection and ends with it.
 *
 * Pure state. What a session's member holds is given back by whoever ends it.
 */
import { ErrorCode } from '../../wire/error-codes.ts'

const INITIAL_EPOCH = 0
export const FINAL_EPOCH = -1

export interface ShareTarget {
  readonly topicId: string
  readonly index: number
}

export interface ShareSession {
  readonly groupId: string
  readonly memberId: string
  readonly connectionId: number
  /** In the order in which they are served: whoever got records goes to the end, so that nobody starves. */
  readonly targets: Map<string, ShareTarget>
  /** Targets that the next answer names whatever there is to say of them. */
  readonly news: Set<string>
  epoch: number
}

export interface SessionRequest {
  readonly groupId: string
  readonly memberId: string
  readonly epoch: number
  readonly connectionId: number
  readonly added: readonly ShareTarget[]
  readonly forgotten: readonly ShareTarget[]
  readonly acknowledges: boolean
}

/** An error of the whole request. */
export type SessionError = 42 | 122 | 123 | 133
export type SessionResult =
  | { readonly errorCode: SessionError }
  | { readonly errorCode: 0; readonly session: ShareSession }

export class ShareSessions {
  readonly #sessionsMax: number
  readonly #sessions = new Map<string, ShareSession>()

  /** `sessionsMax`: Kafka's `group.share.max.share.sessions`. */
  constructor(sessionsMax: number) {
    this.#sessionsMax = sessionsMax
  }

  get size(): number {
    return this.#sessions.size
  }

  /** Makes or finds the session of a ShareFetch, and notes what it reads from now on. */
  forFetch(request: SessionRequest): SessionResult {
    const { epoch } = request
    if (epoch === INITIAL_EPOCH) return this.#open(request)
    const found = this.forAcknowledge(request)
    if (found.errorCode !== ErrorCode.NONE || epoch === FINAL_EPOCH) return found
    const { targets, news } = found.session
    for (const target of request.added) {
      const key = targetKey(target)
      if (targets.has(key)) continue
      targets.set(key, target)
      news.add(key)
    }
    for (const target of request.forgotten) {
      targets.delete(targetKey(target))
      news.delete(targetKey(target))
    }
    return found
  }

  /** The session of a ShareAcknowledge, which cannot begin one. */
  forAcknowledge({ groupId, memberId, epoch }: Pick<SessionRequest, 'groupId' | 'memberId' | 'epoch'>): SessionResult {
    if (epoch === INITIAL_EPOCH) return { errorCode: ErrorCode.INVALID_SHARE_SESSION_EPOCH }
    const session = this.#sessions.get(sessionKey(groupId, memberId))
    if (session === undefined) return { errorCode: ErrorCode.SHARE_SESSION_NOT_FOUND }
    if (epoch === FINAL_EPOCH) return { errorCode: ErrorCode.NONE, session }
    if (session.epoch !== epoch) return { errorCode: ErrorCode.INVALID_SHARE_SESSION_EPOCH }
    session.epoch = epoch === 0x7fff_ffff ? 1 : epoch + 1
    return { errorCode: ErrorCode.NONE, session }
  }

  /** The target got records: its turn comes last next time. */
  served({ targets }: ShareSession, target: ShareTarget): void {
    const key = targetKey(target)
    if (targets.delete(key)) targets.set(key, target)
  }

  end(groupId: string, memberId: string): ShareSession | undefined {
    const key = sessionKey(groupId, memberId)
    const session = this.#sessions.get(key)
    this.#sessions.delete(key)
    return session
  }

  /** Whether anybody of the group reads here. */
  has(groupId: string): boolean {
    for (const session of this.#sessions.values()) if (session.groupId === groupId) return true
    return false
  }

  endConnection(connectionId: number): ShareSession[] {
    const ended = [...this.#sessions.values()].filter((session) => session.connectionId === connectionId)
    for (const { groupId, memberId } of ended) this.end(groupId, memberId)
    return ended
  }

  #open({ groupId, memberId, connectionId, added, acknowledges }: SessionRequest): SessionResult {
    if (acknowledges) return { errorCode: ErrorCode.INVALID_REQUEST }
    const key = sessionKey(groupId, memberId)
    if (!this.#sessions.has(key) && this.#sessions.size >= this.#sessionsMax) {
      return { errorCode: ErrorCode.SHARE_SESSION_LIMIT_REACHED }
    }
    const targets = new Map(added.map((target) => [targetKey(target), target]))
    const session = { groupId, memberId, connectionId, targets, news: new Set<string>(), epoch: 1 }
    this.#sessions.set(key, session)
    return { errorCode: ErrorCode.NONE, session }
  }
}

export function targetKey({ topicId, index }: ShareTarget): string {
  return `${topicId}:${index}`
}

/** Group ids may hold any character; member ids have 36 at most. */
function sessionKey(groupId: string, memberId: string): string {
  return `${memberId.length}:${memberId}${groupId}`
}
