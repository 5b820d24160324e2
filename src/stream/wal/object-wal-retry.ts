/**
 * Trying again for as long as the object store is unavailable, with growing, random pauses, until the log is closed.
 */
import { type Clock, sleep } from '../../runtime/clock.ts'
import { Fault, isFault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'

const PAUSE_MS_MIN = 50
const PAUSE_MS_MAX = 3_000

export interface RetryEffects {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Aborted when the log is closed. */
  readonly stopping: AbortSignal
}

/** The pause after so many failures: half of it random, so that those who failed together do not come back together. */
export function pauseMs(random: Random, failures: number): number {
  const full = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(failures, 10))
  return full * (0.5 + random.float() / 2)
}

/** The result of `work`, tried again while it throws Fault `unavailable`. Fault `closed` when the log is closed before. */
export async function persist<T>(effects: RetryEffects, attempt: string, work: () => Promise<T>): Promise<T> {
  const { clock, random, log, stopping } = effects
  for (let failures = 0; ; failures++) {
    if (stopping.aborted) throw new Fault('closed', 'the write-ahead log is closed')
    try {
      return await work()
    } catch (error) {
      if (!isFault(error, 'unavailable')) throw error
      if (failures === 0) log.warn({ attempt, error: error.message }, 'the object store is unavailable: trying again')
    }
    await sleep(clock, pauseMs(random, failures), stopping)
  }
}
