/**
 * The partitions of `__consumer_offsets` that this broker leads, as shards: finds the one that holds a group, and loads
 * it when it is first asked for. Every coordinator of groups, whatever their type, asks here.
 */
import { type Clock, sleep } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import { coordinatorPartition, type RecordLogs } from '../record-log.ts'
import { GroupShard, type Route, type ShardSettings } from './group-shard.ts'
import type { AnyRules } from './hosted-group.ts'
import { storageError } from './shard-log.ts'

export interface GroupShardsOptions {
  readonly clock: Clock
  readonly log: Log
  readonly logs: RecordLogs
  readonly settings: ShardSettings
  /** The protocols besides the classic one. */
  readonly rules: readonly AnyRules[]
  /**
   * How long a request waits for its partition to be loaded before it hears COORDINATOR_LOAD_IN_PROGRESS. Zero is what
   * Kafka does; a short wait spares the very first request to a partition a round of retries.
   */
  readonly loadGraceMs: number
}

interface Slot {
  /** The shard once it can serve; a `RouteError` before. */
  route: Route
  /** Settles, without failing, when `route` is final. */
  loading: Promise<void>
}

export class GroupShards {
  readonly #options: GroupShardsOptions
  readonly #slots = new Map<number, Slot>()
  #closed = false

  constructor(options: GroupShardsOptions) {
    this.#options = options
  }

  /** Loads a partition that this broker has come to lead. Requests load partitions by themselves; this is earlier. */
  async load(partition: number): Promise<void> {
    await this.#slot(partition).loading
  }

  /** Gives a partition up, because another broker leads it now: its clients look for the new coordinator. */
  unload(partition: number): void {
    const slot = this.#slots.get(partition)
    this.#slots.delete(partition)
    if (slot?.route instanceof GroupShard) slot.route.close('NOT_COORDINATOR')
  }

  /** Cancels all deadlines and refuses whoever waits, and all that come. What is being stored may still become durable. */
  close(): void {
    this.#closed = true
    for (const partition of [...this.#slots.keys()]) this.unload(partition)
  }

  /** The shards that are loaded. */
  loaded(): GroupShard[] {
    return [...this.#slots.values()].flatMap(({ route }) => (route instanceof GroupShard ? [route] : []))
  }

  /** The shard of a partition, or why there is none. */
  async at(partition: number): Promise<Route> {
    return this.#closed ? 'COORDINATOR_NOT_AVAILABLE' : this.#wait(partition)
  }

  /** The shard that holds a group, or why there is none. */
  async route(groupId: string): Promise<Route> {
    if (this.#closed) return 'COORDINATOR_NOT_AVAILABLE'
    try {
      const partitions = await this.#options.logs.partitionCount()
      if (partitions === 0) return 'COORDINATOR_NOT_AVAILABLE'
      return await this.#wait(coordinatorPartition(groupId, partitions))
    } catch (error) {
      this.#options.log.warn({ group: groupId, error }, 'the coordinator of a group cannot be told')
      return storageError(error)
    }
  }

  /** One route per partition of the topic: the shards of those this broker leads, the reason for the others. */
  async all(): Promise<Route[]> {
    if (this.#closed) return []
    const partitions = await this.#options.logs.partitionCount()
    return Promise.all(Array.from({ length: partitions }, (_, partition) => this.#wait(partition)))
  }

  async #wait(partition: number): Promise<Route> {
    const slot = this.#slot(partition)
    if (slot.route !== 'COORDINATOR_LOAD_IN_PROGRESS') return slot.route
    const patience = new AbortController()
    await Promise.race([slot.loading, sleep(this.#options.clock, this.#options.loadGraceMs, patience.signal)])
    patience.abort()
    return slot.route
  }

  #slot(partition: number): Slot {
    const known = this.#slots.get(partition)
    if (known !== undefined) return known
    const slot: Slot = { route: 'COORDINATOR_LOAD_IN_PROGRESS', loading: Promise.resolve() }
    this.#slots.set(partition, slot)
    slot.loading = this.#open(partition, slot)
    return slot
  }

  async #open(partition: number, slot: Slot): Promise<void> {
    const forget = () => {
      if (this.#slots.get(partition) === slot) this.#slots.delete(partition)
    }
    let route: Route
    try {
      route = await this.#loadShard(partition, forget)
    } catch (error) {
      this.#options.log.warn({ partition, error }, 'group partition could not be loaded')
      route = storageError(error)
    }
    // Given up while it loaded.
    if (route instanceof GroupShard && this.#slots.get(partition) !== slot) {
      route.close('NOT_COORDINATOR')
      route = 'NOT_COORDINATOR'
    }
    slot.route = route
    // Only shards are kept: the next request asks again who leads the partition.
    if (!(route instanceof GroupShard)) forget()
  }

  async #loadShard(partition: number, onFailed: () => void): Promise<Route> {
    const recordLog = await this.#options.logs.open(partition)
    if (recordLog === undefined) return 'NOT_COORDINATOR'
    const shard = new GroupShard(partition, recordLog, this.#options, onFailed)
    try {
      await shard.load()
    } catch (error) {
      shard.close('COORDINATOR_NOT_AVAILABLE')
      throw error
    }
    return shard
  }
}
