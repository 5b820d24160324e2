/**
 * The partitions of an internal topic that this broker leads, as shards: finds the one that holds a key, and loads it when
 * it is first asked for. What a shard is, is its coordinator's business.
 */
import { type Clock, sleep } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import { coordinatorPartition, type RecordLog, type RecordLogs } from './record-log.ts'

/** Why no shard can serve a request, by the names of Kafka's error codes. */
export type RouteError = ClosedError | 'COORDINATOR_LOAD_IN_PROGRESS'

/** Why a shard serves no more. */
export type ClosedError = 'COORDINATOR_NOT_AVAILABLE' | 'NOT_COORDINATOR'

/** What clients are told when the log could not be read or written. */
export function storageError(error: unknown): ClosedError {
  return isFault(error, 'fenced') || isFault(error, 'closed') ? 'NOT_COORDINATOR' : 'COORDINATOR_NOT_AVAILABLE'
}

export interface CoordinatorShard {
  /** Replays the log; called once, before anything else. */
  load(): Promise<void>
  /** Refuses whoever waits, and takes nothing more. */
  close(error: ClosedError): void
}

export interface CoordinatorShardsParts<Shard extends CoordinatorShard, Opened extends RecordLog> {
  readonly clock: Clock
  readonly log: Log
  readonly logs: Pick<RecordLogs, 'partitionCount' | 'serves'> & {
    open(partition: number): Promise<Opened | undefined>
  }
  /** `onFailed`: to be called when the shard has given up, so that it is loaded anew. */
  readonly make: (partition: number, recordLog: Opened, onFailed: () => void) => Shard
  /**
   * How long a request waits for its partition to be loaded before it hears COORDINATOR_LOAD_IN_PROGRESS. Zero is what
   * Kafka does; a short wait spares the very first request to a partition a round of retries.
   */
  readonly loadGraceMs: number
}

interface Slot<Shard> {
  /** The shard once it can serve; why not, before. */
  route: Shard | RouteError
  /** Settles, without failing, when `route` is final. */
  loading: Promise<void>
}

export class CoordinatorShards<Shard extends CoordinatorShard, Opened extends RecordLog = RecordLog> {
  readonly #parts: CoordinatorShardsParts<Shard, Opened>
  readonly #slots = new Map<number, Slot<Shard>>()
  #closed = false

  constructor(parts: CoordinatorShardsParts<Shard, Opened>) {
    this.#parts = parts
  }

  /** Loads a partition that this broker has come to lead. Requests load partitions by themselves; this is earlier. */
  async load(partition: number): Promise<void> {
    await this.#slot(partition).loading
  }

  /** Gives a partition up, because another broker leads it now: its clients look for the new coordinator. */
  unload(partition: number): void {
    const slot = this.#slots.get(partition)
    this.#slots.delete(partition)
    if (slot !== undefined && typeof slot.route !== 'string') slot.route.close('NOT_COORDINATOR')
  }

  /** Refuses whoever waits, and all that come. What is being stored may still become durable. */
  close(): void {
    this.#closed = true
    for (const partition of [...this.#slots.keys()]) this.unload(partition)
  }

  /** The shards that are loaded. */
  loaded(): Shard[] {
    return [...this.#slots.values()].flatMap(({ route }) => (typeof route === 'string' ? [] : [route]))
  }

  /** The shard of a partition, or why there is none. */
  async at(partition: number): Promise<Shard | RouteError> {
    return this.#closed ? 'COORDINATOR_NOT_AVAILABLE' : this.#wait(partition)
  }

  /** The shard that holds a key, or why there is none. */
  async route(key: string): Promise<Shard | RouteError> {
    if (this.#closed) return 'COORDINATOR_NOT_AVAILABLE'
    try {
      const partitions = await this.#parts.logs.partitionCount()
      if (partitions === 0) return 'COORDINATOR_NOT_AVAILABLE'
      return await this.#wait(coordinatorPartition(key, partitions))
    } catch (error) {
      this.#parts.log.warn({ key, error }, 'the coordinator of a key cannot be told')
      return storageError(error)
    }
  }

  /** One route per partition of the topic: the shards of those this broker leads, the reason for the others. */
  async all(): Promise<(Shard | RouteError)[]> {
    if (this.#closed) return []
    const partitions = await this.#parts.logs.partitionCount()
    return Promise.all(Array.from({ length: partitions }, (_, partition) => this.#wait(partition)))
  }

  async #wait(partition: number): Promise<Shard | RouteError> {
    // What is in memory says nothing any more once somebody else may have gone on from the log.
    if (!this.#parts.logs.serves(partition)) return 'NOT_COORDINATOR'
    const slot = this.#slot(partition)
    if (slot.route !== 'COORDINATOR_LOAD_IN_PROGRESS') return slot.route
    const patience = new AbortController()
    await Promise.race([slot.loading, sleep(this.#parts.clock, this.#parts.loadGraceMs, patience.signal)])
    patience.abort()
    return slot.route
  }

  #slot(partition: number): Slot<Shard> {
    const known = this.#slots.get(partition)
    if (known !== undefined) return known
    const slot: Slot<Shard> = { route: 'COORDINATOR_LOAD_IN_PROGRESS', loading: Promise.resolve() }
    this.#slots.set(partition, slot)
    slot.loading = this.#open(partition, slot)
    return slot
  }

  async #open(partition: number, slot: Slot<Shard>): Promise<void> {
    const forget = () => {
      if (this.#slots.get(partition) === slot) this.#slots.delete(partition)
    }
    let route: Shard | RouteError
    try {
      route = await this.#loadShard(partition, forget)
    } catch (error) {
      this.#parts.log.warn({ partition, error }, 'a partition of a coordinator could not be loaded')
      route = storageError(error)
    }
    // Given up while it loaded.
    if (typeof route !== 'string' && this.#slots.get(partition) !== slot) {
      route.close('NOT_COORDINATOR')
      route = 'NOT_COORDINATOR'
    }
    slot.route = route
    // Only shards are kept: the next request asks again who leads the partition.
    if (typeof route === 'string') forget()
  }

  async #loadShard(partition: number, onFailed: () => void): Promise<Shard | RouteError> {
    const recordLog = await this.#parts.logs.open(partition)
    if (recordLog === undefined) return 'NOT_COORDINATOR'
    const shard = this.#parts.make(partition, recordLog, onFailed)
    try {
      await shard.load()
    } catch (error) {
      shard.close('COORDINATOR_NOT_AVAILABLE')
      throw error
    }
    return shard
  }
}
