/**
 * The storage engine of one broker: opens streams, recovers them after a crash, and moves what is durable in the
 * write-ahead log into objects.
 *
 * Invariant: every acknowledged entry is in the write-ahead log or in a committed object; the log is trimmed only
 * behind a commit.
 */
import type { Metadata, Snapshot } from '../metadata/metadata.ts'
import { DEFAULT_PROFILE, type ObjectStores } from '../object-store/object-stores.ts'
import { type Clock, sleep } from '../runtime/clock.ts'
import { assert, Fault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import { Acknowledging } from './acknowledging.ts'
import { CompactionTurn } from './compaction/compaction-turn.ts'
import { COMPACTION_SETTINGS, Compactor } from './compaction/compactor.ts'
import { StreamRewriter } from './compaction/stream-rewriter.ts'
import type { StreamRewriting } from './compaction/stream-rewriting.ts'
import { LogCache } from './log-cache.ts'
import { ObjectSweeper, SWEEP_SETTINGS } from './object-sweeper.ts'
import { ColdReader } from './read/cold-reader.ts'
import { PriorityTransferBudget } from './read/priority-transfer-budget.ts'
import { Stream } from './stream.ts'
import type { StreamLog } from './stream-log.ts'
import { type Captured, Uploader } from './uploader.ts'
import type { ReplayedRecord, Wal, WalPosition } from './wal/wal.ts'

/** Of object reads under way: enough to fill a fast network at the latency of an object store. */
const BYTES_IN_FLIGHT_MAX = 64 * 1024 * 1024
const REQUESTS_IN_FLIGHT_MAX = 32
/** Rows of some 300 000 blocks, which are 150 GB of data. */
const INDEX_CACHE_BYTES = 16 * 1024 * 1024
const READ_AHEAD_BYTES_MAX = 16 * 1024 * 1024

/** Messages that are remembered so as not to be repeated. */
const DAMAGE_TOLD_MAX = 1000
/** How long closing waits for requests to object stores that are under way. */
const CLOSE_MS_MAX = 2_000

export interface StreamEngineSettings {
  /** Memory for the streams' tails, bytes. */
  readonly logCacheBytes: number
  /** Memory for blocks read back from objects, bytes. */
  readonly blockCacheBytes: number
  /** Most that is read from objects per second, bytes; 0 for no limit. */
  readonly coldReadBytesPerSecond: number
  /** Upload when this much is durable but not in objects, bytes. */
  readonly uploadBytes: number
  /** Upload what is there at least this often, milliseconds. */
  readonly uploadIntervalMs: number
  /** How often objects are looked through for some to merge or split, milliseconds. */
  readonly compactionIntervalMs: number
  /** How long an object that nothing refers to is kept, milliseconds. */
  readonly objectGraceMs: number
}

export interface StreamEngineParts {
  readonly nodeId: number
  /** From `Metadata.registerNode`. */
  readonly nodeEpoch: number
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metadata: Metadata
  readonly stores: ObjectStores
  readonly wal: Wal
  /**
   * Whether what is durable may be acknowledged: not while somebody else might have read the log already (a file log
   * whose lease has run out). What became durable meanwhile is acknowledged when it may be again. Default: always.
   */
  readonly mayAcknowledge?: () => boolean
  /** Called once when this engine can go on no more: its log failed, or its streams were taken over. The process should end. */
  readonly failed: (fault: Error) => void
  readonly settings: StreamEngineSettings
}

export interface OpenedStream {
  readonly stream: Stream
  /** What the stream's owner saved last; entries from its offset on are not part of it. */
  readonly snapshot: Snapshot | undefined
  /**
   * Names the owner, once it knows all that the stream holds now: until then nothing of the stream is uploaded, so that
   * the owner gets to say something of every part of it.
   */
  readonly own: (owner: StreamOwner) => void
}

/** Whose a stream is: what an upload asks about it. */
export interface StreamOwner {
  /** What goes with an upload of [startOffset, endOffset). */
  readonly capture: (startOffset: number, endOffset: number) => Captured
  /** Name of the object-store profile that the stream's objects go to. */
  readonly profile: () => string
}

/** What the write-ahead log held that objects did not. */
export interface Recovered {
  readonly streamIds: readonly number[]
  /** Of the log, also those that objects hold. */
  readonly records: number
  readonly bytes: number
}

/** A stream that takes no appends, and that objects hold all of. */
export interface SettledStream {
  readonly streamId: number
  readonly epoch: number
  readonly endOffset: number
}

interface OpenEntry {
  readonly stream: Stream
  owner: StreamOwner | undefined
}

/** A stream that was deleted while it was taken along. */
const NOTHING_CAPTURED: Captured = { snapshot: undefined, note: undefined }

export class StreamEngine {
  readonly #parts: StreamEngineParts
  readonly #walOfStreams: Pick<Wal, 'append' | 'payloadBytesMax'>
  readonly #cache: LogCache
  readonly #budget: PriorityTransferBudget
  readonly #reader: ColdReader
  readonly #uploader: Uploader
  readonly #compactor: Compactor
  readonly #rewriter: StreamRewriter
  readonly #sweeper: ObjectSweeper
  readonly #open = new Map<number, OpenEntry>()
  /** Position after the last record that is durable: what an upload of everything may trim to. */
  #durablePosition: WalPosition = 0
  #roomWaiters: (() => void)[] = []
  readonly #acknowledging: Acknowledging
  #ending = false
  readonly #damageTold = new Set<string>()

  constructor(parts: StreamEngineParts) {
    this.#parts = parts
    this.#acknowledging = new Acknowledging(parts.clock, parts.mayAcknowledge ?? (() => true))
    this.#walOfStreams = this.#logOfStreams(parts)
    this.#cache = new LogCache(parts.settings.logCacheBytes)
    this.#budget = new PriorityTransferBudget({
      clock: parts.clock,
      bytesInFlightMax: BYTES_IN_FLIGHT_MAX,
      requestsInFlightMax: REQUESTS_IN_FLIGHT_MAX,
      bytesPerSecond: parts.settings.coldReadBytesPerSecond
    })
    this.#reader = new ColdReader({
      stores: parts.stores,
      image: parts.metadata.image,
      budget: this.#budget,
      refresh: () => parts.metadata.poll(),
      damaged: (fault) => this.#tellDamage(fault),
      blockCacheBytes: parts.settings.blockCacheBytes,
      indexCacheBytes: INDEX_CACHE_BYTES,
      readAheadBytesMax: READ_AHEAD_BYTES_MAX
    })
    this.#uploader = new Uploader({
      ...parts,
      cache: this.#cache,
      epochOf: (streamId) => this.#open.get(streamId)?.stream.epoch,
      capture: (streamId, startOffset, endOffset) =>
        this.#open.get(streamId)?.owner?.capture(startOffset, endOffset) ?? NOTHING_CAPTURED,
      profileOf: (streamId) => this.#open.get(streamId)?.owner?.profile() ?? DEFAULT_PROFILE,
      durablePosition: () => this.#durablePosition,
      failed: (fault) => this.#end(fault),
      committed: () => {
        this.#wakeWaiters()
        this.#compactor.noticed()
      }
    })
    const replacing = { ...parts, budget: this.#budget, turn: new CompactionTurn() }
    this.#rewriter = new StreamRewriter(replacing)
    this.#compactor = new Compactor({
      ...replacing,
      settings: { ...COMPACTION_SETTINGS, intervalMs: parts.settings.compactionIntervalMs },
      owns: (streamId) => this.#open.has(streamId)
    })
    this.#sweeper = new ObjectSweeper({
      ...parts,
      settings: { ...SWEEP_SETTINGS, graceMs: parts.settings.objectGraceMs }
    })
  }

  /** Reads the write-ahead log back. Called once, before any stream is opened. Says of which streams it held entries. */
  async recover(): Promise<Recovered> {
    let records = 0
    await this.#parts.wal.replay((record) => {
      records++
      this.#restore(record)
    })
    if (records > 0) {
      this.#parts.log.info({ records, bytes: this.#cache.dirtyBytes }, 'write-ahead log replayed')
    }
    this.#compactor.start()
    this.#sweeper.start()
    return { streamIds: this.#cache.streamIds(), records, bytes: this.#cache.dirtyBytes }
  }

  /** Takes the streams over under new epochs. */
  async open(streamIds: readonly number[]): Promise<OpenedStream[]> {
    const { metadata, nodeId, nodeEpoch } = this.#parts
    const snapshots = await metadata.openStreams(nodeId, streamIds, nodeEpoch)
    return streamIds.map((id) => {
      const row = this.#parts.metadata.image.stream(id)
      if (row === undefined) throw new Fault('missing', `stream ${id} was deleted while it was opened`)
      assert(!this.#open.has(id), `stream ${id} is open already`)
      const log = this.#cache.get(id) ?? this.#cache.add(id, row.endOffset)
      const stream = new Stream({
        id,
        epoch: row.epoch,
        savedStart: () => this.#parts.metadata.image.stream(id)?.startOffset,
        layout: () => this.#parts.metadata.image.ranges(id),
        wal: this.#walOfStreams,
        cache: this.#cache,
        log,
        reader: this.#reader,
        saveTrim: (trimmed, offset) => this.#saveTrim(trimmed, offset)
      })
      const entry: OpenEntry = { stream, owner: undefined }
      this.#open.set(id, entry)
      return { stream, snapshot: snapshots.get(id), own: (owner) => this.#own(entry, log, owner) }
    })
  }

  #own(entry: OpenEntry, log: StreamLog, owner: StreamOwner): void {
    // Deleted while its owner got ready.
    if (this.#open.get(entry.stream.id) !== entry) return
    entry.owner = owner
    this.#cache.open(log)
    if (this.#parts.wal.bytes > 0) this.#uploader.noticed()
  }

  /**
   * Stops appends to open streams, refusing them with `reason`, and moves all that they hold into objects. Says what may
   * be handed over then; the streams stay sealed until they are unsealed or discarded.
   */
  async settle(streamIds: readonly number[], reason: Fault): Promise<SettledStream[]> {
    // Most of it, while appends go on.
    await this.flush()
    const streams = streamIds.flatMap((id) => this.#open.get(id)?.stream ?? [])
    for (const stream of streams) stream.seal(reason)
    await Promise.all(streams.map((stream) => stream.whenDurable(stream.nextOffset)))
    await this.flush()
    return streams.map(({ id: streamId, epoch, endOffset }) => ({ streamId, epoch, endOffset }))
  }

  /** Forgets a stream that is gone, or somebody else's; whoever waits for it is told why. */
  discard(streamId: number, reason = new Fault('closed', `stream ${streamId} was deleted`)): void {
    this.#open.get(streamId)?.stream.fail(reason)
    this.#open.delete(streamId)
    this.#cache.remove(streamId)
    this.#wakeWaiters()
    this.#uploader.noticed()
  }

  /** Resolves when there is room for more appends: at once, unless objects lag far behind. */
  room(): Promise<void> | undefined {
    if (this.#hasRoom()) return undefined
    this.#uploader.hurry()
    return new Promise((resolve) => this.#roomWaiters.push(resolve))
  }

  /** Uploads and commits all that is durable now. */
  flush(): Promise<void> {
    return this.#uploader.flush()
  }

  /** Merges and splits objects until nothing is worth it any more; else that happens in the background. */
  compactAll(): Promise<void> {
    return this.#compactor.compact()
  }

  /** How compaction by key reads and replaces what objects hold. */
  get rewriting(): StreamRewriting {
    return {
      scan: (streamId, fromOffset, toOffset) => this.#rewriter.scan(streamId, fromOffset, toOffset),
      rewrite: async (rewrite) => {
        try {
          return await this.#rewriter.rewrite(rewrite)
        } finally {
          // Memory must not go on showing what was dropped from objects, however much of the rewrite was committed.
          const log = this.#cache.get(rewrite.streamId)
          if (log !== undefined) this.#cache.drop(log, rewrite.toOffset)
        }
      }
    }
  }

  /** Payload bytes of a stream, in objects and before. */
  storedBytes(streamId: number): number {
    let bytes = 0
    for (const range of this.#parts.metadata.image.ranges(streamId)) bytes += range.bytes
    const log = this.#cache.get(streamId)
    for (const entry of log?.from(log.committedOffset) ?? []) bytes += entry.payload.length
    return bytes
  }

  /** Payload bytes that were uploaded to a profile since the start. */
  uploadedBytes(profile: string): number {
    return this.#uploader.uploadedBytes(profile)
  }

  /** Bytes in memory, and how many of them are not in objects yet. */
  stats(): { cachedBytes: number; dirtyBytes: number; walBytes: number } {
    return { cachedBytes: this.#cache.bytes, dirtyBytes: this.#cache.dirtyBytes, walBytes: this.#parts.wal.bytes }
  }

  /** Stops uploads, lets appends under way become durable, closes the log. Nothing needs to be uploaded: the log keeps it. */
  async close(): Promise<void> {
    this.#ending = true
    // First, so that nobody waits for a turn to read.
    this.#budget.close()
    const working = [this.#sweeper, this.#compactor, this.#rewriter, this.#uploader]
    // What waits for a store that does not answer is cut off when the store is closed.
    await Promise.race([Promise.all(working.map((part) => part.close())), sleep(this.#parts.clock, CLOSE_MS_MAX)])
    await this.#parts.wal.close()
    this.#acknowledging.close()
    for (const { stream } of this.#open.values()) stream.fail(new Fault('closed', 'the storage engine was closed'))
    this.#wakeWaiters()
  }

  /** The log as streams see it: it notes how far it is durable and lets the uploader and those who wait know. */
  #logOfStreams({ wal }: StreamEngineParts): Pick<Wal, 'append' | 'payloadBytesMax'> {
    return {
      payloadBytesMax: wal.payloadBytesMax,
      append: (record, durable, failed) =>
        wal.append(
          record,
          (end) => {
            this.#acknowledging.add(() => {
              this.#durablePosition = end
              durable(end)
              this.#uploader.noticed()
              if (this.#roomWaiters.length > 0 && this.#hasRoom()) this.#wakeWaiters()
            }, failed)
          },
          (fault) => {
            failed(fault)
            this.#end(fault)
          }
        )
    }
  }

  /** Once for each: consumers come again and again. */
  #tellDamage({ message }: Fault): void {
    if (this.#damageTold.has(message)) return
    if (this.#damageTold.size < DAMAGE_TOLD_MAX) this.#damageTold.add(message)
    this.#parts.log.error({ damage: message }, 'stored data is damaged; `longhaul storage verify` tells what else is')
  }

  #end(fault: Error): void {
    if (this.#ending) return
    this.#ending = true
    this.#parts.failed(fault)
  }

  /** What is on its way to the log counts too: on a stalled disk nothing of it becomes dirty. */
  #hasRoom(): boolean {
    return this.#cache.dirtyBytes + this.#parts.wal.pendingBytes < this.#parts.settings.logCacheBytes
  }

  #restore(record: ReplayedRecord): void {
    this.#durablePosition = record.end
    const row = this.#parts.metadata.image.stream(record.streamId)
    // Deleted since, or already in objects: the crash came between the commit and the trim.
    if (row === undefined || record.entry.baseOffset < row.endOffset) return
    // Another node has led the stream since. What counts was in objects by then; the rest was never acknowledged.
    if (record.epoch < row.tenure) return
    const log = this.#cache.get(row.id) ?? this.#cache.add(row.id, row.endOffset)
    if (record.entry.baseOffset !== log.endOffset) {
      throw new Fault(
        'corrupt',
        `the write-ahead log continues stream ${row.id} at offset ${record.entry.baseOffset}, but it ends at ${log.endOffset}: ` +
          'log and metadata are not of the same moment; put both back from the same, or name the log that belongs to the metadata'
      )
    }
    this.#cache.push(log, record.entry)
  }

  async #saveTrim(stream: Stream, offset: number): Promise<void> {
    const log = this.#cache.get(stream.id)
    // The metadata trims only what it knows: what is about to be trimmed must be committed first.
    if (log !== undefined && offset > log.committedOffset) {
      await this.#uploader.flush()
      if (offset > log.committedOffset)
        throw new Fault('closed', 'nothing is uploaded any more: the storage engine is ending')
    }
    await this.#parts.metadata.trimStream(stream.id, stream.epoch, offset)
  }

  #wakeWaiters(): void {
    const waiters = this.#roomWaiters
    this.#roomWaiters = []
    for (const wake of waiters) wake()
  }
}
