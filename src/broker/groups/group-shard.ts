/**
 * The groups of one partition of `__consumer_offsets`, of any type: performs what their rules decide, and stores it.
 *
 * Invariants: memory never runs behind the log: if an append fails, the shard gives up everything it holds (waiting
 * requests are refused) and whoever still leads the partition loads it anew. An answer about a group leaves only
 * after every record of that group written before is durable. Offsets are applied in log order, once durable. A group
 * id names one group, whatever its type.
 *
 * The rules are those of `classic-group.ts` for classic groups, and `GroupRules` for all others.
 */
import type { Clock } from '../../runtime/clock.ts'
import { assert, isFault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import { type RouteError, storageError } from '../coordinator-shards.ts'
import type { LogProducer, LogRecord, RecordLog, TransactionEnd } from '../record-log.ts'
import { step } from './classic-group.ts'
import { decodeRecord, encodeGroup, encodeOffset } from './group-records.ts'
import {
  type Answer,
  type ClassicGroup,
  type Effect,
  emptyGroup,
  type GroupError,
  type GroupEvent,
  type GroupSettings,
  isBlank,
  type RequestId
} from './group-state.ts'
import type { AnyRules, Changed, DeadlineChange, GroupChange, GroupRules, HostedState } from './hosted-group.ts'
import { expiryOf } from './offset-expiry.ts'
import { OffsetTable, type OffsetWrite } from './offset-table.ts'
import {
  type Basis,
  basisFor,
  cancelDeadline,
  cancelDeadlines,
  deadEntry,
  deadlineName,
  type Entry,
  type ShardGroup,
  tombstones
} from './shard-entry.ts'
import { outcome, ShardLog, type StorageAnswer } from './shard-log.ts'
import { type TransactionWatch, TransactionWatches } from './transaction-watches.ts'

export interface ShardSettings extends GroupSettings {
  /** Kafka's offsets.retention.minutes. */
  readonly offsetsRetentionMs: number
  /** Kafka's offsets.retention.check.interval.ms. */
  readonly offsetsRetentionCheckMs: number
}

export interface ShardEnvironment {
  readonly clock: Clock
  readonly log: Log
  readonly settings: ShardSettings
  /** The protocols besides the classic one. */
  readonly rules: readonly AnyRules[]
}

/** The shard that serves a request, or why none can. */
export type Route = GroupShard | RouteError

export class GroupShard {
  readonly partition: number
  readonly offsets = new OffsetTable()
  readonly #log: ShardLog
  readonly #environment: ShardEnvironment
  readonly #onFailed: () => void
  readonly #entries = new Map<string, Entry>()
  readonly #waiting = new Map<RequestId, (answer: Answer) => void>()
  readonly #watches = new TransactionWatches()
  #nextRequest: RequestId = 1
  #closed = false
  #cancelExpiry: () => void = () => {}

  /** `onFailed` runs once if an append fails: this shard is closed then. Call `load` before anything else. */
  constructor(partition: number, recordLog: RecordLog, environment: ShardEnvironment, onFailed: () => void) {
    this.partition = partition
    this.#log = new ShardLog(recordLog, (error) => this.#fail(error))
    this.#environment = environment
    this.#onFailed = onFailed
  }

  /** Replays the log. Afterwards every member's session starts anew: nobody could heartbeat meanwhile. */
  async load(): Promise<void> {
    const { clock, log } = this.#environment
    await this.#log.readAll({
      records: (records, transaction, position) => {
        for (const record of records) this.#replayReadable(record, transaction, position)
      },
      end: (producer, committed) => this.offsets.end(producer.id, committed)
    })
    for (const entry of [...this.#entries.values()]) {
      if (entry.content.type === 'classic') this.#run(entry.groupId, { type: 'loaded' })
      else this.#setDeadlines(entry, entry.content.rules.loaded(entry.content.state, clock.now()))
    }
    this.#awaitExpiry()
    log.info({ partition: this.partition, groups: this.#entries.size }, 'group partition loaded')
  }

  /** Anybody with the right to produce to the topic can write nonsense into it; that must not stop the others. */
  #replayReadable(record: LogRecord, transaction: LogProducer | undefined, position: number): void {
    try {
      this.#replay(record, transaction, position)
    } catch (error) {
      if (!isFault(error, 'invalid')) throw error
      const { partition } = this
      this.#environment.log.warn({ partition, error }, 'a record of __consumer_offsets is unreadable and was skipped')
    }
  }

  #replay(record: LogRecord, transaction: LogProducer | undefined, position: number): void {
    const decoded = decodeRecord(record.key, record.value)
    if (decoded?.kind === 'offset') {
      if (transaction === undefined) this.#applyOffset(decoded.write, position)
      else this.#applyPending(decoded.write, transaction, position)
    } else if (decoded !== undefined) {
      const { groupId, group } = decoded
      if (group !== null) this.#place(groupId, { type: 'classic', group })
      else if (this.#entries.get(groupId)?.content.type === 'classic') this.#forget(groupId)
    } else {
      for (const rules of this.#environment.rules) this.#replayHosted(rules, record)
    }
  }

  #replayHosted(rules: AnyRules, record: LogRecord): void {
    const groupId = rules.groupOf(record)
    if (groupId === undefined) return
    const before = this.state(rules, groupId)
    const state = rules.replay(before, record)
    if (state !== undefined) this.#place(groupId, { type: 'hosted', rules, state })
    else if (before !== undefined) this.#forget(groupId)
  }

  #place(groupId: string, content: ShardGroup): Entry {
    const known = this.#entries.get(groupId)
    if (known !== undefined) {
      known.content = content
      return known
    }
    const entry = { groupId, content, stored: undefined, deadlines: new Map() }
    this.#entries.set(groupId, entry)
    return entry
  }

  /** A group that commits without ever having had members exists all the same: a simple consumer's. */
  #applyOffset(write: OffsetWrite, position: number): void {
    this.offsets.apply(write, position)
    this.#ensureGroupOfOffsets(write.groupId)
  }

  #applyPending(write: OffsetWrite, producer: LogProducer, position: number): void {
    this.offsets.applyPending(write, producer.id, position)
    this.#ensureGroupOfOffsets(write.groupId)
  }

  #ensureGroupOfOffsets(groupId: string): void {
    if (this.offsets.has(groupId) && !this.#entries.has(groupId)) this.#place(groupId, this.#simpleGroup(groupId))
  }

  #simpleGroup(groupId: string): ShardGroup {
    return { type: 'classic', group: emptyGroup(groupId, this.#environment.clock.now()) }
  }

  /** The group, if it is a classic one. */
  group(groupId: string): ClassicGroup | undefined {
    const content = this.#entries.get(groupId)?.content
    return content?.type === 'classic' ? content.group : undefined
  }

  /** The state of the group, if it is of this protocol. It may be ahead of what is durable: see `settled`. */
  state<State extends HostedState>(rules: GroupRules<State>, groupId: string): State | undefined {
    const content = this.#entries.get(groupId)?.content
    return content?.type === 'hosted' && content.rules === (rules as AnyRules) ? (content.state as State) : undefined
  }

  /** The group, whatever its type. */
  find(groupId: string): ShardGroup | undefined {
    return this.#entries.get(groupId)?.content
  }

  all(): ShardGroup[] {
    return [...this.#entries.values()].map((entry) => entry.content)
  }

  /** Puts a request to a classic group and waits for its answer, however long the group takes. Never throws. */
  ask(groupId: string, event: (request: RequestId) => GroupEvent): Promise<Answer> {
    return new Promise((resolve) => {
      const request = this.#nextRequest++
      this.#waiting.set(request, resolve)
      this.#run(groupId, event(request))
    })
  }

  keepAlive(groupId: string, memberId: string): void {
    if (this.group(groupId) !== undefined) this.#run(groupId, { type: 'alive', memberId })
  }

  /**
   * Lets the rules decide about a group, and stores what they decided; resolves once everything written of the group is
   * durable. An empty classic group counts as none, and is replaced when the change has records; a classic group with
   * members is taken over if the rules can. Never throws, unless `decide` does: then nothing has changed.
   */
  change<State extends HostedState, Given>(
    rules: GroupRules<State>,
    groupId: string,
    decide: (state: State | undefined, now: number) => GroupChange<State, Given>
  ): Promise<Changed<Given>> {
    if (this.#closed) return Promise.resolve({ error: 'NOT_COORDINATOR' })
    const now = this.#environment.clock.now()
    const basis = basisFor(rules, this.#entries.get(groupId)?.content, now)
    if (basis === undefined) return Promise.resolve({ error: 'GROUP_ID_NOT_FOUND' })
    const change = decide(basis.state as State | undefined, now)
    return this.#take(rules, groupId, basis, change).then(
      () => ({ error: 'NONE', answer: change.answer }),
      (error: unknown) => ({ error: storageError(error) })
    )
  }

  #take(rules: AnyRules, groupId: string, basis: Basis, change: GroupChange<HostedState, unknown>): Promise<void> {
    const known = this.#entries.get(groupId)
    if (change.records.length === 0) {
      if (known?.content.type === 'hosted') {
        if (change.state !== undefined) known.content = { type: 'hosted', rules, state: change.state }
        this.#setDeadlines(known, change.deadlines)
      }
      return known?.stored ?? Promise.resolve()
    }
    if (known?.content.type === 'classic') this.#perform(known, { type: 'close', error: 'REBALANCE_IN_PROGRESS' })
    const { state, downgrade } = change
    const records = [...basis.records, ...change.records]
    if (downgrade !== undefined) records.push(encodeGroup(downgrade.group))
    const content: ShardGroup =
      state !== undefined
        ? { type: 'hosted', rules, state }
        : downgrade !== undefined
          ? { type: 'classic', group: downgrade.group }
          : this.#simpleGroup(groupId)
    const entry = this.#place(groupId, content)
    const stored = this.#store(entry, records)
    if (state !== undefined) this.#setDeadlines(entry, [...basis.deadlines, ...change.deadlines])
    else cancelDeadlines(entry)
    if (downgrade !== undefined) this.#run(groupId, { type: 'loaded' })
    if (downgrade !== undefined && downgrade.rebalance !== null) {
      this.#run(groupId, { type: 'rebalance', reason: downgrade.rebalance })
    }
    this.#dropIfBlank(entry)
    return stored
  }

  /**
   * Whether a member of the classic protocol may join under this id: there is a classic group, or none, or an empty one
   * of a protocol that makes room, which is replaced then.
   */
  admitsClassic(groupId: string, replace: boolean): boolean {
    const entry = this.#entries.get(groupId)
    if (this.#closed || entry === undefined || entry.content.type === 'classic') return true
    const { rules, state } = entry.content
    if (!rules.makesRoom || !rules.isEmpty(state)) return false
    if (!replace) return true
    cancelDeadlines(entry)
    entry.content = this.#simpleGroup(groupId)
    this.#store(entry, rules.tombstones(state)).catch(() => {})
    return true
  }

  /** Stores offsets; resolves when they are durable and visible. */
  async write(writes: readonly OffsetWrite[]): Promise<StorageAnswer> {
    if (writes.length === 0) return 'NONE'
    return outcome(
      this.#log.append(writes.map(encodeOffset), (position) => {
        for (const write of writes) this.#applyOffset(write, position)
      })
    )
  }

  /**
   * Stores offsets as part of a producer's transaction; resolves when they are durable and pending. Throws
   * `BatchRefused` when the producer may not write.
   */
  async writePending(writes: readonly OffsetWrite[], producer: LogProducer): Promise<StorageAnswer> {
    if (writes.length === 0) return 'NONE'
    const records = writes.map(encodeOffset)
    return outcome(
      this.#log.appendPending(records, producer, (position) => {
        for (const write of writes) this.#applyPending(write, producer, position)
      })
    )
  }

  /** Tells whether a producer's transaction ends in this partition while its coordinator is asked about it. */
  watchTransaction(producer: LogProducer, bumpsEpoch: boolean): TransactionWatch {
    return this.#watches.begin(producer, bumpsEpoch)
  }

  /** Stores how a producer's transaction ended, then commits or forgets what it had pending. Throws as `RecordLog`. */
  endTransaction(transactionEnd: TransactionEnd): Promise<void> {
    const { producer, committed } = transactionEnd
    this.#watches.ended(producer)
    return this.#log.appendEnd(transactionEnd, () => this.offsets.end(producer.id, committed))
  }

  /** Deletes a group nobody is in, and its offsets; resolves when that is durable. */
  async deleteGroup(groupId: string): Promise<StorageAnswer> {
    const writes = this.offsets.deletionOf(groupId)
    const entry = this.#entries.get(groupId)
    // At once: whoever joins from here on begins a group that knows nothing of this one.
    if (entry !== undefined) this.#drop(entry)
    const records = [...writes.map(encodeOffset), ...tombstones(groupId, entry?.content)]
    return outcome(
      this.#log.append(records, (position) => {
        for (const write of writes) this.offsets.apply(write, position)
      })
    )
  }

  #awaitExpiry(): void {
    if (this.#closed) return
    const { clock, settings } = this.#environment
    this.#cancelExpiry = clock.after(settings.offsetsRetentionCheckMs, () => {
      void this.#expireOffsets().then(() => this.#awaitExpiry())
    })
  }

  /** Deletes offsets that nobody needs any more, and empty groups without any. A write that fails closes the shard. */
  async #expireOffsets(): Promise<void> {
    const { clock, settings } = this.#environment
    const options = { now: clock.now(), retentionMs: settings.offsetsRetentionMs }
    for (const { groupId } of [...this.#entries.values()]) {
      // A commit under way counts: it would be lost with its group.
      await this.settled()
      const content = this.find(groupId)
      if (content === undefined) continue
      const { writes, groupExpires } = expiryOf(groupId, content, this.offsets, options)
      await (groupExpires ? this.deleteGroup(groupId) : this.write(writes))
    }
  }

  /** Resolves when everything written so far is durable and visible. */
  settled(): Promise<StorageAnswer> {
    return outcome(this.#log.settled())
  }

  /** Refuses whoever waits, cancels all deadlines, and takes nothing more. */
  close(error: GroupError): void {
    if (this.#closed) return
    this.#closed = true
    this.#log.close()
    this.#cancelExpiry()
    for (const entry of this.#entries.values()) {
      if (entry.content.type === 'classic') this.#perform(entry, { type: 'close', error })
      cancelDeadlines(entry)
    }
    this.#entries.clear()
  }

  #run(groupId: string, event: GroupEvent): void {
    const known = this.#entries.get(groupId)
    let entry = known
    if (this.#closed) entry = deadEntry(groupId, this.#environment.clock.now())
    else entry ??= this.#place(groupId, this.#simpleGroup(groupId))
    this.#perform(entry, event)
    if (!this.#closed) this.#dropIfBlank(entry)
  }

  #dropIfBlank(entry: Entry): void {
    const { content, groupId } = entry
    if (content.type === 'classic' && isBlank(content.group) && !this.offsets.has(groupId)) this.#drop(entry)
  }

  #drop(entry: Entry): void {
    cancelDeadlines(entry)
    this.#entries.delete(entry.groupId)
  }

  /** The log says that the group is gone; what it committed may still be there. */
  #forget(groupId: string): void {
    this.#entries.delete(groupId)
    this.#ensureGroupOfOffsets(groupId)
  }

  #perform(entry: Entry, event: GroupEvent): void {
    const { clock, settings } = this.#environment
    const { content } = entry
    assert(content.type === 'classic', `group ${entry.groupId} is a classic one`)
    const { group, effects } = step(content.group, event, clock.now(), settings)
    if (group !== content.group) entry.content = { type: 'classic', group }
    if (effects.some((effect) => effect.type === 'persist')) this.#store(entry, [encodeGroup(group)]).catch(() => {})
    for (const effect of effects) this.#performOne(entry, effect)
  }

  #performOne(entry: Entry, effect: Effect): void {
    switch (effect.type) {
      case 'answer':
        this.#answer(entry, effect.request, effect.answer)
        break
      case 'setDeadline':
        this.#setDeadline(entry, deadlineName(effect.deadline), effect.delayMs, () =>
          this.#run(entry.groupId, { type: 'deadline', deadline: effect.deadline })
        )
        break
      case 'cancelDeadline':
        cancelDeadline(entry, deadlineName(effect.deadline))
        break
      case 'log':
        this.#environment.log.info({ group: entry.groupId }, effect.message)
        break
      case 'persist':
    }
  }

  #store(entry: Entry, records: readonly LogRecord[]): Promise<void> {
    const stored = this.#log.append(records, () => {
      if (entry.stored === stored) entry.stored = undefined
    })
    entry.stored = stored
    return stored
  }

  #answer(entry: Entry, request: RequestId, answer: Answer): void {
    const resolve = this.#waiting.get(request)
    this.#waiting.delete(request)
    if (resolve === undefined) return
    if (entry.stored === undefined) resolve(answer)
    else
      entry.stored.then(
        () => resolve(answer),
        (error: unknown) => resolve({ ...answer, error: storageError(error) })
      )
  }

  #setDeadlines(entry: Entry, changes: readonly DeadlineChange[]): void {
    for (const { name, afterMs, ifAbsent } of changes) {
      if (afterMs === null) cancelDeadline(entry, name)
      else if (ifAbsent !== true || !entry.deadlines.has(name)) {
        this.#setDeadline(entry, name, afterMs, () => this.#expire(entry, name))
      }
    }
  }

  #setDeadline(entry: Entry, name: string, delayMs: number, due: () => void): void {
    cancelDeadline(entry, name)
    const cancel = this.#environment.clock.after(delayMs, () => {
      entry.deadlines.delete(name)
      due()
    })
    entry.deadlines.set(name, cancel)
  }

  #expire({ groupId, content }: Entry, name: string): void {
    assert(content.type === 'hosted', `deadline ${name} of group ${groupId} belongs to its protocol`)
    const { rules, state } = content
    const change = rules.expire(state, name, this.#environment.clock.now())
    this.#take(rules, groupId, { state, records: [], deadlines: [] }, change).catch(() => {})
  }

  /** After a lost append nobody knows what the log holds: give up the memory of it, so that it is read again. */
  #fail(error: unknown): void {
    if (this.#closed) return
    this.#environment.log.warn({ partition: this.partition, error }, 'group partition could not be written; unloading')
    this.close(storageError(error))
    this.#onFailed()
  }
}
