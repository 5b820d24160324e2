/** Consumer groups (KIP-848) as their shard hosts them: what of them is in records, deadlines, and the offsets they commit. */
import type { LogRecord } from '../../record-log.ts'
import type { ClassicGroup, GroupError } from '../group-state.ts'
import type { Adoption, CommitClaim, CommitVerdict, DeadlineChange, GroupChange, GroupRules } from '../hosted-group.ts'
import { ConsumerDraft, revocationDeadline, sessionDeadline } from './consumer-draft.ts'
import type { ConsumerEnvironment } from './consumer-environment.ts'
import {
  type ConsumerGroup,
  type ConsumerMember,
  emptyConsumerGroup,
  stateOf,
  subscribedTopics
} from './consumer-group.ts'
import {
  applyRecord,
  decodeConsumerRecord,
  encodeConsumerRecord,
  type MutableConsumerGroup,
  mutableCopy,
  recordsOf,
  tombstonesOf
} from './consumer-group-log.ts'
import { removeMembers } from './member-removal.ts'
import { consumerGroupOf } from './migration.ts'

/** First version of OffsetCommit whose errors members of the newer protocol understand. */
const MODERN_COMMIT_VERSION = 9

export class ConsumerRules implements GroupRules<ConsumerGroup> {
  readonly type = 'consumer'
  readonly keepsOffsets = true
  readonly makesRoom = true
  readonly #env: ConsumerEnvironment
  /** States that `replay` made: nobody else has them yet, so they may be changed in place. */
  readonly #replayed = new WeakSet<ConsumerGroup>()

  constructor(env: ConsumerEnvironment) {
    this.#env = env
  }

  groupOf(record: LogRecord): string | undefined {
    return decodeConsumerRecord(record)?.groupId
  }

  replay(state: ConsumerGroup | undefined, logRecord: LogRecord): ConsumerGroup | undefined {
    const decoded = decodeConsumerRecord(logRecord)
    if (decoded === undefined) return state
    const { groupId, record } = decoded
    if (record.value === null && (state === undefined || record.kind === 'group')) return undefined
    // A group of thousands of members is thousands of records: copied once, not each time.
    const group = state !== undefined && this.#replayed.has(state) ? (state as MutableConsumerGroup) : undefined
    const working = group ?? mutableCopy(state ?? emptyConsumerGroup(groupId))
    this.#replayed.add(working)
    applyRecord(working, record)
    return working
  }

  loaded(state: ConsumerGroup): readonly DeadlineChange[] {
    // The state is in use from here on.
    this.#replayed.delete(state)
    return [...state.members.values()].flatMap((member) => {
      const session = { name: sessionDeadline(member.memberId), afterMs: this.#sessionTimeoutMs(state.groupId, member) }
      if (member.state !== 'unrevoked') return [session]
      return [session, { name: revocationDeadline(member.memberId), afterMs: member.rebalanceTimeoutMs }]
    })
  }

  #sessionTimeoutMs(groupId: string, { classic }: ConsumerMember): number {
    return classic?.sessionTimeoutMs ?? this.#env.settingsOf(groupId).consumerSessionTimeoutMs
  }

  /** Every deadline ends in the name of the member that missed it. */
  expire(state: ConsumerGroup, deadline: string, now: number): GroupChange<ConsumerGroup, void> {
    const memberId = deadline.slice(deadline.indexOf(' ') + 1)
    const late = state.members.has(memberId) ? [memberId] : []
    return removeMembers(this.#env, new ConsumerDraft(state), late, now, undefined)
  }

  stateName(state: ConsumerGroup): string {
    return stateOf(state)
  }

  isEmpty(state: ConsumerGroup): boolean {
    return state.members.size === 0
  }

  isSubscribed(state: ConsumerGroup, topic: string): boolean {
    for (const member of state.members.values()) if (subscribedTopics(state, member).has(topic)) return true
    return false
  }

  commitVerdict(state: ConsumerGroup, commit: CommitClaim): CommitVerdict {
    const { memberId, instanceId, epoch, transactional, apiVersion } = commit
    if (epoch < 0 && state.members.size === 0) return { error: 'NONE' }
    // Producers before KIP-447 do not say whose offsets they commit.
    if (transactional && epoch === -1 && memberId === '' && instanceId === null) return { error: 'NONE' }
    const member = state.members.get(memberId)
    if (member === undefined) return { error: 'UNKNOWN_MEMBER_ID' }
    const isModern = member.classic === null
    if (!transactional && isModern && apiVersion < MODERN_COMMIT_VERSION) return { error: 'UNSUPPORTED_VERSION' }
    if (epoch === member.epoch) return { error: 'NONE' }
    const stale = staleError(member)
    if (epoch > member.epoch) return { error: stale }
    // An older epoch is good for what the member has had since then (KIP-1251).
    const since = (topicId: string, partition: number) =>
      member.assigned.get(topicId)?.get(partition) ?? member.pendingRevocation.get(topicId)?.get(partition)
    return {
      error: 'NONE',
      partition: (topicId, partition) => (epoch >= (since(topicId, partition) ?? Infinity) ? 'NONE' : stale)
    }
  }

  fetchError(state: ConsumerGroup, memberId: string | null, epoch: number): GroupError {
    if (memberId === null && epoch < 0) return 'NONE'
    const member = state.members.get(memberId ?? '')
    if (member === undefined) return 'UNKNOWN_MEMBER_ID'
    return epoch === member.epoch ? 'NONE' : staleError(member)
  }

  tombstones(state: ConsumerGroup): readonly LogRecord[] {
    return tombstonesOf(state).map((record) => encodeConsumerRecord(state.groupId, record))
  }

  /** The upgrade of KIP-848: everybody in it goes on in the classic protocol. */
  adopt(group: ClassicGroup): Adoption<ConsumerGroup> | undefined {
    const { migrationPolicy, maxSize } = this.#env.settings
    const mayUpgrade = migrationPolicy === 'bidirectional' || migrationPolicy === 'upgrade'
    if (!mayUpgrade || group.protocolType !== 'consumer' || group.members.size > maxSize) return undefined
    const state = consumerGroupOf(group, this.#env.topics)
    return (
      state && {
        state,
        records: recordsOf(state).map((record) => encodeConsumerRecord(group.groupId, record)),
        deadlines: this.loaded(state)
      }
    )
  }
}

function staleError({ classic }: ConsumerMember): GroupError {
  return classic === null ? 'STALE_MEMBER_EPOCH' : 'ILLEGAL_GENERATION'
}
