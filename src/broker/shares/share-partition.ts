/**
 * A partition as one share group sees it, on the broker that leads the partition: performs what `share-partition-state.ts`
 * decides, stores it, and keeps the locks' time.
 *
 * Invariants: nothing is delivered before the stored state was read, and an acknowledgement is answered only when it is
 * stored. Where the group begins to read is stored before anything is delivered, so that what nobody acknowledged is
 * found again after a crash (Kafka chooses anew until the first acknowledgement).
 * Once fenced it takes nothing more; whoever needs the share partition loads another.
 */
import type { Clock } from '../../runtime/clock.ts'
import { assert, type Fault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { parseBatchHeader } from '../../wire/records/batch-header.ts'
import { decompressRecords, findTimestamp } from '../../wire/records/records.ts'
import { codeOf } from '../fault-codes.ts'
import type { GroupSettings } from '../group-settings.ts'
import type { Partition } from '../partition/partition.ts'
import type { Acquired, AcquireRequest } from './acquisition.ts'
import { type Acknowledgement, type Change, type DeliveryLimits, SharePartitionState } from './share-partition-state.ts'
import { type ShareStateKey, type ShareStateStore, type StateOutcome, UNINITIALIZED_OFFSET } from './share-state.ts'

export interface SharePartitionParts {
  readonly key: ShareStateKey
  readonly partition: Partition
  readonly clock: Clock
  readonly log: Log
  readonly store: ShareStateStore
  /** Of the group, as they are now. */
  readonly settings: () => GroupSettings
  /** Runs once, when this share partition can be used no more. */
  readonly onFenced: () => void
}

const STORED: StateOutcome = { errorCode: ErrorCode.NONE, errorMessage: null }
const DECOMPRESSED_BYTES_MAX = 1024 * 1024 * 1024

export class SharePartition {
  readonly partition: Partition
  /** Settles, without failing, when the state was read, or could not be. */
  readonly loaded: Promise<void>
  readonly #parts: SharePartitionParts
  readonly #listeners = new Set<() => void>()
  #state: SharePartitionState | undefined
  #stateEpoch = -1
  #failure: StateOutcome | undefined
  #fetching = false
  readonly #turnedAway: (() => void)[] = []
  #cancelExpiry: () => void = () => undefined

  constructor(parts: SharePartitionParts) {
    this.#parts = parts
    this.partition = parts.partition
    this.loaded = this.#load()
  }

  /** Why it cannot be used; undefined while it can, or loads. */
  get failure(): StateOutcome | undefined {
    return this.#failure
  }

  get loads(): boolean {
    return this.#state === undefined && this.#failure === undefined
  }

  /** Where to read for the next member; undefined while nothing can be given: it loads, or all that may be is held. */
  get fetchOffset(): number | undefined {
    if (this.#state === undefined || this.#failure !== undefined) return undefined
    return this.#state.canAcquire(this.#limits) ? this.#state.nextFetchOffset : undefined
  }

  /**
   * True: nobody else reads until `endFetch`, because what one reads is not for the next. False: somebody does, and
   * `onFree` will be called once when it is over.
   */
  beginFetch(onFree: () => void): boolean {
    if (this.#fetching) {
      this.#turnedAway.push(onFree)
      return false
    }
    this.#fetching = true
    return true
  }

  endFetch(): void {
    this.#fetching = false
    for (const onFree of this.#turnedAway.splice(0)) onFree()
  }

  /** Runs `listener` whenever there may be something to give that there was not before; returns how to stop. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  acquire(request: AcquireRequest): readonly Acquired[] {
    if (this.#state === undefined || this.#failure !== undefined) return []
    const acquired = this.#state.acquire(request, this.#now, this.#limits)
    this.#watchLocks()
    return acquired
  }

  /** The log begins later than where the group reads: what it has lost is skipped. */
  skipLostRecords(): void {
    this.#state?.moveStart(this.partition.startOffset)
    this.#watchLocks()
  }

  /** Resolves when what the member says of its records is stored. */
  async acknowledge(member: string, acknowledgements: readonly Acknowledgement[]): Promise<StateOutcome> {
    await this.loaded
    if (this.#state === undefined || this.#failure !== undefined) return this.#failure ?? STORED
    const change = this.#state.acknowledge(member, acknowledgements, this.#now, this.#limits)
    if ('errorCode' in change) return change
    return this.#store(change)
  }

  /** The member has gone: others may have what it holds. */
  async release(member: string): Promise<StateOutcome> {
    await this.loaded
    if (this.#state === undefined || this.#failure !== undefined) return this.#failure ?? STORED
    return this.#store(this.#state.release(member, this.#limits))
  }

  fence(outcome: StateOutcome): void {
    if (this.#failure !== undefined) return
    this.#failure = outcome
    this.#cancelExpiry()
    this.#parts.onFenced()
    this.#wake()
  }

  get #now(): number {
    return this.#parts.clock.monotonic()
  }

  get #limits(): DeliveryLimits {
    const settings = this.#parts.settings()
    return {
      deliveriesMax: settings.shareDeliveryCountLimit,
      inFlightMax: settings.sharePartitionMaxRecordLocks,
      lockMs: settings.shareRecordLockDurationMs,
      renewals: settings.shareRenewAcknowledgeEnable
    }
  }

  async #load(): Promise<void> {
    const { key, store, partition } = this.#parts
    const read = await store.read(key, partition.leaderEpoch)
    if (read.errorCode !== ErrorCode.NONE) return this.fence(asPartitionError(read))
    try {
      this.#stateEpoch = read.stateEpoch
      if (read.startOffset === UNINITIALIZED_OFFSET) {
        const state = new SharePartitionState(await this.#firstOffset())
        const stored = await this.#write(state, [])
        if (stored.errorCode !== ErrorCode.NONE) return this.fence(stored)
        this.#state = state
      } else {
        this.#state = new SharePartitionState(read.startOffset, read.stateBatches)
      }
    } catch (error) {
      this.#parts.log.warn({ ...key, error }, 'share partition could not be loaded')
      return this.fence({ errorCode: codeOf(error), errorMessage: (error as Fault).message })
    }
    this.#wake()
  }

  /** Where a group begins that has never read the partition. */
  async #firstOffset(): Promise<number> {
    const { partition, settings, clock } = this.#parts
    const reset = settings().shareAutoOffsetReset
    if (reset.kind !== 'by-duration') {
      return reset.kind === 'earliest' ? partition.startOffset : partition.highWatermark
    }
    const timestamp = clock.now() - reset.durationMs
    for (let next = partition.startOffset; ; ) {
      const entry = await partition.stream.findTimestamp(timestamp, next)
      if (entry === undefined) return partition.highWatermark
      const header = parseBatchHeader(entry.payload, 0)
      const records = await decompressRecords({ header, bytes: entry.payload }, DECOMPRESSED_BYTES_MAX)
      const found = findTimestamp(header, records, timestamp, partition.startOffset)
      if (found !== undefined) return found.offset
      next = entry.lastOffset + 1
    }
  }

  async #store({ id, batches }: Change): Promise<StateOutcome> {
    const state = this.#state
    assert(state !== undefined, 'only a share partition that is loaded changes')
    this.#watchLocks()
    if (batches.length === 0) return STORED
    const outcome = await this.#write(state, batches)
    state.settle(id, outcome.errorCode === ErrorCode.NONE, this.#now, this.#limits)
    this.#watchLocks()
    this.#wake()
    return outcome
  }

  async #write(state: SharePartitionState, stateBatches: Change['batches']): Promise<StateOutcome> {
    const { key, store, partition } = this.#parts
    const outcome = await store.write(key, {
      stateEpoch: this.#stateEpoch,
      leaderEpoch: partition.leaderEpoch,
      startOffset: state.startOffset,
      deliveryCompleteCount: state.completed,
      stateBatches
    })
    if (outcome.errorCode === ErrorCode.NONE) return outcome
    const told = asPartitionError(outcome)
    if (LOST.has(told.errorCode)) this.fence(told)
    return told
  }

  /** Sets the timer for the next lock to run out. */
  #watchLocks(): void {
    this.#cancelExpiry()
    const next = this.#failure === undefined ? this.#state?.nextExpiry : undefined
    if (next === undefined) return
    this.#cancelExpiry = this.#parts.clock.after(Math.max(0, next - this.#now), () => this.#expire())
  }

  #expire(): void {
    const state = this.#state
    if (state === undefined || this.#failure !== undefined) return
    const batches = state.expire(this.#now, this.#limits)
    this.#watchLocks()
    if (batches.length === 0) return
    // Stored or not, the time of the locks is over.
    void this.#write(state, batches)
    this.#wake()
  }

  #wake(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}

/** After these, somebody else has the share partition, or nobody. */
const LOST: ReadonlySet<number> = new Set([
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.GROUP_ID_NOT_FOUND,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
])

/** What a consumer is told of an error of the coordinator. */
function asPartitionError({ errorCode, errorMessage }: StateOutcome): StateOutcome {
  switch (errorCode) {
    case ErrorCode.NOT_COORDINATOR:
    case ErrorCode.COORDINATOR_NOT_AVAILABLE:
    case ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
      return { errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE, errorMessage }
    case ErrorCode.GROUP_ID_NOT_FOUND:
    case ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
      return { errorCode, errorMessage }
    case ErrorCode.FENCED_LEADER_EPOCH:
    case ErrorCode.FENCED_STATE_EPOCH:
      return { errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER, errorMessage }
    default:
      return { errorCode: ErrorCode.UNKNOWN_SERVER_ERROR, errorMessage }
  }
}
