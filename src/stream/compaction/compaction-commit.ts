/** Commits a compaction for certain: a commit whose answer was lost is repeated until one comes. */
import type { Compaction, Metadata } from '../../metadata/metadata.ts'
import { type Clock, sleep } from '../../runtime/clock.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'

const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 10_000

export interface CommitParts {
  readonly metadata: Pick<Metadata, 'commitCompaction'>
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

/**
 * Faults `conflict` and `missing` as `commitCompaction`; `closed` when the signal ends it, which leaves open whether it
 * happened: either way the metadata knows what to do with the objects.
 */
export async function commitForCertain(parts: CommitParts, compaction: Compaction): Promise<void> {
  const { metadata, clock, log, signal } = parts
  for (let delayMs = RETRY_MS_MIN; !signal.aborted; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
    try {
      return await metadata.commitCompaction(compaction)
    } catch (error) {
      if (!isFault(error, 'unavailable')) throw error
      log.warn({ error: error.message, delayMs }, 'the commit of a compaction is repeated')
      await sleep(clock, delayMs, signal)
    }
  }
  throw new Fault('closed', 'compaction was stopped')
}
