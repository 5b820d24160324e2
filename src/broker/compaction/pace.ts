/** Cleaning is work for the processor on the loop that serves clients: after each piece of it, everybody else has a turn. */
import { type Clock, sleep } from '../../runtime/clock.ts'

/** Takes about a millisecond. */
const PIECE_BYTES = 512 * 1024

export class Pace {
  readonly #clock: Clock
  #bytes = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts bytes that were worked on; what it returns is to be awaited. */
  worked(bytes: number): Promise<void> | undefined {
    this.#bytes += bytes
    if (this.#bytes < PIECE_BYTES) return undefined
    this.#bytes = 0
    return sleep(this.#clock, 0)
  }
}
