/**
 * Runs compaction in the background: plan, store new objects, commit, plan again.
 *
 * Invariant: it removes nothing itself. The commit puts new objects in the place of old ones in one step, and the sweeper
 * deletes the old ones long after. A crash at any point leaves prepared objects, which are swept as well.
 */
import type { Metadata, ObjectRange, UploadedObject } from '../../metadata/metadata.ts'
import type { ObjectStores } from '../../object-store/object-stores.ts'
import type { Clock } from '../../runtime/clock.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import type { TransferBudget } from '../read/transfer-budget.ts'
import { commitForCertain } from './compaction-commit.ts'
import { COMPACTION_LIMITS, type CompactionJob, type CompactionLimits, planCompaction } from './compaction-plan.ts'
import type { CompactionTurn } from './compaction-turn.ts'
import { storeMerged } from './object-merge.ts'
import { PreparedObjects } from './prepared-objects.ts'
import { DamagedObject, SourceObjects } from './source-objects.ts'

/** How soon after an upload to look whether it made something worth merging. */
const NOTICE_MS = 1_000
const RETRY_MS_MIN = 1_000
const RETRY_MS_MAX = 60_000
/** A purge that would free less than this part of the data, and nothing of a deleted stream, is not worth it. */
const DEAD_PART_MIN = 1 / 8

export interface CompactionSettings extends CompactionLimits {
  /** How often to look for something to do, milliseconds; uploads make it look sooner. */
  readonly intervalMs: number
}

export const COMPACTION_SETTINGS: CompactionSettings = { ...COMPACTION_LIMITS, intervalMs: 60_000 }

export interface CompactorParts {
  readonly clock: Clock
  readonly log: Log
  readonly metadata: Metadata
  readonly stores: ObjectStores
  readonly budget: TransferBudget
  /** Shared with whatever else compacts on this node. */
  readonly turn: CompactionTurn
  readonly settings?: CompactionSettings
  /**
   * Whether this node compacts the stream; all of them unless given. Of a stream set the first stream decides. Two nodes
   * that both think so waste work, no more.
   */
  readonly owns?: (streamId: number) => boolean
}

export interface CompactionStats {
  readonly jobs: number
  /** Objects stored and committed. */
  readonly objects: number
  /** Size of these. */
  readonly bytes: number
  /** Payload bytes of the ranges that were replaced. */
  readonly replacedBytes: number
  /** Times that it gave up a job: the source changed, or something was unavailable. */
  readonly failures: number
  /** Objects left out because they are damaged. */
  readonly damaged: number
}

export class Compactor {
  readonly #parts: CompactorParts
  readonly #settings: CompactionSettings
  readonly #stopping = new AbortController()
  readonly #damaged = new Set<number>()
  /** Ranges, as the image hands them out, of objects that were found to hold hardly anything else. */
  readonly #pure = new WeakSet<readonly ObjectRange[]>()
  readonly #stats = { jobs: 0, objects: 0, bytes: 0, replacedBytes: 0, failures: 0 }
  #running: Promise<void> | undefined
  #cancelTimer: (() => void) | undefined
  /** Monotonic milliseconds of the next look. */
  #nextAt = Number.POSITIVE_INFINITY
  #retryMs = RETRY_MS_MIN
  /** After a failure uploads do not hurry it. */
  #failed = false

  constructor(parts: CompactorParts) {
    this.#parts = parts
    this.#settings = parts.settings ?? COMPACTION_SETTINGS
  }

  start(): void {
    this.#schedule(this.#settings.intervalMs)
  }

  /** Told after each upload. */
  noticed(): void {
    if (this.#cancelTimer === undefined || this.#failed) return
    if (this.#nextAt > this.#parts.clock.monotonic() + NOTICE_MS) this.#schedule(NOTICE_MS)
  }

  /** Compacts until nothing is worth it any more. Faults as they come: `unavailable`, `conflict`, `missing`, `closed`. */
  async compact(): Promise<void> {
    while (await this.#parts.turn.run(() => this.#step()));
  }

  stats(): CompactionStats {
    return { ...this.#stats, damaged: this.#damaged.size }
  }

  /** Stops; waits for the one request that is under way. */
  async close(): Promise<void> {
    this.#stopping.abort()
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    await this.#running
  }

  #schedule(delayMs: number): void {
    if (this.#stopping.signal.aborted) return
    this.#cancelTimer?.()
    this.#nextAt = this.#parts.clock.monotonic() + delayMs
    this.#cancelTimer = this.#parts.clock.after(delayMs, () => {
      this.#cancelTimer = undefined
      this.#running = this.#run().finally(() => {
        this.#running = undefined
      })
    })
  }

  async #run(): Promise<void> {
    try {
      await this.compact()
      this.#failed = false
      this.#retryMs = RETRY_MS_MIN
      this.#schedule(this.#settings.intervalMs)
    } catch (error) {
      if (!isFault(error)) throw error
      this.#stats.failures++
      if (this.#stopping.signal.aborted) return
      this.#parts.log.warn({ error: error.message, delayMs: this.#retryMs }, 'compaction will be tried again')
      this.#failed = true
      this.#schedule(this.#retryMs)
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX)
    }
  }

  /** Plans and does what it planned; false when there was nothing to do. */
  async #step(): Promise<boolean> {
    const { clock, metadata, owns = () => true } = this.#parts
    if (this.#stopping.signal.aborted) throw new Fault('closed', 'compaction was stopped')
    const view = {
      image: metadata.image,
      now: clock.now(),
      owns,
      leftOut: (objectId: number) => this.#damaged.has(objectId),
      isPure: (ranges: readonly ObjectRange[]) => this.#pure.has(ranges)
    }
    const jobs = planCompaction(view, this.#settings)
    try {
      for (const job of jobs) await this.#perform(job)
    } catch (error) {
      if (!(error instanceof DamagedObject)) throw error
      // What it holds that can still be read stays readable where it is.
      this.#damaged.add(error.objectId)
      this.#parts.log.error({ objectId: error.objectId, error: error.message }, 'a damaged object is left out')
    }
    return jobs.length > 0
  }

  async #perform(job: CompactionJob): Promise<void> {
    const { metadata, stores, budget, log } = this.#parts
    const { signal } = this.#stopping
    const prepared = new PreparedObjects(this.#parts)
    const sources = new SourceObjects({ image: metadata.image, stores, budget })
    const removed = job.outputs.flat()
    if (job.kind === 'purge' && !(await this.#isWorthIt(sources, removed))) {
      for (const ranges of job.outputs) this.#pure.add(ranges)
      return
    }
    const objects: UploadedObject[] = []
    const merge = { image: metadata.image, prepared, stores, budget, sources, signal }
    try {
      for (const ranges of job.outputs) objects.push(await storeMerged(merge, job.profile, ranges))
      await commitForCertain({ ...this.#parts, signal }, { objects, removed })
    } finally {
      prepared.release()
    }
    this.#stats.jobs++
    this.#stats.objects += objects.length
    for (const { bytes } of objects) this.#stats.bytes += bytes
    for (const { bytes } of removed) this.#stats.replacedBytes += bytes
    log.debug({ kind: job.kind, ranges: removed.length, objects: objects.length }, 'compacted')
  }

  /** Looks at what the object really holds: the metadata only knows sizes. */
  async #isWorthIt(sources: SourceObjects, ranges: readonly ObjectRange[]): Promise<boolean> {
    const { image } = this.#parts.metadata
    let needed = 0
    for (const range of ranges) for (const block of await sources.blocks(range)) needed += block.bytes
    const { index } = await sources.open(ranges[0]?.objectId ?? -1)
    let all = 0
    for (const block of index) {
      all += block.bytes
      if (image.stream(block.streamId) === undefined) return true
    }
    return all - needed > all * DEAD_PART_MIN
  }
}
