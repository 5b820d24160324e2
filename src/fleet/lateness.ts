/**
 * How late a record reached us, as a class that consumers can filter by.
 *
 * Invariant: a pure function of the record's times and the settings; the same record always gets the same class.
 * It does not reorder, hold back or drop anything.
 */

/**
 * - `live`: measured at most `lateAfterMs` before it was sent or received.
 * - `late`: older than that; a short gap in coverage.
 * - `backfill`: older than `backfillAfterMs`; stored while the device was offline.
 * - `replay`: the sender declared that it repeats old data on purpose, whatever its age.
 * - `future`: claims to be measured more than `futureAfterMs` from now; the device's clock is probably wrong.
 */
export type LatenessClass = 'live' | 'late' | 'backfill' | 'replay' | 'future'

export const latenessClasses: readonly LatenessClass[] = ['live', 'late', 'backfill', 'replay', 'future']

export interface LatenessSettings {
  readonly lateAfterMs: number
  readonly backfillAfterMs: number
  readonly futureAfterMs: number
}

export const defaultLateness: LatenessSettings = {
  lateAfterMs: 60_000,
  backfillAfterMs: 3_600_000,
  futureAfterMs: 60_000
}

export interface RecordTimes {
  /** When it was measured, by the device's clock; milliseconds since the Unix epoch. */
  readonly eventTime: number
  /** When the device sent it, by the device's clock; null when it did not say. */
  readonly sentTime: number | null
  /** When the gateway received it, by the gateway's clock. */
  readonly ingestTime: number
}

/**
 * How far the device's clock is ahead of ours, in milliseconds (negative: behind); null when it cannot be known.
 * One sample: it includes the time on the network, so it is at most the true offset.
 */
export function estimateClockOffsetMs(times: RecordTimes): number | null {
  return times.sentTime === null ? null : times.sentTime - times.ingestTime
}

/**
 * The age of a record is counted on one clock where possible: sent − event when the device said when it sent it
 * (a wrong clock then cancels out), ingest − event otherwise.
 */
export function classifyLateness(times: RecordTimes, replay: boolean, settings: LatenessSettings): LatenessClass {
  if (replay) return 'replay'
  const ageMs = (times.sentTime ?? times.ingestTime) - times.eventTime
  if (ageMs < -settings.futureAfterMs) return 'future'
  if (ageMs > settings.backfillAfterMs) return 'backfill'
  return ageMs > settings.lateAfterMs ? 'late' : 'live'
}
