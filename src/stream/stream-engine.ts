/**
 * The storage engine of one broker: opens streams, recovers them after a crash, and moves what is durable in the
 * write-ahead log into objects.
 *
 * Invariant: every acknowledged entry is in the write-ahead log or in a committed object; the log is trimmed only
 * behind a commit.
 */
import type { Metadata, Snapshot } from '../metadata/metadata.ts'
import type { ObjectStore } from '../object-store/object-store.ts'
import type { Clock } from '../runtime/clock.ts'
import { assert, Fault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import { ColdReader } from './cold-reader.ts'
import { LogCache } from './log-cache.ts'
import { ObjectSweeper } from './object-sweeper.ts'
import { Stream } from './stream.ts'
import { Uploader } from './uploader.ts'
import type { ReplayedRecord, Wal, WalPosition } from './wal/wal.ts'

export interface StreamEngineSettings {
  /** Memory for the streams' tails, bytes. */
  readonly logCacheBytes: number
  /** Memory for blocks read back from objects, bytes. */
  readonly blockCacheBytes: number
  /** Upload when this much is durable but not in objects, bytes. */
  readonly uploadBytes: number
  /** Upload what is there at least this often, milliseconds. */
  readonly uploadIntervalMs: number
  /** Name of the object-store profile that new objects go to. */
  readonly profile: string
}

export interface StreamEngineParts {
  readonly nodeId: number
  readonly clock: Clock
  readonly log: Log
  readonly metadata: Metadata
  readonly store: ObjectStore
  readonly wal: Wal
  readonly settings: StreamEngineSettings
}

export interface OpenedStream {
  readonly stream: Stream
  /** What the stream's owner saved last; entries from its offset on are not part of it. */
  readonly snapshot: Snapshot | undefined
}

/** Gives the state to save with a stream, true as of `offset`; `undefined` when there is nothing to save. */
export type CaptureState = (offset: number) => Buffer | undefined

interface OpenEntry {
  readonly stream: Stream
  readonly capture: CaptureState
}

export class StreamEngine {
  readonly #parts: StreamEngineParts
  readonly #walOfStreams: Pick<Wal, 'append' | 'payloadBytesMax'>
  readonly #cache: LogCache
  readonly #reader: ColdReader
  readonly #uploader: Uploader
  readonly #sweeper: ObjectSweeper
  readonly #open = new Map<number, OpenEntry>()
  /** Position after the last record that is durable: what an upload of everything may trim to. */
  #durablePosition: WalPosition = 0
  #roomWaiters: (() => void)[] = []

  constructor(parts: StreamEngineParts) {
    this.#parts = parts
    this.#walOfStreams = this.#logOfStreams(parts)
    this.#cache = new LogCache(parts.settings.logCacheBytes)
    this.#reader = new ColdReader(parts.store, parts.metadata.image, parts.settings.blockCacheBytes)
    this.#uploader = new Uploader({
      ...parts,
      cache: this.#cache,
      epochOf: (streamId) => this.#open.get(streamId)?.stream.epoch,
      capture: (streamId, offset) => this.#open.get(streamId)?.capture(offset),
      durablePosition: () => this.#durablePosition,
      committed: () => this.#wakeWaiters()
    })
    this.#sweeper = new ObjectSweeper({ ...parts, uploading: () => this.#uploader.running })
  }

  /** Reads the write-ahead log back. Called once, before any stream is opened. */
  async recover(): Promise<void> {
    let records = 0
    await this.#parts.wal.replay((record) => {
      records++
      this.#restore(record)
    })
    if (records > 0) {
      this.#parts.log.info({ records, bytes: this.#cache.dirtyBytes }, 'write-ahead log replayed')
    }
    this.#sweeper.start()
  }

  /** Takes the streams over under new epochs. `capture` gives each owner's state when the stream is uploaded. */
  async open(streamIds: readonly number[], capture: (streamId: number) => CaptureState): Promise<OpenedStream[]> {
    const snapshots = await this.#parts.metadata.openStreams(this.#parts.nodeId, streamIds)
    const opened = streamIds.map((id) => {
      const row = this.#parts.metadata.image.stream(id)
      assert(row !== undefined, `stream ${id} was opened but is not in the metadata`)
      assert(!this.#open.has(id), `stream ${id} is open already`)
      const stream = new Stream({
        id,
        epoch: row.epoch,
        startOffset: row.startOffset,
        wal: this.#walOfStreams,
        cache: this.#cache,
        log: this.#cache.get(id) ?? this.#cache.add(id, row.endOffset),
        reader: this.#reader,
        saveTrim: (trimmed, offset) => this.#saveTrim(trimmed, offset)
      })
      this.#open.set(id, { stream, capture: capture(id) })
      return { stream, snapshot: snapshots.get(id) }
    })
    if (this.#parts.wal.bytes > 0) this.#uploader.noticed(this.#cache.dirtyBytes)
    return opened
  }

  /** Forgets a stream whose metadata is gone; whoever waits for it is told. */
  discard(streamId: number): void {
    this.#open.get(streamId)?.stream.fail(new Fault('closed', `stream ${streamId} was deleted`))
    this.#open.delete(streamId)
    this.#cache.remove(streamId)
    this.#wakeWaiters()
    this.#uploader.noticed(this.#cache.dirtyBytes)
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

  /** Payload bytes of a stream, in objects and before. */
  storedBytes(streamId: number): number {
    let bytes = 0
    for (const range of this.#parts.metadata.image.ranges(streamId)) bytes += range.bytes
    for (const entry of this.#cache.get(streamId)?.uncommitted() ?? []) bytes += entry.payload.length
    return bytes
  }

  /** Bytes in memory, and how many of them are not in objects yet. */
  stats(): { cachedBytes: number; dirtyBytes: number; walBytes: number } {
    return { cachedBytes: this.#cache.bytes, dirtyBytes: this.#cache.dirtyBytes, walBytes: this.#parts.wal.bytes }
  }

  /** Stops uploads, lets appends under way become durable, closes the log. Nothing needs to be uploaded: the log keeps it. */
  async close(): Promise<void> {
    await this.#sweeper.close()
    await this.#uploader.close()
    await this.#parts.wal.close()
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
            this.#durablePosition = end
            durable(end)
            this.#uploader.noticed(this.#cache.dirtyBytes)
            if (this.#roomWaiters.length > 0 && this.#hasRoom()) this.#wakeWaiters()
          },
          failed
        )
    }
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
    const log = this.#cache.get(row.id) ?? this.#cache.add(row.id, row.endOffset)
    if (record.entry.baseOffset !== log.endOffset) {
      throw new Fault(
        'corrupt',
        `the write-ahead log continues stream ${row.id} at offset ${record.entry.baseOffset}, but it ends at ${log.endOffset}`
      )
    }
    this.#cache.push(log, record.entry)
  }

  async #saveTrim(stream: Stream, offset: number): Promise<void> {
    const log = this.#cache.get(stream.id)
    // The metadata trims only what it knows: what is about to be trimmed must be committed first.
    if (log !== undefined && offset > log.committedOffset) {
      await this.#uploader.flush()
      if (offset > log.committedOffset) throw new Fault('closed', 'the storage engine is being closed')
    }
    await this.#parts.metadata.trimStream(stream.id, stream.epoch, offset)
  }

  #wakeWaiters(): void {
    const waiters = this.#roomWaiters
    this.#roomWaiters = []
    for (const wake of waiters) wake()
  }
}
