/**
 * What goes through one partition: counters that requests add to, and the rates that whoever looks now and then makes of
 * them. Rates fade with a half-life, so that a moment says little and a minute much; a partition that has just been opened
 * shows the mean of what it has seen.
 *
 * Requests read no clock and set no timer for it.
 */
import type { PartitionLoad } from '../../metadata/metadata.ts'

const HALF_LIFE_MS = 30_000
/** A partition that was watched for less than this tells nothing yet. */
const WATCHED_MS_MIN = 2_000

export class PartitionTraffic {
  #bytesIn = 0
  #bytesOut = 0
  #requests = 0
  /** When it was looked at last; undefined until it has been. */
  #sampledMs: number | undefined
  #watchedMs = 0
  /** How much of the rates is known: 1 when it was watched for long. */
  #weight = 0
  #bytesInRate = 0
  #bytesOutRate = 0
  #requestRate = 0

  appended(bytes: number): void {
    this.#bytesIn += bytes
    this.#requests += 1
  }

  fetched(bytes: number): void {
    this.#bytesOut += bytes
    this.#requests += 1
  }

  /** Rates per second up to now, by monotonic milliseconds of the caller; undefined while too little has been seen. */
  sample(streamId: number, nowMs: number): PartitionLoad | undefined {
    const elapsedMs = this.#sampledMs === undefined ? 0 : nowMs - this.#sampledMs
    if (this.#sampledMs === undefined || elapsedMs > 0) this.#fold(elapsedMs)
    this.#sampledMs = nowMs
    if (this.#watchedMs < WATCHED_MS_MIN) return undefined
    return {
      streamId,
      bytesIn: this.#bytesInRate / this.#weight,
      bytesOut: this.#bytesOutRate / this.#weight,
      requests: this.#requestRate / this.#weight
    }
  }

  #fold(elapsedMs: number): void {
    const kept = 2 ** (-elapsedMs / HALF_LIFE_MS)
    // Of what came before the first look it is not known in how much time.
    const share = elapsedMs === 0 ? 0 : ((1 - kept) * 1000) / elapsedMs
    this.#bytesInRate = this.#bytesInRate * kept + this.#bytesIn * share
    this.#bytesOutRate = this.#bytesOutRate * kept + this.#bytesOut * share
    this.#requestRate = this.#requestRate * kept + this.#requests * share
    this.#weight = this.#weight * kept + 1 - kept
    this.#watchedMs += elapsedMs
    this.#bytesIn = 0
    this.#bytesOut = 0
    this.#requests = 0
  }
}
