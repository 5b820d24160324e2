/**
 * A change of a consumer group while it is being decided: the records so far, and the group as they make it, so that the
 * two cannot contradict each other. The group it was made from is never changed.
 */
import type { DeadlineChange, Downgrade, GroupChange } from '../hosted-group.ts'
import { sameEpochAssignment } from './assignment.ts'
import type { ConsumerGroup, ConsumerMember, Progress } from './consumer-group.ts'
import {
  applyRecord,
  type ConsumerRecord,
  encodeConsumerRecord,
  type MutableConsumerGroup,
  mutableCopy,
  tombstonesOf
} from './consumer-group-log.ts'

/** A member must be heard of before it. */
export const sessionDeadline = (memberId: string) => `session ${memberId}`
/** It must have revoked what it is told to before it. */
export const revocationDeadline = (memberId: string) => `rebalance ${memberId}`
/** A classic member that is told to rejoin must do so before it, and then sync. */
export const joinDeadline = (memberId: string) => `join ${memberId}`
export const syncDeadline = (memberId: string) => `sync ${memberId}`

export class ConsumerDraft {
  /** The group as it is in the log: who owns which partition is judged by it. */
  readonly before: ConsumerGroup
  readonly deadlines: DeadlineChange[] = []
  readonly #records: ConsumerRecord[] = []
  #working: MutableConsumerGroup | undefined

  constructor(before: ConsumerGroup) {
    this.before = before
  }

  /** As the records so far make it. */
  get group(): ConsumerGroup {
    return this.#working ?? this.before
  }

  put(...records: readonly ConsumerRecord[]): void {
    this.#working ??= mutableCopy(this.before)
    for (const record of records) {
      applyRecord(this.#working, record)
      this.#records.push(record)
    }
  }

  putSubscription(member: ConsumerMember): void {
    this.put({ kind: 'subscription', memberId: member.memberId, value: subscriptionOf(member) })
  }

  putProgress(memberId: string, { epoch, previousEpoch, state, assigned, pendingRevocation }: Progress): void {
    const value = { epoch, previousEpoch, state, assigned, pendingRevocation }
    this.put({ kind: 'progress', memberId, value })
  }

  removeMember(memberId: string): void {
    this.put(
      { kind: 'progress', memberId, value: null },
      { kind: 'target', memberId, value: null },
      { kind: 'subscription', memberId, value: null }
    )
    for (const name of [sessionDeadline, revocationDeadline, joinDeadline, syncDeadline]) {
      this.setDeadline(name(memberId), null)
    }
  }

  /** Deletes what expressions named that nobody subscribes with any more. */
  dropUnusedRegexes(): void {
    if (this.group.regexes.size === 0) return
    const used = new Set([...this.group.members.values()].map((member) => member.topicRegex))
    for (const regex of [...this.group.regexes.keys()])
      if (!used.has(regex)) this.put({ kind: 'regex', regex, value: null })
  }

  setDeadline(name: string, afterMs: number | null, ifAbsent = false): void {
    this.deadlines.push({ name, afterMs, ifAbsent })
  }

  finish<Answer>(answer: Answer): GroupChange<ConsumerGroup, Answer> {
    const records = this.#records.map((record) => encodeConsumerRecord(this.before.groupId, record))
    return { state: this.group, records, deadlines: this.deadlines, answer }
  }

  /** The group ends as a consumer group and goes on as a classic one. */
  finishAsClassic<Answer>(downgrade: Downgrade, answer: Answer): GroupChange<ConsumerGroup, Answer> {
    const gone = tombstonesOf(this.group).map((record) => encodeConsumerRecord(this.before.groupId, record))
    const records = [...this.finish(answer).records, ...gone]
    return { state: undefined, records, deadlines: [], answer, downgrade }
  }
}

function subscriptionOf(member: ConsumerMember) {
  const { memberId, instanceId, rackId, clientId, clientHost, rebalanceTimeoutMs, topicNames, topicRegex } = member
  const { assignor, classic } = member
  return {
    memberId,
    instanceId,
    rackId,
    clientId,
    clientHost,
    rebalanceTimeoutMs,
    topicNames,
    topicRegex,
    assignor,
    classic
  }
}

export function sameProgress(one: Progress, other: Progress): boolean {
  return (
    one.epoch === other.epoch &&
    one.previousEpoch === other.previousEpoch &&
    one.state === other.state &&
    sameEpochAssignment(one.assigned, other.assigned) &&
    sameEpochAssignment(one.pendingRevocation, other.pendingRevocation)
  )
}
