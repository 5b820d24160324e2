/**
 * What a device sends, whatever the transport: the one wire contract of MQTT and HTTP (docs/gateway.md).
 *
 *     { "epoch": 1, "seq": 42, "time": …, "sent": …, "firmware": "…", "replay": true, "data": any JSON }
 *
 * An object with a member `data` is a record; any other JSON value is data by itself. Invariant: `data` keeps the
 * exact text that the device wrote. It does not know who the device is: identity comes from the connection.
 */
import { parseEventTime } from './event-time.ts'
import { memberTexts } from './json-members.ts'

export interface DeviceRecord {
  /** Grows when the device loses its counter; 0 unless given. */
  readonly epoch: number
  /** Counts up within an epoch; null when the device does not count. */
  readonly seq: number | null
  /** Milliseconds since the Unix epoch by the device's clock; null when not given. */
  readonly eventTime: number | null
  readonly sentTime: number | null
  readonly firmware: string | null
  readonly replay: boolean
  /** JSON text, exactly as sent. */
  readonly data: string
}

/**
 * - `not-utf8`, `not-json`: the bytes are not what every transport carries.
 * - `invalid-field`: a member of the record has a type or value that it cannot have.
 * - `unknown-field`: the record has a member that means nothing, so that it would be lost silently.
 * - `too-large`: more bytes than a record may have.
 * - `unknown-topic`: sent to a topic that the gateway does not serve.
 * - `not-storable`: the broker refuses it for good.
 */
export type DeadLetterReason =
  | 'not-utf8'
  | 'not-json'
  | 'invalid-field'
  | 'unknown-field'
  | 'too-large'
  | 'unknown-topic'
  | 'not-storable'

export interface Unreadable {
  readonly reason: DeadLetterReason
  /** For people: what is wrong with it. */
  readonly message: string
}

export function isUnreadable(value: DeviceRecord | Unreadable): value is Unreadable {
  return 'reason' in value
}

const firmwareLengthMax = 128
const fields = new Set(['epoch', 'seq', 'time', 'sent', 'firmware', 'replay', 'data'])
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function parseDeviceRecord(payload: Uint8Array): DeviceRecord | Unreadable {
  let text: string
  let value: unknown
  try {
    text = decoder.decode(payload)
  } catch {
    return { reason: 'not-utf8', message: 'the payload is not valid UTF-8' }
  }
  try {
    value = JSON.parse(text)
  } catch (error) {
    return { reason: 'not-json', message: `the payload is not valid JSON: ${describeSyntax(error)}` }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, 'data')) {
    return { ...bare, data: text.trim() }
  }
  return readRecord(value as Record<string, unknown>, text)
}

const bare = { epoch: 0, seq: null, eventTime: null, sentTime: null, firmware: null, replay: false }

function readRecord(value: Record<string, unknown>, text: string): DeviceRecord | Unreadable {
  for (const name of Object.keys(value)) {
    if (!fields.has(name)) {
      const message = `a record has no member ${JSON.stringify(name.slice(0, 40))}: move it into "data"`
      return { reason: 'unknown-field', message }
    }
  }
  const { epoch = null, seq = null, time = null, sent = null, firmware = null, replay = null } = value
  if (epoch !== null && !isCounter(epoch)) return invalid('epoch', 'a whole number from 0 to 2^53 - 1')
  if (seq !== null && !isCounter(seq)) return invalid('seq', 'a whole number from 0 to 2^53 - 1')
  const eventTime = time === null ? null : parseEventTime(time)
  if (eventTime === undefined) return invalid('time', timeForm)
  const sentTime = sent === null ? null : parseEventTime(sent)
  if (sentTime === undefined) return invalid('sent', timeForm)
  if (firmware !== null && !isShortString(firmware)) {
    return invalid('firmware', `a string of 1 to ${firmwareLengthMax} characters`)
  }
  if (replay !== null && typeof replay !== 'boolean') return invalid('replay', 'true or false')
  const data = memberTexts(text).get('data') ?? 'null'
  return { epoch: epoch ?? 0, seq, eventTime, sentTime, firmware, replay: replay ?? false, data }
}

const timeForm = 'an RFC 3339 time with a zone, or milliseconds since 1970'

function invalid(name: string, expected: string): Unreadable {
  return { reason: 'invalid-field', message: `"${name}" must be ${expected}` }
}

function isCounter(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isShortString(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= firmwareLengthMax
}

function describeSyntax(error: unknown): string {
  return error instanceof SyntaxError ? error.message.slice(0, 120) : 'unreadable'
}
