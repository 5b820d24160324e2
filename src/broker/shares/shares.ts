/** Share groups on the broker that leads the partitions they read: their sessions and share partitions, and how they end. */

import { SharePartitions, type SharePartitionsParts } from './share-partitions.ts'
import { ShareSessions } from './share-sessions.ts'

/** Kafka's default of `group.share.max.share.sessions`. */
const SESSIONS_MAX = 2_000

export class Shares {
  readonly sessions = new ShareSessions(SESSIONS_MAX)
  readonly partitions: SharePartitions
  readonly #watched = new Set<number>()

  constructor(parts: SharePartitionsParts) {
    this.partitions = new SharePartitions(parts)
  }

  /** Ends the sessions of a connection when it closes: what their members hold goes back. */
  endWithConnection(connectionId: number, closed: AbortSignal): void {
    if (this.#watched.has(connectionId)) return
    this.#watched.add(connectionId)
    const end = () => {
      this.#watched.delete(connectionId)
      for (const { groupId, memberId } of this.sessions.endConnection(connectionId)) {
        void this.#release(groupId, memberId)
      }
    }
    if (closed.aborted) end()
    else closed.addEventListener('abort', end, { once: true })
  }

  /** Ends a member's session, because it said so or has left the group. */
  async endSession(groupId: string, memberId: string): Promise<void> {
    if (this.sessions.end(groupId, memberId) !== undefined) await this.#release(groupId, memberId)
  }

  /** The group is empty, or stands elsewhere: whoever reads next begins with what is stored. */
  groupEmptied(groupId: string): void {
    this.partitions.forgetGroup(groupId)
  }

  close(): void {
    this.partitions.close()
  }

  /** The group's coordinator may be another broker: that a group is empty shows here when nobody of it reads any more. */
  async #release(groupId: string, memberId: string): Promise<void> {
    await this.partitions.release(groupId, memberId)
    if (!this.sessions.has(groupId)) this.partitions.forgetGroup(groupId)
  }
}
