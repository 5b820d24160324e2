/**
 * When a PUT that is slow is worth sending again. Pure: it is told what happened and decides.
 *
 * A PUT is hedged once it takes longer than nearly all recent ones of about its size took. The budget keeps hedges a
 * few in a hundred PUTs also when the store as a whole became slow, as more requests would only make that worse.
 */

export interface HedgeSettings {
  /** A PUT is hedged when it takes `slack` times as long as this share of recent ones, in (0, 1), took at most. */
  readonly quantile: number
  /** Above 1, so that the budget goes to PUTs that hang and not to the slower ones of many that are well. */
  readonly slack: number
  /** A PUT is never hedged earlier than this, milliseconds. */
  readonly delayMsMin: number
  /** A PUT is hedged at the latest after this, milliseconds; always so until enough PUTs are known. */
  readonly delayMsMax: number
  /** Hedges per PUT in the long run; 0 turns hedging off. */
  readonly share: number
}

export const HEDGE_DEFAULTS: HedgeSettings = {
  quantile: 0.95,
  slack: 1.5,
  delayMsMin: 50,
  delayMsMax: 2_000,
  share: 0.05
}

/** Durations that are remembered of each class of sizes. */
const SAMPLES_MAX = 128
const SAMPLES_MIN = 20
/** Hedges that may be saved up for a bad moment. */
const SAVED_MAX = 4
/** Each class holds sizes up to twice those of the one before; the first holds all below. */
const SMALLEST_CLASS_BYTES = 256 * 1024

export class HedgePolicy {
  readonly #settings: HedgeSettings
  readonly #classes: Samples[] = []
  #saved = 1

  constructor(settings: HedgeSettings) {
    this.#settings = settings
  }

  /** A PUT begins: how long to wait for its answer before another one is sent, milliseconds. */
  begin(bytes: number): number {
    const { quantile, slack, delayMsMin, delayMsMax, share } = this.#settings
    this.#saved = Math.min(SAVED_MAX, this.#saved + share)
    const usual = this.#samplesOf(bytes).quantile(quantile) ?? delayMsMax
    return Math.min(delayMsMax, Math.max(delayMsMin, usual * slack))
  }

  /** The wait is over: whether the budget has another PUT. It is spent when it does. */
  spend(): boolean {
    if (this.#settings.share === 0 || this.#saved < 1) return false
    this.#saved--
    return true
  }

  /** A PUT was answered after `durationMs`. */
  answered(bytes: number, durationMs: number): void {
    this.#samplesOf(bytes).add(durationMs)
  }

  #samplesOf(bytes: number): Samples {
    const index = Math.max(0, Math.ceil(Math.log2(bytes / SMALLEST_CLASS_BYTES)))
    const samples = this.#classes[index] ?? new Samples()
    this.#classes[index] = samples
    return samples
  }
}

/** The latest durations. */
class Samples {
  readonly #durations: number[] = []
  #next = 0

  add(durationMs: number): void {
    this.#durations[this.#next] = durationMs
    this.#next = (this.#next + 1) % SAMPLES_MAX
  }

  quantile(share: number): number | undefined {
    if (this.#durations.length < SAMPLES_MIN) return undefined
    const sorted = this.#durations.toSorted((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  }
}
