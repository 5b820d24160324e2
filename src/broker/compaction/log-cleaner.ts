/**
 * Compaction by key (`cleanup.policy=compact`): keeps the last record of each key, one partition at a time, the dirtiest
 * first. Two passes: `dirty-keys.ts` learns which keys were written again, `batch-retention.ts` drops what they supersede.
 *
 * Invariant: what a reader may find changes only by records that a later record with their key, or time, has made void;
 * offsets never change. Memory is bounded by the offset map, which exists only while a partition is cleaned.
 * It reads and writes nothing itself: see `stream/compaction/`.
 */
import type { MetadataImage } from '../../metadata/metadata.ts'
import type { Clock } from '../../runtime/clock.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import type { StreamRewriting } from '../../stream/compaction/stream-rewriting.ts'
import { parseBatchHeader } from '../../wire/records/batch-header.ts'
import { BatchRetention } from './batch-retention.ts'
import { type Dirt, dirtyRatio, isDue, measureDirt } from './cleaning-plan.ts'
import type { CompactedLog } from './compacted-log.ts'
import { type MappedKeys, mapDirtyKeys } from './dirty-keys.ts'
import { OffsetMap } from './offset-map.ts'
import { Pace } from './pace.ts'

/** Kafka's default of `log.cleaner.backoff.ms`. */
const CHECK_INTERVAL_MS = 15_000
/** A partition that could not be cleaned is left alone for so long. */
const RETRY_MS = 300_000
/** As often in each `min.compaction.lag.ms` a partition is looked at whose records were too young. */
const LAG_STEPS = 10

export interface LogCleanerParts {
  readonly clock: Clock
  readonly log: Log
  readonly image: Pick<MetadataImage, 'stream' | 'ranges'>
  readonly rewriting: StreamRewriting
  /** The compacted partitions that this broker leads. */
  readonly logs: () => Iterable<CompactedLog>
  /** Memory for the keys of a partition while it is cleaned, bytes: 24 a key. More keys take more cleanings. */
  readonly offsetMapBytes: number
}

export class LogCleaner {
  readonly #parts: LogCleanerParts
  readonly #pace: Pace
  /** By stream: it is not looked at before that time, wall milliseconds. */
  readonly #notBefore = new Map<number, number>()
  /** By stream: time of the batch at its dirty offset, so that it is read once. */
  readonly #firstDirty = new Map<number, { readonly offset: number; readonly timestamp: number }>()
  #cancel: (() => void) | undefined
  #running: Promise<void> = Promise.resolve()
  readonly #stopping = new AbortController()

  constructor(parts: LogCleanerParts) {
    this.#parts = parts
    this.#pace = new Pace(parts.clock)
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(CHECK_INTERVAL_MS, () => {
      // A bug rejects and is left to end the process.
      this.#running = this.cleanAll().then(() => {
        if (!this.#stopping.signal.aborted) this.start()
      })
    })
  }

  /** Resolves when the request under way is done; what it did not get to stays dirty. */
  async close(): Promise<void> {
    this.#stopping.abort()
    this.#cancel?.()
    await this.#running
  }

  /** Cleans every partition that is due, once. One that cannot be cleaned now does not keep the others from it. */
  async cleanAll(): Promise<void> {
    for (const dirt of await this.#due()) {
      if (this.#stopping.signal.aborted) return
      await this.#attempt(dirt.log, () => this.#clean(dirt))
    }
  }

  async #due(): Promise<Dirt[]> {
    const { clock, image, logs } = this.#parts
    const due: Dirt[] = []
    const seen = new Set<number>()
    for (const log of logs()) {
      seen.add(log.streamId)
      const stream = image.stream(log.streamId)
      if (stream === undefined || (this.#notBefore.get(log.streamId) ?? 0) > clock.now()) continue
      await this.#attempt(log, async () => {
        const dirt = measureDirt(log, stream, image.ranges(log.streamId))
        if (isDue(dirt, await this.#firstDirtyMs(dirt), clock.now())) due.push(dirt)
      })
    }
    for (const known of [this.#notBefore, this.#firstDirty]) {
      for (const streamId of known.keys()) if (!seen.has(streamId)) known.delete(streamId)
    }
    return due.sort((a, b) => dirtyRatio(b) - dirtyRatio(a))
  }

  async #attempt({ topicName, index, streamId }: CompactedLog, step: () => Promise<void>): Promise<void> {
    try {
      await step()
    } catch (error) {
      if (!isFault(error)) throw error
      if (this.#stopping.signal.aborted) return
      this.#notBefore.set(streamId, this.#parts.clock.now() + RETRY_MS)
      const fields = { topicName, index, kind: error.kind, error: error.message }
      this.#parts.log.warn(fields, 'compaction is tried again later')
    }
  }

  async #clean(dirt: Dirt): Promise<void> {
    const { image, clock, log, rewriting } = this.#parts
    const { streamId, topicName, index } = dirt.log
    const startedMs = clock.monotonic()
    const map = new OffsetMap(dirt.endOffset - dirt.dirtyOffset, this.#parts.offsetMapBytes)
    const mapped = await this.#map(dirt, map)
    const stream = image.stream(streamId)
    if (stream === undefined || !(await this.#isWorthwhile(dirt, mapped))) return
    const { endOffset } = mapped
    const aborted = await dirt.log.abortedTransactions(0, endOffset)
    const retention = new BatchRetention({ log: dirt.log, map, aborted, endOffset, nowMs: clock.now() })
    const done = await rewriting.rewrite({
      streamId,
      fromOffset: 0,
      toOffset: endOffset,
      keep: async (entry) => {
        this.#assertOpen()
        await this.#pace.worked(entry.payload.length)
        return retention.keep(entry)
      },
      keepNote: ({ bytes }) => dirt.log.noteWithout(bytes, retention.transactions.vanished),
      cleanedTo: endOffset,
      signal: this.#stopping.signal
    })
    if (!done) return
    dirt.log.forgetAborted(retention.transactions.vanished)
    const { bytesBefore, bytesAfter } = retention
    const ms = Math.round(clock.monotonic() - startedMs)
    log.info({ topicName, index, endOffset, keys: map.size, bytesBefore, bytesAfter, ms }, 'partition compacted')
  }

  async #map(dirt: Dirt, map: OffsetMap): Promise<MappedKeys> {
    const { clock, rewriting } = this.#parts
    const { log, dirtyOffset: fromOffset, endOffset: toOffset } = dirt
    const { minCompactionLagMs } = log.settings
    const newestMs = minCompactionLagMs > 0 ? clock.now() - minCompactionLagMs : Number.POSITIVE_INFINITY
    const mapped = await mapDirtyKeys({ log, rewriting, fromOffset, toOffset, newestMs, map, pace: this.#pace })
    this.#assertOpen()
    if (mapped.endOffset > fromOffset || !mapped.mapFull) return mapped
    const message = `a batch at offset ${fromOffset} has more keys than the ${map.bytes} bytes of the offset map hold: allow it more`
    throw new Fault('invalid', message)
  }

  /** Measured again without the records that are too young: a little dirt must not make all of it be rewritten. */
  async #isWorthwhile(dirt: Dirt, { endOffset, bytes, mapFull }: MappedKeys): Promise<boolean> {
    if (mapFull || endOffset === dirt.endOffset) return true
    const { clock } = this.#parts
    const { streamId, settings } = dirt.log
    const cleanable = { ...dirt, endOffset, dirtyBytes: bytes }
    if (isDue(cleanable, await this.#firstDirtyMs(cleanable), clock.now())) return true
    this.#notBefore.set(streamId, clock.now() + settings.minCompactionLagMs / LAG_STEPS)
    return false
  }

  /** Time of the first dirty batch; `undefined` where nobody asks for it or there is none. */
  async #firstDirtyMs({ log, dirtyOffset, endOffset, dirtyBytes }: Dirt): Promise<number | undefined> {
    const { streamId, settings } = log
    if (dirtyBytes === 0 || settings.maxCompactionLagMs >= Number.MAX_SAFE_INTEGER) return undefined
    const known = this.#firstDirty.get(streamId)
    if (known?.offset === dirtyOffset) return known.timestamp
    for await (const entries of this.#parts.rewriting.scan(streamId, dirtyOffset, endOffset)) {
      const first = entries.find(({ lastOffset }) => lastOffset >= dirtyOffset)
      if (first === undefined) continue
      const { baseTimestamp } = parseBatchHeader(first.payload, 0)
      this.#firstDirty.set(streamId, { offset: dirtyOffset, timestamp: baseTimestamp })
      return baseTimestamp
    }
    return undefined
  }

  #assertOpen(): void {
    if (this.#stopping.signal.aborted) throw new Fault('closed', 'the log cleaner was closed')
  }
}
