/**
 * Why the gateway does not take something: one table, so that a reason means the same on every transport.
 *
 * Invariant: a refused record was not stored, as far as the gateway knows; the device keeps it. It says nothing about
 * payloads that cannot be read: those are taken, into the dead-letter topic.
 */
import { isFault } from '../runtime/fault.ts'

export type RefusalCode = keyof typeof refusals

export interface Refusal {
  readonly code: RefusalCode
  /** For people; says what to do. */
  readonly message: string
  /** Seconds after which another attempt makes sense, when it is known. */
  readonly retryAfterS?: number
}

interface Meaning {
  readonly http: number
  /** MQTT 3.1.1 return code in CONNACK, section 3.2.2.3. It has no code for a connection that is open: that one is closed. */
  readonly connack3: number
  /** MQTT 5 reason code in CONNACK, section 3.2.2.2. */
  readonly connack5: number
  /** MQTT 5 reason code in DISCONNECT, section 3.14.2.1. */
  readonly disconnect5: number
}

const refusals = {
  /** No token, or one that nobody has. */
  unauthenticated: { http: 401, connack3: 4, connack5: 0x86, disconnect5: 0x87 },
  /** More bytes than the transport takes in one piece. */
  'too-large': { http: 413, connack3: 5, connack5: 0x95, disconnect5: 0x95 },
  /** The gateway has as much under way as it may hold. */
  overloaded: { http: 503, connack3: 3, connack5: 0x89, disconnect5: 0x89 },
  /** The broker or the device registry does not answer. */
  unavailable: { http: 503, connack3: 3, connack5: 0x88, disconnect5: 0x83 },
  /** The gateway is being stopped. */
  closing: { http: 503, connack3: 3, connack5: 0x88, disconnect5: 0x8b },
  /** The request itself is not what the protocol or the address takes. */
  malformed: { http: 400, connack3: 1, connack5: 0x81, disconnect5: 0x81 },
  'unsupported-version': { http: 505, connack3: 1, connack5: 0x84, disconnect5: 0x84 },
  'unsupported-media-type': { http: 415, connack3: 5, connack5: 0x99, disconnect5: 0x99 },
  'not-found': { http: 404, connack3: 5, connack5: 0x90, disconnect5: 0x90 },
  'unsupported-qos': { http: 400, connack3: 5, connack5: 0x9b, disconnect5: 0x9b }
} as const satisfies Record<string, Meaning>

export function meaningOf(code: RefusalCode): Meaning {
  return refusals[code]
}

/** The refusal that a failure of the broker or the registry means; undefined when it can only be a bug. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!isFault(error)) return undefined
  if (error.kind === 'closed')
    return { code: 'closing', message: 'the gateway is being stopped; connect again', retryAfterS: 1 }
  if (error.kind === 'invalid')
    return { code: 'too-large', message: `the broker will not take this record: ${error.message}` }
  return { code: 'unavailable', message: `cannot be stored now, send it again: ${error.message}`, retryAfterS: 2 }
}
