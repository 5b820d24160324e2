/**
 * A group of one of the newer protocols (KIP-848, KIP-932, KIP-1071) as its shard hosts it: rules of its protocol, pure,
 * over a state that is made of records alone. The shard keeps the state, stores the records, answers once they are
 * durable, and keeps the deadlines; the rules decide.
 *
 * Invariant: replaying the records of a change onto the state before gives the state after. What is not in a record
 * (when a member was heard last) is in deadlines only and begins anew when the group is loaded.
 */
import type { LogRecord } from '../record-log.ts'

export interface HostedState {
  readonly groupId: string
}

/** Sets a deadline, or cancels it. One that is set again begins anew. */
export interface DeadlineChange {
  /** Unique within the group; tells the rules what is due. */
  readonly name: string
  /** Milliseconds from now; null: cancelled. */
  readonly afterMs: number | null
}

export interface GroupChange<State extends HostedState, Answer> {
  /** Undefined: nothing is left of the group. */
  readonly state: State | undefined
  /** In the order in which they are stored; one batch. */
  readonly records: readonly LogRecord[]
  readonly deadlines: readonly DeadlineChange[]
  /** Given once everything stored of the group so far is durable. */
  readonly answer: Answer
}

/** What a protocol does, whatever it is asked. `now` is wall time in milliseconds. */
export interface GroupRules<State extends HostedState> {
  readonly type: 'consumer' | 'share' | 'streams'
  /** The state after a record of this protocol; `undefined` for a record that is not, or that leaves nothing of the group. */
  replay(state: State | undefined, record: LogRecord): State | undefined
  /** Whether a record of `__consumer_offsets`, told by the version of its key, is one of this protocol's; its group. */
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
  /** What deletes it from the log. */
  tombstones(state: State): readonly LogRecord[]
}
