/**
 * What the exit status of `longhaul` means. Scripts rely on these numbers: they do not change.
 * Anything thrown that is not a Fault is a bug in Longhaul, not in its input.
 */
import { type FaultKind, isFault } from '../runtime/fault.ts'

export const exitCodes = {
  ok: 0,
  /** The request was understood and could not be fulfilled, such as a topic that does not exist. */
  failed: 1,
  /** Wrong arguments or settings; the same command can never succeed. */
  usage: 2,
  /** A broker or another service could not be reached or did not answer in time; may succeed later. */
  unavailable: 3,
  /** A bug in Longhaul (EX_SOFTWARE of sysexits.h). */
  bug: 70,
  /** Ended at once by a second Ctrl-C, as shells number it: 128 + SIGINT. */
  interrupted: 130
} as const

const codeOfFault: Record<FaultKind, number> = {
  unavailable: exitCodes.unavailable,
  invalid: exitCodes.usage,
  conflict: exitCodes.failed,
  missing: exitCodes.failed,
  fenced: exitCodes.failed,
  corrupt: exitCodes.failed,
  closed: exitCodes.failed
}

export function exitCodeOf(error: unknown): number {
  return isFault(error) ? codeOfFault[error.kind] : exitCodes.bug
}

export const exitCodesHelp = `
Exit status:
  0   done
  1   understood, but not possible (for example: no such topic)
  2   wrong arguments or settings
  3   broker or another service not reached, or no answer in time
  70  a bug in Longhaul
  130 stopped at once by a second Ctrl-C`
