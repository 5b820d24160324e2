/**
 * Drops what a topic no longer wants to keep: moves the start of each partition past ranges that are too old or too
 * much, a whole object range at a time. Objects left without readable data are deleted by the storage's own sweep.
 */
import type { Metadata, ObjectRange } from '../metadata/metadata.ts'
import type { Clock } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { Partition } from './partition/partition.ts'
import type { TopicSettings } from './topic-settings.ts'
import type { Topics } from './topics.ts'

/** Kafka's default of `log.retention.check.interval.ms`. */
const CHECK_INTERVAL_MS = 300_000

export interface RetentionParts {
  readonly clock: Clock
  readonly log: Log
  readonly topics: Topics
  readonly metadata: Metadata
}

export class Retention {
  readonly #parts: RetentionParts
  #cancel: (() => void) | undefined
  #running: Promise<void> = Promise.resolve()
  #closed = false

  constructor(parts: RetentionParts) {
    this.#parts = parts
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(CHECK_INTERVAL_MS, () => {
      // A bug rejects and is left to end the process.
      this.#running = this.enforce().then(() => {
        if (!this.#closed) this.start()
      })
    })
  }

  /** Resolves when the trim under way is done. */
  async close(): Promise<void> {
    this.#closed = true
    this.#cancel?.()
    await this.#running
  }

  /** Checks every partition once. One that cannot be trimmed now does not keep the others from it. */
  async enforce(): Promise<void> {
    const { topics, metadata, clock } = this.#parts
    for (const topic of topics.all()) {
      const settings = topics.settings(topic.name)
      if (settings === undefined || !settings.delete) continue
      for (const partition of topics.partitions(topic.name)) {
        if (this.#closed) return
        const start = planRetention(partition, metadata.image.ranges(partition.stream.id), settings, clock.now())
        if (start > partition.startOffset) await this.#trim(partition, start)
      }
    }
  }

  async #trim({ topicName, index, stream }: Partition, start: number): Promise<void> {
    try {
      await stream.trim(start)
    } catch (error) {
      if (!isFault(error)) throw error
      this.#parts.log.warn({ topicName, index, error: error.message }, 'retention is tried again later')
    }
  }
}

/**
 * The offset from which on the partition's data is kept. Only whole ranges are dropped, oldest first. What has no
 * timestamp does not age by itself, it goes with what comes after it.
 */
export function planRetention(
  { startOffset }: Pick<Partition, 'startOffset'>,
  ranges: readonly ObjectRange[],
  settings: TopicSettings,
  nowMs: number
): number {
  const { retentionMs, retentionBytes } = settings
  const oldestMs = retentionMs < 0 ? Number.NEGATIVE_INFINITY : nowMs - retentionMs
  let excess = retentionBytes < 0 ? Number.NEGATIVE_INFINITY : -retentionBytes
  const first = ranges.findIndex((range) => range.endOffset > startOffset)
  if (first === -1) return startOffset
  // Only a limit of bytes has to look at what stays.
  if (retentionBytes >= 0) excess = ranges.reduce((sum, { bytes }, at) => (at < first ? sum : sum + bytes), excess)
  let start = startOffset
  for (let at = first; at < ranges.length; at++) {
    const { maxTimestamp, bytes, endOffset } = ranges[at] as ObjectRange
    const tooMuch = excess >= bytes
    if (tooMuch || (maxTimestamp >= 0 && maxTimestamp < oldestMs)) start = endOffset
    else if (maxTimestamp >= 0) break
    excess -= bytes
  }
  return start
}
