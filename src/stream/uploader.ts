/**
 * Moves the durable tail of the streams into objects: prepare → put → commit → trim the write-ahead log.
 *
 * One upload runs at a time, so commits follow the order of the log. A store or database that fails is tried again
 * for as long as it takes; meanwhile the log keeps everything and `StreamEngine.room` slows producers down.
 */
import type { Metadata, UploadedObject, UploadedStream } from '../metadata/metadata.ts'
import type { ObjectStore } from '../object-store/object-store.ts'
import { type Clock, sleep } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { FrozenTail, LogCache } from './log-cache.ts'
import { buildObject } from './objects/object-writer.ts'
import type { Wal, WalPosition } from './wal/wal.ts'

/** A stream with at least this much to upload gets an object of its own. */
const OWN_OBJECT_BYTES = 8 * 1024 * 1024
const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 5_000

export interface UploaderParts {
  readonly nodeId: number
  readonly clock: Clock
  readonly log: Log
  readonly metadata: Metadata
  readonly store: ObjectStore
  readonly wal: Wal
  readonly cache: LogCache
  readonly settings: { readonly uploadBytes: number; readonly uploadIntervalMs: number; readonly profile: string }
  readonly epochOf: (streamId: number) => number | undefined
  readonly capture: (streamId: number, offset: number) => Buffer | undefined
  readonly durablePosition: () => WalPosition
  readonly committed: () => void
}

type Tail = FrozenTail['streams'][number]

export class Uploader {
  readonly #parts: UploaderParts
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined
  #cancelTimer: (() => void) | undefined

  constructor(parts: UploaderParts) {
    this.#parts = parts
  }

  get running(): boolean {
    return this.#running !== undefined
  }

  /** Told after each durable append how much waits for upload. */
  noticed(dirtyBytes: number): void {
    if (dirtyBytes >= this.#parts.settings.uploadBytes) this.hurry()
    else if (this.#cancelTimer === undefined && this.#running === undefined) this.#schedule()
  }

  /** Starts an upload unless one runs. */
  hurry(): void {
    if (this.#running === undefined) this.#start()
  }

  /** Uploads everything that is durable when it is called. */
  async flush(): Promise<void> {
    await this.#running
    await (this.#running ?? this.#start())
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    this.#cancelTimer?.()
    await this.#running
  }

  #schedule(): void {
    if (this.#stopping.signal.aborted) return
    this.#cancelTimer = this.#parts.clock.after(this.#parts.settings.uploadIntervalMs, () => {
      this.#cancelTimer = undefined
      this.hurry()
    })
  }

  #start(): Promise<void> {
    if (this.#stopping.signal.aborted) return Promise.resolve()
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    const run = this.#upload().finally(() => {
      this.#running = undefined
      // More than enough may wait already; the next append says so. A stream that is not open waits without hurry, and a
      // log that is full of deleted streams is full until something comes round to trim it.
      if (this.#parts.cache.dirtyBytes > 0 || this.#parts.wal.pendingBytes > 0) this.#schedule()
    })
    this.#running = run
    return run
  }

  async #upload(): Promise<void> {
    const position = this.#parts.durablePosition()
    const tail = this.#parts.cache.freeze((streamId) => this.#parts.epochOf(streamId) !== undefined)
    if (tail.streams.length === 0) {
      // What the log still holds belongs to streams that were deleted: without this trim a full log would stay full.
      if (tail.whole) await this.#persist(() => this.#parts.wal.trim(position).then(() => true))
      return
    }
    // Taken at the same moment as the tail: the state must say what the objects hold, no more.
    const streams = tail.streams.map((stream) => this.#describe(stream))
    const objects: UploadedObject[] = []
    for (const group of planObjects(tail)) {
      const object = await this.#persist(() => this.#put(group))
      if (object === undefined) return
      objects.push(object)
    }
    const { nodeId, metadata } = this.#parts
    const done = await this.#persist(() => metadata.commitUpload({ nodeId, objects, streams }).then(() => true))
    if (done === undefined) return
    this.#parts.cache.committed(tail)
    this.#parts.committed()
    if (tail.whole) await this.#persist(() => this.#parts.wal.trim(position).then(() => true))
    this.#parts.log.debug({ bytes: tail.bytes, objects: objects.length }, 'uploaded')
  }

  async #put(group: readonly Tail[]): Promise<UploadedObject> {
    const built = buildObject(group.map(({ log, entries }) => ({ streamId: log.streamId, entries })))
    const { id, key } = await this.#parts.metadata.prepareObject(this.#parts.settings.profile)
    await this.#parts.store.put(key, built.parts)
    return { objectId: id, bytes: built.bytes, ranges: built.ranges }
  }

  #describe({ log, endOffset }: Tail): UploadedStream {
    const { streamId, committedOffset: startOffset } = log
    const epoch = this.#parts.epochOf(streamId) ?? 0
    return { streamId, epoch, startOffset, endOffset, snapshot: this.#parts.capture(streamId, endOffset) }
  }

  /** Repeats `attempt` while what it needs is unavailable; `undefined` when the uploader was closed instead. */
  async #persist<T>(attempt: () => Promise<T>): Promise<T | undefined> {
    for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
      if (this.#stopping.signal.aborted) return undefined
      try {
        return await attempt()
      } catch (error) {
        if (!isFault(error, 'unavailable')) throw error
        this.#parts.log.warn({ error: error.message, delayMs }, 'upload failed; it will be tried again')
        await sleep(this.#parts.clock, delayMs, this.#stopping.signal)
      }
    }
  }
}

/** Streams with much data get objects of their own, the rest share one, sorted by stream. */
function planObjects(tail: FrozenTail): Tail[][] {
  const groups: Tail[][] = []
  const shared: Tail[] = []
  for (const stream of tail.streams) {
    let bytes = 0
    for (const entry of stream.entries) bytes += entry.payload.length
    if (bytes >= OWN_OBJECT_BYTES) groups.push([stream])
    else if (stream.entries.length > 0) shared.push(stream)
  }
  if (shared.length > 0) groups.push(shared.sort((a, b) => a.log.streamId - b.log.streamId))
  return groups
}
