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

  constructor(parts: RetentionParts) {
    this.#parts = parts
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(CHECK_INTERVAL_MS, () => {
      // A bug rejects and is left to end the process.
      void this.enforce()
      this.start()
    })
  }

  stop(): void {
    this.#cancel?.()
  }

  /** Checks every partition once. One that cannot be trimmed now does not keep the others from it. */
  async enforce(): Promise<void> {
    const { topics, metadata, clock } = this.#parts
    for (const topic of topics.all()) {
      const settings = topics.settings(topic.name)
      if (settings === undefined) continue
      for (const partition of topics.partitions(topic.name)) {
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

/** The offset from which on the partition's data is kept. Only whole ranges are dropped, oldest first. */
export function planRetention(
  { startOffset }: Pick<Partition, 'startOffset'>,
  ranges: readonly ObjectRange[],
  settings: TopicSettings,
  nowMs: number
): number {
  const kept = ranges.filter((range) => range.endOffset > startOffset)
  let excess = -settings.retentionBytes
  for (const range of kept) excess += range.bytes
  let start = startOffset
  for (const range of kept) {
    const old =
      settings.retentionMs >= 0 && range.maxTimestamp >= 0 && range.maxTimestamp < nowMs - settings.retentionMs
    const tooMuch = settings.retentionBytes >= 0 && excess >= range.bytes
    if (!old && !tooMuch) break
    excess -= range.bytes
    start = range.endOffset
  }
  return start
}
