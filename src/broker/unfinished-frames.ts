/**
 * Bounds what all connections together hold of frames whose end has not come. Whoever holds most is closed when it
 * becomes too much: a client that announces large frames and does not finish them must not take memory from others.
 */
import { Fault } from '../runtime/fault.ts'

export interface FrameHolder {
  refuse(reason: Fault): void
}

export class UnfinishedFrames {
  readonly #bytesMax: number
  readonly #held = new Map<FrameHolder, number>()
  #total = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get total(): number {
    return this.#total
  }

  /** `holder` holds `bytes` of an unfinished frame now. May end the connection of somebody, or its own. */
  note(holder: FrameHolder, bytes: number): void {
    const before = this.#held.get(holder) ?? 0
    if (before === bytes) return
    this.#total += bytes - before
    if (bytes === 0) this.#held.delete(holder)
    else this.#held.set(holder, bytes)
    while (this.#total > this.#bytesMax) this.#evictLargest()
  }

  #evictLargest(): void {
    let largest: FrameHolder | undefined
    let most = 0
    for (const [holder, bytes] of this.#held) {
      if (bytes <= most) continue
      largest = holder
      most = bytes
    }
    if (largest === undefined) return
    this.note(largest, 0)
    largest.refuse(
      new Fault('invalid', `it held ${most} of the ${this.#bytesMax} bytes that unfinished requests may take`)
    )
  }
}
