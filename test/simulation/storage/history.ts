/**
 * What happened in one run, as text: one line per event, with the virtual time and the life it happened in. The digest
 * stands for the whole text, so that two runs can be compared byte for byte; only the last lines are kept.
 */
import { createHash } from 'node:crypto'

const LINES_KEPT = 400

export class History {
  readonly #hash = createHash('sha256')
  readonly #now: () => number
  readonly #sink: ((line: string) => void) | undefined
  #tail: string[] = []
  #lines = 0
  /** Number of the process that lives at the moment; 0 before the first. */
  life = 0

  /** `now`: virtual milliseconds since the run began. `sink` sees every line. */
  constructor(now: () => number, sink?: (line: string) => void) {
    this.#now = now
    this.#sink = sink
  }

  note(event: string): void {
    const line = `${this.#now().toFixed(3)} #${this.life} ${event}`
    this.#hash.update(line).update('\n')
    this.#sink?.(line)
    this.#lines++
    this.#tail.push(line)
    if (this.#tail.length > 2 * LINES_KEPT) this.#tail = this.#tail.slice(-LINES_KEPT)
  }

  get lines(): number {
    return this.#lines
  }

  /** The last `count` lines. */
  last(count: number): readonly string[] {
    return this.#tail.slice(-count)
  }

  /** SHA-256 of all lines so far, hexadecimal. */
  digest(): string {
    return this.#hash.copy().digest('hex')
  }
}
