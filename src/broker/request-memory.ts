/**
 * One budget for the bytes of all requests that are received and not yet answered (Kafka's `queued.max.request.bytes`).
 * A connection whose request does not fit waits its turn and reads nothing meanwhile, so the sender slows down.
 */

export class RequestMemory {
  readonly #bytesMax: number
  readonly #waiting: { bytes: number; admit: () => void }[] = []
  #used = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get used(): number {
    return this.#used
  }

  /** Takes `bytes` now and returns `undefined`, or a promise that resolves once they are taken. First come, first served. */
  acquire(bytes: number): Promise<void> | undefined {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#used += bytes
      return undefined
    }
    return new Promise((admit) => this.#waiting.push({ bytes, admit }))
  }

  release(bytes: number): void {
    this.#used -= bytes
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#used += next.bytes
      next.admit()
    }
  }

  /** A request larger than the whole budget still goes through, alone. */
  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#bytesMax
  }
}
