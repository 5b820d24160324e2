/**
 * The states of the share partitions in one partition of `__share_group_state`: judges what is asked of them and says which
 * record changes them. Pure: no I/O, no clock.
 *
 * Invariant: the table is what its records say, in their order. Epochs only grow: whoever comes with a lower one than was
 * seen does not lead any more (leader epoch), or missed that the state began anew (state epoch).
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import {
  type ReadState,
  type ShareStateKey,
  type StateBatch,
  type StateChange,
  type StateOutcome,
  type StateSummary,
  UNINITIALIZED_OFFSET
} from './share-state.ts'
import type { ShareStateRecord } from './share-state-records.ts'
import { joinStateBatches } from './state-batches.ts'

interface StoredState {
  readonly key: ShareStateKey
  snapshotEpoch: number
  stateEpoch: number
  /** The highest that was seen; -1: none. */
  leaderEpoch: number
  startOffset: number
  deliveryCompleteCount: number
  stateBatches: readonly StateBatch[]
  /** Updates since the snapshot. */
  updates: number
  /** Where the snapshot is in the log, and when it was written, in wall milliseconds. */
  snapshotOffset: number
  snapshotMs: number
}

/** An error, or the records that do what was asked, none when there is nothing to do. */
export type Verdict = StateOutcome & { readonly records: readonly ShareStateRecord[] }

export class ShareStateTable {
  readonly #updatesPerSnapshot: number
  readonly #states = new Map<string, StoredState>()

  /** `updatesPerSnapshot`: Kafka's `share.coordinator.snapshot.update.records.per.snapshot`. */
  constructor(updatesPerSnapshot: number) {
    this.#updatesPerSnapshot = updatesPerSnapshot
  }

  get size(): number {
    return this.#states.size
  }

  /** Takes in a record, `offset` being that of its batch. */
  apply(record: ShareStateRecord, offset: number): void {
    const id = stateId(record.key)
    const known = this.#states.get(id)
    if (record.kind === 'tombstone') this.#states.delete(id)
    else if (record.kind === 'snapshot') {
      const { snapshot } = record
      this.#states.set(id, {
        key: record.key,
        snapshotEpoch: snapshot.snapshotEpoch,
        stateEpoch: Math.max(snapshot.stateEpoch, known?.stateEpoch ?? snapshot.stateEpoch),
        leaderEpoch: Math.max(snapshot.leaderEpoch, known?.leaderEpoch ?? -1),
        startOffset: snapshot.startOffset,
        deliveryCompleteCount: snapshot.deliveryCompleteCount,
        stateBatches: snapshot.stateBatches,
        updates: 0,
        snapshotOffset: offset,
        snapshotMs: snapshot.writeTimestamp
      })
    } else if (known !== undefined) {
      // Without a snapshot before it, it belongs to a state that has gone.
      const { update } = record
      if (update.startOffset !== UNINITIALIZED_OFFSET) known.startOffset = update.startOffset
      known.leaderEpoch = Math.max(known.leaderEpoch, update.leaderEpoch)
      known.deliveryCompleteCount = update.deliveryCompleteCount
      known.stateBatches = joinStateBatches(known.stateBatches, update.stateBatches, known.startOffset)
      known.updates++
    }
  }

  initialize(key: ShareStateKey, start: { stateEpoch: number; startOffset: number }, now: number): Verdict {
    const known = this.#states.get(stateId(key))
    const { stateEpoch, startOffset } = start
    if (known !== undefined && stateEpoch !== -1 && known.stateEpoch > stateEpoch) return fencedState(known, stateEpoch)
    // From where nobody has read, there is no lag either.
    const deliveryCompleteCount = startOffset === UNINITIALIZED_OFFSET ? -1 : 0
    const snapshot = {
      snapshotEpoch: known === undefined ? 0 : known.snapshotEpoch + 1,
      stateEpoch,
      leaderEpoch: 0,
      startOffset,
      deliveryCompleteCount,
      createTimestamp: now,
      writeTimestamp: now,
      stateBatches: []
    }
    return changed({ kind: 'snapshot', key, snapshot })
  }

  write(key: ShareStateKey, change: StateChange, now: number): Verdict {
    const known = this.#states.get(stateId(key))
    if (known === undefined) return uninitialized(key)
    if (change.leaderEpoch !== -1 && known.leaderEpoch > change.leaderEpoch)
      return fencedLeader(known, change.leaderEpoch)
    if (change.stateEpoch !== -1 && known.stateEpoch > change.stateEpoch) return fencedState(known, change.stateEpoch)
    return changed(this.#change(known, change, known.leaderEpoch, now))
  }

  /** Judges a read, and notes the epoch of a new leader. The state itself tells `state`. */
  read(key: ShareStateKey, leaderEpoch: number, now: number): Verdict {
    const known = this.#states.get(stateId(key))
    if (known === undefined) return uninitialized(key)
    if (leaderEpoch !== -1 && known.leaderEpoch > leaderEpoch) return fencedLeader(known, leaderEpoch)
    if (leaderEpoch === -1 || known.leaderEpoch === leaderEpoch) return DONE
    return changed(this.#change(known, { ...known, stateBatches: [] }, leaderEpoch, now))
  }

  delete(key: ShareStateKey): Verdict {
    return this.#states.has(stateId(key)) ? changed({ kind: 'tombstone', key }) : DONE
  }

  state(key: ShareStateKey): ReadState {
    const known = this.#states.get(stateId(key))
    const { stateEpoch = 0, startOffset = UNINITIALIZED_OFFSET, stateBatches = [] } = known ?? {}
    return { errorCode: ErrorCode.NONE, errorMessage: null, stateEpoch, startOffset, stateBatches }
  }

  summary(key: ShareStateKey): StateSummary {
    const known = this.#states.get(stateId(key))
    const none = { stateEpoch: 0, leaderEpoch: 0, startOffset: UNINITIALIZED_OFFSET, deliveryCompleteCount: -1 }
    const { stateEpoch, leaderEpoch, startOffset, deliveryCompleteCount } = known ?? none
    const numbers = { stateEpoch, leaderEpoch, startOffset, deliveryCompleteCount }
    return { errorCode: ErrorCode.NONE, errorMessage: null, ...numbers }
  }

  /** New snapshots of the states whose last one is older than `beforeMs`: they keep the log from being pruned. */
  renewals(beforeMs: number, now: number): readonly ShareStateRecord[] {
    return [...this.#states.values()]
      .filter(({ snapshotMs }) => snapshotMs < beforeMs)
      .map((state) => snapshotOf(state, state, state.leaderEpoch, now))
  }

  /** Before this offset the log holds nothing that still means anything. `endOffset`: where it ends. */
  redundantBefore(endOffset: number): number {
    let offset = endOffset
    for (const { snapshotOffset } of this.#states.values()) offset = Math.min(offset, snapshotOffset)
    return offset
  }

  /** Ends the states of topics that are gone. */
  cleanUp(isGone: (topicId: string) => boolean): readonly ShareStateRecord[] {
    return [...this.#states.values()]
      .filter(({ key }) => isGone(key.topicId))
      .map(({ key }) => ({ kind: 'tombstone', key }))
  }

  #change(
    known: StoredState,
    change: Omit<StateChange, 'leaderEpoch'>,
    leaderEpoch: number,
    now: number
  ): ShareStateRecord {
    if (known.updates >= this.#updatesPerSnapshot) return snapshotOf(known, change, leaderEpoch, now)
    const { startOffset, deliveryCompleteCount } = change
    const stateBatches = [...joinStateBatches([], change.stateBatches, startOffset)]
    const { snapshotEpoch } = known
    return {
      kind: 'update',
      key: known.key,
      update: { snapshotEpoch, leaderEpoch, startOffset, deliveryCompleteCount, stateBatches }
    }
  }
}

const DONE: Verdict = { errorCode: ErrorCode.NONE, errorMessage: null, records: [] }

function stateId({ groupId, topicId, partition }: ShareStateKey): string {
  return `${groupId}:${topicId}:${partition}`
}

function snapshotOf(
  known: StoredState,
  change: Omit<StateChange, 'leaderEpoch' | 'stateEpoch'>,
  leaderEpoch: number,
  now: number
): ShareStateRecord {
  const startOffset = change.startOffset === UNINITIALIZED_OFFSET ? known.startOffset : change.startOffset
  return {
    kind: 'snapshot',
    key: known.key,
    snapshot: {
      snapshotEpoch: known.snapshotEpoch + 1,
      stateEpoch: known.stateEpoch,
      leaderEpoch,
      startOffset,
      deliveryCompleteCount: change.deliveryCompleteCount,
      createTimestamp: now,
      writeTimestamp: now,
      stateBatches: [...joinStateBatches(known.stateBatches, change.stateBatches, startOffset)]
    }
  }
}

function changed(record: ShareStateRecord): Verdict {
  return { errorCode: ErrorCode.NONE, errorMessage: null, records: [record] }
}

function refused(errorCode: number, errorMessage: string): Verdict {
  return { errorCode, errorMessage, records: [] }
}

function uninitialized({ groupId, topicId, partition }: ShareStateKey): Verdict {
  const message = `group ${groupId} has no share state of partition ${partition} of topic ${topicId}: initialize it first`
  return refused(ErrorCode.INVALID_REQUEST, message)
}

function fencedLeader(known: StoredState, epoch: number): Verdict {
  return refused(ErrorCode.FENCED_LEADER_EPOCH, `leader epoch ${epoch} has ended, ${known.leaderEpoch} is known`)
}

function fencedState(known: StoredState, epoch: number): Verdict {
  return refused(ErrorCode.FENCED_STATE_EPOCH, `state epoch ${epoch} has ended, ${known.stateEpoch} is known`)
}
