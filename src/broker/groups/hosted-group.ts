/**
 * A group of one of the newer protocols (KIP-848, KIP-932, KIP-1071) as its shard hosts it: rules of its protocol, pure,
 * over a state that is made of records alone. The shard keeps the state, stores the records, answers once they are
 * durable, and keeps the deadlines; the rules decide. Asked by `GroupShard.change`.
 *
 * Invariant: replaying the records of a change onto the state before gives the state after. What is not in a record
 * (when a member was heard last) is in deadlines only and begins anew when the group is loaded.
 */
import type { LogRecord } from '../record-log.ts'
import type { ClassicGroup, GroupError } from './group-state.ts'

export interface HostedState {
  readonly groupId: string
}

/** Sets a deadline, or cancels it. One that is set again begins anew. */
export interface DeadlineChange {
  /** Unique within the group; tells the rules what is due. */
  readonly name: string
  /** Milliseconds from now; null: cancelled. */
  readonly afterMs: number | null
  /** Leaves one of this name that runs already as it is. */
  readonly ifAbsent?: boolean
}

export interface GroupChange<State extends HostedState, Answer> {
  /**
   * Undefined: nothing is left of the group. A change without records never ends a group; what else it says is in memory
   * only, and gone when the group is loaded anew.
   */
  readonly state: State | undefined
  /** In the order in which they are stored; one batch. */
  readonly records: readonly LogRecord[]
  readonly deadlines: readonly DeadlineChange[]
  /** Given once everything stored of the group so far is durable. */
  readonly answer: Answer
  /** The group goes on as a classic one: `state` is undefined then, and the shard adds the record of the new group. */
  readonly downgrade?: Downgrade
}

export interface Downgrade {
  readonly group: ClassicGroup
  /** Why its members must join anew; null when they need not. */
  readonly rebalance: string | null
}

/** A classic group with members taken over, as far as records go; the shard adds the tombstone of the classic group. */
export interface Adoption<State extends HostedState> {
  readonly state: State
  readonly records: readonly LogRecord[]
  readonly deadlines: readonly DeadlineChange[]
}

/** A commit of offsets, as far as the group judges it. */
export interface CommitClaim {
  readonly memberId: string
  readonly instanceId: string | null
  /** Generation or member epoch; negative when the client has none. */
  readonly epoch: number
  /** By TxnOffsetCommit. */
  readonly transactional: boolean
  readonly apiVersion: number
}

/** `partition` judges what the whole commit passed; partitions are told by the id of their topic. */
export interface CommitVerdict {
  readonly error: GroupError
  readonly partition?: (topicId: string, partition: number) => GroupError
}

/** What a protocol does, whatever it is asked. `now` is wall time in milliseconds. */
export interface GroupRules<State extends HostedState> {
  readonly type: 'consumer' | 'share' | 'streams'
  /**
   * The state after a record of this protocol; `undefined` when it leaves nothing of the group. Between loading and
   * `loaded` it may be the state before, changed: nobody else has that.
   */
  replay(state: State | undefined, record: LogRecord): State | undefined
  /** The group of a record of this protocol, told by the version of its key; undefined for any other record. */
  groupOf(record: LogRecord): string | undefined
  /** The sessions that begin when the group was loaded. */
  loaded(state: State, now: number): readonly DeadlineChange[]
  expire(state: State, deadline: string, now: number): GroupChange<State, void>
  /** How ListGroups shows it: `Stable`, `Reconciling`, … */
  stateName(state: State): string
  /** Nobody is in it: it may be deleted, and its offsets may expire. */
  isEmpty(state: State): boolean
  /** Whether a member subscribes to the topic, so that its offsets must stay. */
  isSubscribed(state: State, topic: string): boolean
  /** Whether it may commit offsets. Groups that have none refuse with GROUP_ID_NOT_FOUND. */
  commitVerdict(state: State, commit: CommitClaim): CommitVerdict
  /** Whether offsets may be read; `memberId` is null and the epoch negative when the client does not say. */
  fetchError(state: State, memberId: string | null, epoch: number): GroupError
  /** Whether the group commits offsets: they may be deleted, and an empty group without any expires. */
  readonly keepsOffsets: boolean
  /** Whether a member of the classic protocol that joins replaces the group while it is empty. */
  readonly makesRoom: boolean
  /** What deletes it from the log. */
  tombstones(state: State): readonly LogRecord[]
  /** Takes over a classic group with members; undefined when that is not possible. Absent: the protocol never does. */
  adopt?(group: ClassicGroup, now: number): Adoption<State> | undefined
}

/** The rules of any protocol, once its state is known to be its own. */
export type AnyRules = GroupRules<HostedState>

/** How a change ended: `error` is NONE and the answer is the rules' own, or nothing was changed. */
export type Changed<Answer> =
  | { readonly error: 'NONE'; readonly answer: Answer }
  | {
      /** GROUP_ID_NOT_FOUND: the group is of another type, and not an empty classic one. */
      readonly error: 'GROUP_ID_NOT_FOUND' | 'NOT_COORDINATOR' | 'COORDINATOR_NOT_AVAILABLE'
    }
