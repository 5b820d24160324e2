/** Which partitions are dirty enough to be cleaned, the dirtiest first. Pure. */
import type { ObjectRange, Stream } from '../../metadata/metadata.ts'
import type { CompactedLog } from './compacted-log.ts'

/** Of a partition, as far as objects hold it and its transactions are decided. */
export interface Dirt {
  readonly log: CompactedLog
  /** Batches from here on were written since the last cleaning. */
  readonly dirtyOffset: number
  readonly endOffset: number
  readonly cleanBytes: number
  readonly dirtyBytes: number
}

export function measureDirt(log: CompactedLog, stream: Stream, ranges: readonly ObjectRange[]): Dirt {
  const endOffset = Math.min(stream.endOffset, log.firstUnstableOffset)
  const dirtyOffset = Math.min(Math.max(stream.cleanedOffset, log.startOffset), endOffset)
  let cleanBytes = 0
  let dirtyBytes = 0
  for (const range of ranges) {
    cleanBytes += share(range, log.startOffset, dirtyOffset)
    dirtyBytes += share(range, dirtyOffset, endOffset)
  }
  return { log, dirtyOffset, endOffset, cleanBytes, dirtyBytes }
}

/** Kafka's cleanable ratio: from 0, all is clean, to 1. */
export function dirtyRatio({ cleanBytes, dirtyBytes }: Pick<Dirt, 'cleanBytes' | 'dirtyBytes'>): number {
  return dirtyBytes === 0 ? 0 : dirtyBytes / (cleanBytes + dirtyBytes)
}

/** `firstDirtyMs`: time of the first dirty batch, where the topic has a `max.compaction.lag.ms` (KIP-354). */
export function isDue(dirt: Dirt, firstDirtyMs: number | undefined, nowMs: number): boolean {
  const { minCleanableDirtyRatio, maxCompactionLagMs } = dirt.log.settings
  if (dirtyRatio(dirt) > minCleanableDirtyRatio) return true
  return dirt.dirtyBytes > 0 && firstDirtyMs !== undefined && firstDirtyMs < nowMs - maxCompactionLagMs
}

/** Bytes of a range that lie in [fromOffset, toOffset), taking all offsets for equally large. */
function share({ startOffset, endOffset, bytes }: ObjectRange, fromOffset: number, toOffset: number): number {
  const offsets = Math.min(endOffset, toOffset) - Math.max(startOffset, fromOffset)
  return offsets <= 0 ? 0 : (bytes * offsets) / (endOffset - startOffset)
}
