/** A change of a share group while it is being decided: the records so far, and the group as they make it. Pure. */
import type { GroupSettings } from '../../group-settings.ts'
import type { DeadlineChange, GroupChange } from '../hosted-group.ts'
import type { TopicDirectory } from '../topic-directory.ts'
import { hashTopics } from '../topic-hash.ts'
import { encodeShareRecord } from './share-group-log.ts'
import {
  afterRecords,
  fromPartitions,
  NO_PARTITIONS,
  type ShareGroup,
  type ShareMember,
  type ShareRecord,
  samePartitions,
  subscribedTopics,
  type TopicPartitions,
  toPartitions
} from './share-group-state.ts'
import { assignSimply } from './simple-assignor.ts'

export interface ShareEnvironment {
  readonly settings: (groupId: string) => GroupSettings
  readonly topics: Pick<TopicDirectory, 'topicId' | 'topicName' | 'partitionCount'>
  /** Kafka's `group.share.max.size`. */
  readonly membersMax: number
}

export const sessionDeadline = (memberId: string) => `session ${memberId}`

/** Kafka's state of a member that has what it is to have; share groups know no other. */
const STABLE = 0

export class ShareDraft {
  group: ShareGroup
  readonly deadlines: DeadlineChange[] = []
  readonly #environment: ShareEnvironment
  readonly #records: ShareRecord[] = []

  constructor(group: ShareGroup, environment: ShareEnvironment) {
    this.group = group
    this.#environment = environment
  }

  put(...records: readonly ShareRecord[]): void {
    this.#records.push(...records)
    this.group = afterRecords(this.group, records)
  }

  finish<Answer>(answer: Answer): GroupChange<ShareGroup, Answer> {
    const records = this.#records.map((record) => encodeShareRecord(this.group.groupId, record))
    return { state: this.group, records, deadlines: this.deadlines, answer }
  }

  /** What the members subscribe to, as it is now: another number when a topic has come, gone or grown. */
  get metadataHash(): number {
    return hashTopics(this.#environment.topics, subscribedTopics(this.group))
  }

  bumpEpoch(): void {
    this.put({ kind: 'group', value: { epoch: this.group.epoch + 1, metadataHash: this.metadataHash } })
  }

  /** Whether somebody should read partitions that nobody is to read yet. */
  get assignmentPending(): boolean {
    const { members, targets } = this.group
    if (members.size === 0) return false
    const assigned = new Set(
      [...targets.values()].flatMap((target) =>
        [...target].flatMap(([topicId, indexes]) => indexes.map((index) => `${topicId}:${index}`))
      )
    )
    return [...this.#assignable()].some(([topicId, indexes]) =>
      indexes.some((index) => !assigned.has(`${topicId}:${index}`))
    )
  }

  /** Makes a target for the group's epoch if it has none, unless it got one a moment ago. */
  updateTarget(now: number): void {
    const { epoch, assignmentEpoch, assignedAt, groupId } = this.group
    const { shareAssignmentIntervalMs } = this.#environment.settings(groupId)
    if (assignmentEpoch >= epoch) return
    // A clock that was set back must not hold the group up.
    if (assignedAt <= now && now < assignedAt + shareAssignmentIntervalMs) return
    const subscribers = [...this.group.members.values()].map(({ memberId, metadata }) => ({
      memberId,
      topicIds: this.#topicIds(metadata.subscribedTopicNames),
      current: this.group.targets.get(memberId) ?? NO_PARTITIONS
    }))
    for (const [memberId, target] of assignSimply(subscribers, this.#assignable())) {
      const before = this.group.targets.get(memberId)
      if (before !== undefined && samePartitions(before, target)) continue
      this.put({ kind: 'target', memberId, value: { topicPartitions: fromPartitions(target) } })
    }
    this.put({ kind: 'assignment', value: { assignmentEpoch: epoch, assignmentTimestamp: now } })
  }

  /** Moves a member to the target: nobody has to give anything up for it. */
  reconcile(member: ShareMember): ShareMember {
    const { assignmentEpoch, targets } = this.group
    const topicIds = this.#topicIds(member.metadata.subscribedTopicNames)
    const target = [...(targets.get(member.memberId) ?? NO_PARTITIONS)].filter(([topicId]) => topicIds.has(topicId))
    const assigned = new Map(target)
    if (member.epoch === assignmentEpoch && samePartitions(member.assigned, assigned)) return member
    const previousMemberEpoch = member.epoch === assignmentEpoch ? member.previousEpoch : member.epoch
    const value = {
      memberEpoch: assignmentEpoch,
      previousMemberEpoch,
      state: STABLE,
      assignedPartitions: fromPartitions(assigned)
    }
    this.put({ kind: 'current', memberId: member.memberId, value })
    return this.group.members.get(member.memberId) ?? member
  }

  removeMember(memberId: string): void {
    this.put(...(['current', 'target', 'member'] as const).map((kind) => ({ kind, memberId, value: null })))
    this.bumpEpoch()
    this.deadlines.push({ name: sessionDeadline(memberId), afterMs: null })
  }

  /** Partitions with a state, of topics that somebody subscribes to. */
  #assignable(): TopicPartitions {
    const wanted = this.#topicIds(subscribedTopics(this.group))
    const { initializedTopics } = this.group.stateTopics
    return toPartitions(initializedTopics.filter(({ topicId }) => wanted.has(topicId)))
  }

  #topicIds(names: Iterable<string>): ReadonlySet<string> {
    const { topics } = this.#environment
    return new Set([...names].flatMap((name) => topics.topicId(name) ?? []))
  }
}
