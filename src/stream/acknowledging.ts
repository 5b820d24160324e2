/**
 * The last gate before an append is acknowledged: while it may not be, what is durable waits here, in order, until it may.
 * Nobody learns of it meanwhile; if it never may be, everybody is told that it failed.
 */
import type { Clock } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'

const CHECK_MS = 20

interface Durable {
  readonly acknowledge: () => void
  readonly failed: (fault: Error) => void
}

export class Acknowledging {
  readonly #clock: Clock
  readonly #may: () => boolean
  #waiting: Durable[] = []
  #cancelCheck: (() => void) | undefined

  constructor(clock: Clock, may: () => boolean) {
    this.#clock = clock
    this.#may = may
  }

  add(acknowledge: () => void, failed: (fault: Error) => void): void {
    if (this.#waiting.length === 0 && this.#may()) {
      acknowledge()
      return
    }
    this.#waiting.push({ acknowledge, failed })
    this.#check()
  }

  close(): void {
    this.#cancelCheck?.()
    const lost = this.#waiting
    this.#waiting = []
    const fault = new Fault(
      'closed',
      'this node may not speak for its streams any more; the records may still be stored'
    )
    for (const { failed } of lost) failed(fault)
  }

  #check(): void {
    this.#cancelCheck ??= this.#clock.after(CHECK_MS, () => {
      this.#cancelCheck = undefined
      if (this.#may()) for (const { acknowledge } of this.#waiting.splice(0)) acknowledge()
      else this.#check()
    })
  }
}
