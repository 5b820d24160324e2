/**
 * The durable state of share partitions as those who lead the partitions see it (KIP-932's persister): whoever keeps it,
 * here or on another broker, answers through this interface. Errors are values; a call never fails otherwise.
 */

/** State of the records `firstOffset` to `lastOffset`: 0 available, 2 acknowledged, 4 archived. */
export interface StateBatch {
  readonly firstOffset: number
  readonly lastOffset: number
  readonly deliveryState: number
  readonly deliveryCount: number
}

export interface ShareStateKey {
  readonly groupId: string
  readonly topicId: string
  readonly partition: number
}

/** The start offset of a share partition that nobody has read yet. */
export const UNINITIALIZED_OFFSET = -1

export interface StateOutcome {
  readonly errorCode: number
  readonly errorMessage: string | null
}

export interface ReadState extends StateOutcome {
  readonly stateEpoch: number
  readonly startOffset: number
  /** In the order of their offsets; they do not overlap. */
  readonly stateBatches: readonly StateBatch[]
}

export interface StateSummary extends StateOutcome {
  readonly stateEpoch: number
  readonly leaderEpoch: number
  readonly startOffset: number
  /** -1: not known. */
  readonly deliveryCompleteCount: number
}

export interface StateChange {
  readonly stateEpoch: number
  readonly leaderEpoch: number
  readonly startOffset: number
  readonly deliveryCompleteCount: number
  readonly stateBatches: readonly StateBatch[]
}

export interface ShareStateStore {
  /** Begins the state of a share partition anew; a lower epoch than the one that is known is fenced. */
  initialize(key: ShareStateKey, start: { stateEpoch: number; startOffset: number }): Promise<StateOutcome>
  /** What is durable; from now on a lower leader epoch is fenced. */
  read(key: ShareStateKey, leaderEpoch: number): Promise<ReadState>
  /** Resolves when the change is durable. Of two states of a record, the later delivery counts. */
  write(key: ShareStateKey, change: StateChange): Promise<StateOutcome>
  delete(key: ShareStateKey): Promise<StateOutcome>
  readSummary(key: ShareStateKey): Promise<StateSummary>
}
