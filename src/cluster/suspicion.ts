/**
 * Overload protection: when much looks dead, whoever looks may be the one that is ill. Pure; times are monotonic
 * milliseconds of the caller.
 *
 * Two things make a controller suspect itself, and each costs one lease of waiting, in which nodes that live renew theirs:
 * - its readings have a gap (it was paused or overloaded, or the database was away, perhaps for everybody);
 * - most of the other nodes look dead at once. If they still do after a lease of readings without a gap, they are.
 */

/** Part of a lease without a reading that counts as a gap. Readings are planned at least twice as often. */
const GAP = 0.5

export interface Reading {
  /** Nodes that should be alive, without the one that looks. */
  readonly others: number
  /** Those of them that look dead, and those that were fenced a moment ago. */
  readonly dead: number
  /** Whether the lease of the one that looks has run out, by the same reading. */
  readonly selfRunOut: boolean
}

export class Suspicion {
  readonly #leaseMs: number
  #lastMs: number | undefined
  /** Nothing is decided before. */
  #trustedFromMs = Number.NEGATIVE_INFINITY
  #mostDeadSinceMs: number | undefined

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs
  }

  /** The database answered. True when there was a gap before. */
  answered(nowMs: number): boolean {
    // The first answer of a process follows a gap: it cannot know what happened before.
    const gap = this.#lastMs === undefined || nowMs - this.#lastMs > this.#leaseMs * GAP
    this.#lastMs = nowMs
    if (gap) this.#distrust(nowMs)
    return gap
  }

  /** Whether those that look dead may be fenced now. */
  believes({ others, dead, selfRunOut }: Reading, nowMs: number): boolean {
    if (selfRunOut) this.#distrust(nowMs)
    const most = dead >= 2 && dead * 2 > others
    if (!most) this.#mostDeadSinceMs = undefined
    else this.#mostDeadSinceMs ??= nowMs
    const waitedMs = nowMs - (this.#mostDeadSinceMs ?? Number.NEGATIVE_INFINITY)
    return nowMs >= this.#trustedFromMs && waitedMs >= this.#leaseMs
  }

  #distrust(nowMs: number): void {
    this.#trustedFromMs = nowMs + this.#leaseMs
    this.#mostDeadSinceMs = undefined
  }
}
