/**
 * Moves the durable tail of the streams into objects: prepare → put → commit → trim the write-ahead log.
 *
 * Several uploads overlap while they store their objects; their commits follow the order of the log, so that the log can
 * be trimmed behind each. A store or database that fails is asked again for as long as it takes; meanwhile the log keeps
 * everything and `StreamEngine.room` slows producers down.
 */
import { setMaxListeners } from 'node:events'
import type { Metadata, Upload, UploadedObject, UploadedStream } from '../metadata/metadata.ts'
import type { ObjectStores } from '../object-store/object-stores.ts'
import { type Clock, sleep } from '../runtime/clock.ts'
import { type Fault, isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { FrozenStream, LogCache } from './log-cache.ts'
import { type BuiltObject, buildObject } from './objects/object-writer.ts'
import type { Wal, WalPosition } from './wal/wal.ts'

/** A stream with at least this much to upload gets an object of its own. */
const OWN_OBJECT_BYTES = 8 * 1024 * 1024
/** More would only help a store whose latency is longer than the upload interval. */
const UPLOADS_MAX = 3
/** Of one upload: stores may hold a copy of each that is under way. */
const OBJECTS_AT_ONCE = 4
const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 5_000

/** What goes with an upload of [startOffset, endOffset) of a stream. */
export interface Captured {
  /** The owner's state, true as of `endOffset`; undefined when there is nothing to save. */
  readonly snapshot: Buffer | undefined
  /** What is to be kept beside these entries, for as long as they are; see `Note`. */
  readonly note: Buffer | undefined
}

/** A stream as an upload takes it along. */
interface TakenStream extends FrozenStream {
  readonly captured: Captured
}

export interface UploaderParts {
  readonly nodeId: number
  /** From `Metadata.registerNode`. */
  readonly nodeEpoch: number
  readonly clock: Clock
  readonly log: Log
  readonly metadata: Metadata
  readonly stores: ObjectStores
  readonly wal: Wal
  readonly cache: LogCache
  readonly settings: { readonly uploadBytes: number; readonly uploadIntervalMs: number }
  /** Name of the object-store profile that a stream's objects go to. */
  readonly profileOf: (streamId: number) => string
  readonly epochOf: (streamId: number) => number | undefined
  /** What the stream's owner has to say of [startOffset, endOffset), asked at the moment at which an upload takes it along. */
  readonly capture: (streamId: number, startOffset: number, endOffset: number) => Captured
  readonly durablePosition: () => WalPosition
  readonly committed: () => void
  /** An upload can never be committed: streams or log belong to somebody else by now. Uploading has stopped. */
  readonly failed: (fault: Error) => void
}

/** An object to be stored, and where. */
interface PlannedObject {
  readonly profile: string
  readonly built: BuiltObject
}

export class Uploader {
  readonly #parts: UploaderParts
  readonly #stopping = new AbortController()
  /** By profile. */
  readonly #uploadedBytes = new Map<string, number>()
  #running = 0
  #trims: Promise<void> = Promise.resolve()
  #trimmedTo: WalPosition = 0
  #warned = false
  /** Settles when every upload that was started is done. */
  #last: Promise<void> = Promise.resolve()
  #cancelTimer: (() => void) | undefined

  constructor(parts: UploaderParts) {
    this.#parts = parts
    // Each object that waits to be tried again listens.
    setMaxListeners(0, this.#stopping.signal)
  }

  /** Payload bytes committed to a profile's objects so far. */
  uploadedBytes(profile: string): number {
    return this.#uploadedBytes.get(profile) ?? 0
  }

  /** Told after each durable append. */
  noticed(): void {
    if (this.#parts.cache.waitingBytes >= this.#parts.settings.uploadBytes) this.hurry()
    else if (this.#cancelTimer === undefined) this.#schedule()
  }

  /** Starts an upload, unless enough are under way. */
  hurry(): void {
    if (this.#running < UPLOADS_MAX) this.#start()
  }

  /** Uploads and commits everything that is durable when it is called; nothing once it has stopped. */
  async flush(): Promise<void> {
    while (this.#running >= UPLOADS_MAX) await this.#last
    this.#start()
    await this.#last
    await this.#trims
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    this.#cancelTimer?.()
    // What it ended with has been told.
    await this.#last.catch(() => undefined)
    await this.#trims
  }

  #schedule(): void {
    if (this.#stopping.signal.aborted) return
    this.#cancelTimer = this.#parts.clock.after(this.#parts.settings.uploadIntervalMs, () => {
      this.#cancelTimer = undefined
      this.hurry()
    })
  }

  #start(): void {
    if (this.#stopping.signal.aborted) return
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#running++
    const upload = this.#upload(this.#last).finally(() => {
      this.#running--
      // More than enough may wait already; and a log that is full of deleted streams is full until somebody trims it.
      if (this.#parts.cache.waitingBytes > 0 || this.#parts.wal.pendingBytes > 0) this.noticed()
    })
    this.#last = upload
    // Somebody else has taken over: what waits in the log is his to upload.
    upload.catch((error) => this.#fail(error))
  }

  async #upload(previous: Promise<void>): Promise<void> {
    const { nodeId, nodeEpoch, cache, wal, durablePosition } = this.#parts
    const position = durablePosition()
    const tail = cache.freeze()
    if (!tail.whole) this.#warnOfOrphans()
    // Taken at the same moment as the tail: the state must say what the objects hold, no more.
    const taken = tail.streams.map((stream) => this.#capture(stream))
    const streams = taken.map((stream) => this.#describe(stream))
    const planned = this.#plan(taken)
    let stored = this.#store(planned)
    await previous
    const trims = tail.whole && position > this.#trimmedTo
    // What the log holds may all belong to streams that were deleted: without this commit a full log would stay full.
    if (streams.length === 0 && !trims) return
    const walMark = trims ? { walMark: { mark: wal.mark(position), nodeEpoch } } : {}
    for (;;) {
      const objects = await stored
      if (objects === undefined) return
      const committed = await this.#persist(() => this.#commit({ nodeId, objects, streams, ...walMark }))
      if (committed === undefined) return
      if (committed) break
      stored = this.#store(planned)
    }
    cache.committed(tail)
    for (const object of planned) this.#count(object)
    this.#parts.committed()
    this.#parts.log.debug({ objects: planned.length, streams: streams.length }, 'uploaded')
    if (!trims) return
    this.#trimmedTo = position
    this.#trim(position)
  }

  /** Beside the uploads: space that is given back late must not keep them waiting. */
  #trim(position: WalPosition): void {
    const trim = this.#trims.then(() => this.#persist(() => this.#parts.wal.trim(position)))
    this.#trims = trim.then(
      () => undefined,
      (error) => this.#fail(error)
    )
  }

  #fail(error: unknown): void {
    if (!isFault(error)) throw error
    this.#stopping.abort()
    this.#parts.failed(error)
  }

  /** As `#storeAll`. Whoever awaits it hears of a failure; that nobody does, because the upload before failed, is no bug. */
  #store(planned: readonly PlannedObject[]): Promise<UploadedObject[] | undefined> {
    const stored = this.#storeAll(planned)
    stored.catch(() => undefined)
    return stored
  }

  /** Stores all objects, however long it takes; undefined when the uploader was closed instead. */
  async #storeAll(planned: readonly PlannedObject[]): Promise<UploadedObject[] | undefined> {
    const objects: UploadedObject[] = []
    for (let at = 0; at < planned.length; at += OBJECTS_AT_ONCE) {
      const some = await Promise.all(planned.slice(at, at + OBJECTS_AT_ONCE).map((object) => this.#storeOne(object)))
      for (const object of some) if (object !== undefined) objects.push(object)
    }
    return objects.length === planned.length ? objects : undefined
  }

  async #storeOne({ profile, built }: PlannedObject): Promise<UploadedObject | undefined> {
    const { metadata, stores } = this.#parts
    const object = await this.#persist(() => metadata.prepareObject(profile))
    if (object === undefined) return undefined
    // The key is nobody else's and the bytes stay the same: repeating a put whose answer was lost does no harm.
    // A store that refuses (its credentials have expired) may take it later: whatever it answers, it is asked again.
    const put = await this.#persist(
      async () => {
        await stores.store(profile).put(object.key, built.parts)
        return true
      },
      ({ kind }) => kind !== 'closed'
    )
    return put === undefined ? undefined : { objectId: object.id, bytes: built.bytes, ranges: built.ranges }
  }

  /** False when it took so long that the objects were given up as orphans: others must be stored in their place. */
  async #commit(upload: Upload): Promise<boolean> {
    try {
      await this.#parts.metadata.commitUpload(upload)
      return true
    } catch (error) {
      if (!isFault(error, 'missing')) throw error
      this.#parts.log.warn({ error: error.message }, 'an upload is stored again')
      return false
    }
  }

  #warnOfOrphans(): void {
    if (this.#warned) return
    this.#warned = true
    const message = 'the write-ahead log holds records of streams that this node does not lead: it cannot be trimmed'
    this.#parts.log.warn({ streams: this.#parts.cache.orphans }, message)
  }

  #count({ profile, built }: PlannedObject): void {
    let bytes = this.uploadedBytes(profile)
    for (const range of built.ranges) bytes += range.bytes
    this.#uploadedBytes.set(profile, bytes)
  }

  #capture(frozen: FrozenStream): TakenStream {
    const { log, startOffset, endOffset } = frozen
    return { ...frozen, captured: this.#parts.capture(log.streamId, startOffset, endOffset) }
  }

  #describe({ log, startOffset, endOffset, captured }: TakenStream): UploadedStream {
    const { streamId } = log
    const epoch = this.#parts.epochOf(streamId) ?? 0
    return { streamId, epoch, startOffset, endOffset, snapshot: captured.snapshot }
  }

  /** Streams with much data get objects of their own, the rest of each profile share one, sorted by stream. */
  #plan(taken: readonly TakenStream[]): PlannedObject[] {
    const groups: { readonly profile: string; readonly streams: TakenStream[] }[] = []
    const shared = new Map<string, TakenStream[]>()
    for (const stream of taken) {
      const profile = this.#parts.profileOf(stream.log.streamId)
      let bytes = 0
      for (const entry of stream.entries) bytes += entry.payload.length
      if (bytes >= OWN_OBJECT_BYTES) {
        groups.push({ profile, streams: [stream] })
        continue
      }
      const sharers = shared.get(profile)
      if (sharers === undefined) shared.set(profile, [stream])
      else sharers.push(stream)
    }
    for (const [profile, streams] of shared) groups.push({ profile, streams })
    return groups.map(({ profile, streams }) => ({
      profile,
      built: buildObject(
        streams.map(({ log, entries, captured }) => ({ streamId: log.streamId, entries, note: captured.note }))
      )
    }))
  }

  /** Repeats `attempt` while it fails in these ways; `undefined` when the uploader was closed instead. */
  async #persist<T>(
    attempt: () => Promise<T>,
    isRepeated: (fault: Fault) => boolean = ({ kind }) => kind === 'unavailable'
  ): Promise<T | undefined> {
    for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
      if (this.#stopping.signal.aborted) return undefined
      try {
        return await attempt()
      } catch (error) {
        if (!isFault(error) || !isRepeated(error)) throw error
        const level = error.kind === 'unavailable' ? 'warn' : 'error'
        this.#parts.log[level]({ error: error.message, delayMs }, 'upload failed; it will be tried again')
        await sleep(this.#parts.clock, delayMs, this.#stopping.signal)
      }
    }
  }
}
