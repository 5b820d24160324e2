/**
 * Faults: failures that are thrown, told apart by what the caller can do about them.
 * Answers that belong to a protocol (Kafka error codes) are values and never come this way.
 */

/**
 * - `unavailable`: a dependency did not answer in time or refused for now; trying again may succeed.
 * - `conflict`: the effect is not possible because something with that name or version exists already.
 * - `missing`: the thing asked for does not exist.
 * - `fenced`: somebody with a newer epoch owns what the caller wanted to change; stop.
 * - `corrupt`: stored or received bytes contradict their own checksum or format.
 * - `invalid`: the caller asked for something that can never succeed; the message says what to do.
 * - `closed`: the component was closed; the call came too late.
 */
export type FaultKind = 'unavailable' | 'conflict' | 'missing' | 'fenced' | 'corrupt' | 'invalid' | 'closed'

export class Fault extends Error {
  override readonly name = 'Fault'
  readonly kind: FaultKind

  constructor(kind: FaultKind, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.kind = kind
  }
}

export function isFault(error: unknown, kind?: FaultKind): error is Fault {
  return error instanceof Fault && (kind === undefined || error.kind === kind)
}

/** A bug in Longhaul itself, not in its input: the process ends, see `main.ts`. */
export class AssertionFault extends Error {
  override readonly name = 'AssertionFault'
}

/** States what must be true here. Stays on in production. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFault(message)
}
