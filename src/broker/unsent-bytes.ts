/**
 * One budget for what is read for answers and for what clients have not taken of them yet. A slow consumer holds what it
 * was answered; when all of them together hold too much, the next fetch gets one batch instead of many.
 */

export class UnsentBytes {
  readonly #bytesMax: number
  readonly #held = new Map<object, number>()
  #total = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Bytes that may be added; 0 when there are too many already. */
  get room(): number {
    return Math.max(0, this.#bytesMax - this.#total)
  }

  /** `holder` has `bytes` that were not sent yet. */
  note(holder: object, bytes: number): void {
    this.#total += bytes - (this.#held.get(holder) ?? 0)
    if (bytes === 0) this.#held.delete(holder)
    else this.#held.set(holder, bytes)
  }
}
