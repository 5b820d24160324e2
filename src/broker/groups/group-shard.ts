/**
 * The groups of one partition of `__consumer_offsets`: performs what the state machine decides, and stores it.
 *
 * Invariants: memory never runs behind the log: if an append fails, the shard gives up everything it holds (waiting
 * requests are refused) and whoever still leads the partition loads it anew. An answer about a group leaves only
 * after every record of that group written before is durable. Offsets are applied in log order, once durable.
 */
import type { Clock } from '../../runtime/clock.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import type { LogRecord, RecordLog } from '../record-log.ts'
import { step } from './classic-group.ts'
import { decodeRecord, encodeGroup, encodeGroupTombstone, encodeOffset } from './group-records.ts'
import {
  type Answer,
  type ClassicGroup,
  type Deadline,
  type Effect,
  emptyGroup,
  type GroupError,
  type GroupEvent,
  type GroupSettings,
  isBlank,
  type RequestId
} from './group-state.ts'
import { OffsetTable, type OffsetWrite } from './offsets.ts'

export interface ShardEnvironment {
  readonly clock: Clock
  readonly log: Log
  readonly settings: GroupSettings
}

interface Entry {
  group: ClassicGroup
  /** Settles when the last record written of this group is durable; undefined when it is. */
  stored: Promise<void> | undefined
  /** Running deadlines by name; each value cancels. */
  readonly deadlines: Map<string, () => void>
}

/** Why no shard can serve a request. */
export type RouteError = 'COORDINATOR_NOT_AVAILABLE' | 'COORDINATOR_LOAD_IN_PROGRESS' | 'NOT_COORDINATOR'
export type Route = GroupShard | RouteError

/** What clients are told of a write: NONE, or to look for the coordinator again. */
export type StorageAnswer = 'NONE' | 'NOT_COORDINATOR' | 'COORDINATOR_NOT_AVAILABLE'

export function storageError(error: unknown): Exclude<StorageAnswer, 'NONE'> {
  return isFault(error, 'fenced') || isFault(error, 'closed') ? 'NOT_COORDINATOR' : 'COORDINATOR_NOT_AVAILABLE'
}

export class GroupShard {
  readonly partition: number
  readonly offsets = new OffsetTable()
  readonly #recordLog: RecordLog
  readonly #environment: ShardEnvironment
  readonly #onFailed: () => void
  readonly #entries = new Map<string, Entry>()
  readonly #waiting = new Map<RequestId, (answer: Answer) => void>()
  #nextRequest: RequestId = 1
  /** Settles when everything appended so far is durable and applied. */
  #tail: Promise<void> = Promise.resolve()
  #closed = false

  /** `onFailed` runs once if an append fails: this shard is closed then. Call `load` before anything else. */
  constructor(partition: number, recordLog: RecordLog, environment: ShardEnvironment, onFailed: () => void) {
    this.partition = partition
    this.#recordLog = recordLog
    this.#environment = environment
    this.#onFailed = onFailed
  }

  /** Replays the log. Afterwards every member's session starts anew: nobody could heartbeat meanwhile. */
  async load(): Promise<void> {
    const { log } = this.#environment
    await this.#recordLog.readAll({
      records: (records) => {
        for (const record of records) this.#replayReadable(record)
      },
      end: () => undefined
    })
    for (const groupId of [...this.#entries.keys()]) this.#run(groupId, { type: 'loaded' })
    log.info({ partition: this.partition, groups: this.#entries.size }, 'group partition loaded')
  }

  /** Anybody with the right to produce to the topic can write nonsense into it; that must not stop the others. */
  #replayReadable({ key, value }: LogRecord): void {
    try {
      this.#replay(key, value)
    } catch (error) {
      if (!isFault(error, 'invalid')) throw error
      const { partition } = this
      this.#environment.log.warn({ partition, error }, 'a record of __consumer_offsets is unreadable and was skipped')
    }
  }

  #replay(key: Buffer, value: Buffer | null): void {
    const record = decodeRecord(key, value)
    if (record === undefined) return
    if (record.kind === 'offset') this.#applyOffset(record.write)
    else if (record.group === null) this.#entries.delete(record.groupId)
    else this.#entries.set(record.groupId, newEntry(record.group))
  }

  /** A group that commits without ever having had members exists all the same: a simple consumer's. */
  #applyOffset(write: OffsetWrite): void {
    this.offsets.apply(write)
    if (write.committed !== null && !this.#entries.has(write.groupId)) {
      this.#entries.set(write.groupId, newEntry(emptyGroup(write.groupId, this.#environment.clock.now())))
    }
  }

  group(groupId: string): ClassicGroup | undefined {
    return this.#entries.get(groupId)?.group
  }

  groups(): ClassicGroup[] {
    return [...this.#entries.values()].map((entry) => entry.group)
  }

  /** Puts a request to a group and waits for its answer, however long the group takes. Never throws. */
  ask(groupId: string, event: (request: RequestId) => GroupEvent): Promise<Answer> {
    return new Promise((resolve) => {
      const request = this.#nextRequest++
      this.#waiting.set(request, resolve)
      this.#run(groupId, event(request))
    })
  }

  keepAlive(groupId: string, memberId: string): void {
    if (this.#entries.has(groupId)) this.#run(groupId, { type: 'alive', memberId })
  }

  /** Stores offsets; resolves when they are durable and visible. */
  async write(writes: readonly OffsetWrite[]): Promise<StorageAnswer> {
    if (writes.length === 0) return 'NONE'
    const apply = () => {
      for (const write of writes) this.#applyOffset(write)
    }
    return outcome(this.#append(writes.map(encodeOffset), apply))
  }

  /** Deletes a group nobody is in, and its offsets; resolves when that is durable. */
  async deleteGroup(groupId: string): Promise<StorageAnswer> {
    const writes = this.offsets.deletionOf(groupId)
    const entry = this.#entries.get(groupId)
    // At once: whoever joins from here on begins a group that knows nothing of this one.
    if (entry !== undefined) this.#drop(groupId, entry)
    const apply = () => {
      for (const write of writes) this.offsets.apply(write)
    }
    return outcome(this.#append([...writes.map(encodeOffset), encodeGroupTombstone(groupId)], apply))
  }

  /** Resolves when everything written so far is durable and visible. */
  settled(): Promise<StorageAnswer> {
    return outcome(this.#tail)
  }

  /** Refuses whoever waits, cancels all deadlines, and takes nothing more. */
  close(error: GroupError): void {
    if (this.#closed) return
    this.#closed = true
    for (const [groupId, entry] of this.#entries) {
      this.#perform(groupId, entry, { type: 'close', error })
      for (const cancel of entry.deadlines.values()) cancel()
    }
    this.#entries.clear()
  }

  #run(groupId: string, event: GroupEvent): void {
    const entry = this.#entries.get(groupId) ?? newEntry(emptyGroup(groupId, this.#environment.clock.now()))
    if (this.#closed) entry.group = { ...entry.group, state: 'Dead' }
    else this.#entries.set(groupId, entry)
    this.#perform(groupId, entry, event)
    if (!this.#closed && isBlank(entry.group) && !this.offsets.has(groupId)) this.#drop(groupId, entry)
  }

  #drop(groupId: string, entry: Entry): void {
    for (const cancel of entry.deadlines.values()) cancel()
    this.#entries.delete(groupId)
  }

  #perform(groupId: string, entry: Entry, event: GroupEvent): void {
    const { clock, settings } = this.#environment
    const { group, effects } = step(entry.group, event, clock.now(), settings)
    entry.group = group
    if (effects.some((effect) => effect.type === 'persist')) this.#store(entry)
    for (const effect of effects) this.#performOne(groupId, entry, effect)
  }

  #performOne(groupId: string, entry: Entry, effect: Effect): void {
    switch (effect.type) {
      case 'answer':
        this.#answer(entry, effect.request, effect.answer)
        break
      case 'setDeadline':
        this.#setDeadline(groupId, entry, effect.deadline, effect.delayMs)
        break
      case 'cancelDeadline':
        cancelDeadline(entry, effect.deadline)
        break
      case 'log':
        this.#environment.log.info({ group: groupId }, effect.message)
        break
      case 'persist':
    }
  }

  #store(entry: Entry): void {
    const stored = this.#append([encodeGroup(entry.group)], () => {
      if (entry.stored === stored) entry.stored = undefined
    })
    entry.stored = stored
    stored.catch(() => {})
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

  #setDeadline(groupId: string, entry: Entry, deadline: Deadline, delayMs: number): void {
    cancelDeadline(entry, deadline)
    const name = deadlineName(deadline)
    const cancel = this.#environment.clock.after(delayMs, () => {
      entry.deadlines.delete(name)
      this.#run(groupId, { type: 'deadline', deadline })
    })
    entry.deadlines.set(name, cancel)
  }

  /** Appends records and runs `apply` once they are durable, after all that was appended before. */
  #append(records: readonly LogRecord[], apply: () => void): Promise<void> {
    if (this.#closed) return Promise.reject(new Fault('closed', `group partition ${this.partition} is closed`))
    const before = this.#tail
    const durable = this.#recordLog.append(records)
    const applied = Promise.all([before, durable]).then(apply)
    this.#tail = applied
    applied.catch((error: unknown) => this.#fail(error))
    return applied
  }

  /** After a lost append nobody knows what the log holds: give up the memory of it, so that it is read again. */
  #fail(error: unknown): void {
    if (this.#closed) return
    this.#environment.log.warn({ partition: this.partition, error }, 'group partition could not be written; unloading')
    this.close(storageError(error))
    this.#onFailed()
  }
}

function outcome(stored: Promise<void>): Promise<StorageAnswer> {
  return stored.then(() => 'NONE', storageError)
}

function newEntry(group: ClassicGroup): Entry {
  return { group, stored: undefined, deadlines: new Map() }
}

function deadlineName(deadline: Deadline): string {
  return deadline.kind === 'session' ? `session ${deadline.memberId}` : deadline.kind
}

function cancelDeadline(entry: Entry, deadline: Deadline): void {
  const name = deadlineName(deadline)
  entry.deadlines.get(name)?.()
  entry.deadlines.delete(name)
}
