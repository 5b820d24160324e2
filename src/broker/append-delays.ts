/**
 * How long producers wait for their records to become durable: the 99th percentile since it was last asked for. Counted in
 * steps of a fifth, so that noting one is adding to a number.
 */

const STEP = Math.log(1.2)
/** Up to an hour. */
const STEPS = Math.ceil(Math.log(3_600_000) / STEP) + 1

export class AppendDelays {
  readonly #counts = new Uint32Array(STEPS)
  #count = 0

  note(ms: number): void {
    const step = ms <= 1 ? 0 : Math.min(Math.ceil(Math.log(ms) / STEP), STEPS - 1)
    this.#counts[step] = (this.#counts[step] ?? 0) + 1
    this.#count += 1
  }

  /** Milliseconds, at most a fifth too many; 0 when nothing was noted. Begins anew. */
  take(): number {
    let left = Math.floor(this.#count / 100)
    let step = STEPS - 1
    while (step > 0 && left >= (this.#counts[step] ?? 0)) left -= this.#counts[step--] ?? 0
    const isEmpty = this.#count === 0
    this.#counts.fill(0)
    this.#count = 0
    return isEmpty ? 0 : Math.exp(step * STEP)
  }
}
