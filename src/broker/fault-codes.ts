/** The one place that turns faults into Kafka's error codes. */
import { Fault, type FaultKind } from '../runtime/fault.ts'
import { ErrorCode } from '../wire/error-codes.ts'

const CODES = {
  unavailable: ErrorCode.KAFKA_STORAGE_ERROR,
  conflict: ErrorCode.INVALID_REQUEST,
  missing: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  fenced: ErrorCode.NOT_LEADER_OR_FOLLOWER,
  corrupt: ErrorCode.KAFKA_STORAGE_ERROR,
  invalid: ErrorCode.INVALID_REQUEST,
  closed: ErrorCode.NOT_LEADER_OR_FOLLOWER
} as const satisfies Record<FaultKind, number>

/** The code for a fault; anything else is a bug and is thrown on. */
export function codeOf(error: unknown): number {
  if (error instanceof Fault) return CODES[error.kind]
  throw error
}
