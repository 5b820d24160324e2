/**
 * The canonical envelope: how one telemetry record is stored in Kafka (docs/formats/envelope.md).
 *
 * One JSON object whose last member, `payload`, is the device's own JSON text, spliced in verbatim: numbers, key order
 * and white space inside arrive as they were sent. Invariant: `decodeEnvelope(encodeEnvelope(e))` equals `e`.
 * The Kafka key is the device id and the Kafka timestamp the ingest time. It knows no topic and no transport.
 */
import { Fault } from '../runtime/fault.ts'
import { type LatenessClass, latenessClasses } from './lateness.ts'

const envelopeVersion = 1

export interface Envelope {
  readonly tenant: string
  readonly device: string
  readonly epoch: number
  /** null when the device does not count its records. */
  readonly seq: number | null
  /** Milliseconds since the Unix epoch, by the device's clock; the ingest time when the device gave none. */
  readonly eventTime: number
  readonly sentTime: number | null
  readonly ingestTime: number
  /** How far the device's clock is ahead, estimated. */
  readonly clockOffsetMs: number | null
  readonly lateness: LatenessClass
  readonly firmware: string | null
  readonly mappingId: string | null
  readonly mappingVersion: number | null
  readonly region: string | null
  readonly schemaId: number | null
  /** JSON text, exactly as the device wrote it. */
  readonly payload: string
}

// No string before it can contain this text: inside a JSON string every quote is escaped.
const payloadMark = ',"payload":'

export function encodeEnvelope(envelope: Envelope): Buffer {
  const { tenant, device, epoch, seq, eventTime, sentTime, ingestTime, clockOffsetMs, lateness } = envelope
  const { firmware, mappingId, mappingVersion, region, schemaId } = envelope
  const times = { eventTime, sentTime, ingestTime, clockOffsetMs, lateness }
  const made = { firmware, mappingId, mappingVersion, region, schemaId }
  const head = JSON.stringify({ v: envelopeVersion, tenant, device, epoch, seq, ...times, ...made })
  return Buffer.from(`${head.slice(0, -1)}${payloadMark}${envelope.payload}}`)
}

/** Throws Fault `corrupt` when the bytes are no envelope, and `invalid` when a newer Longhaul wrote it. */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  const mark = text.indexOf(payloadMark)
  if (mark < 0 || !text.endsWith('}')) throw new Fault('corrupt', 'not an envelope: it has no payload as last member')
  const payload = text.slice(mark + payloadMark.length, -1)
  const head = parseHead(`${text.slice(0, mark)}}`, payload)
  if (head.v !== envelopeVersion) {
    const message = `envelope version ${String(head.v)} is not known here (known: ${envelopeVersion}); upgrade this reader`
    throw new Fault('invalid', message)
  }
  const { v: _, ...members } = head
  const envelope = { ...members, payload }
  const wrong = Object.entries(shape).find(([name, fits]) => !fits(head[name]))?.[0]
  if (wrong !== undefined) throw new Fault('corrupt', `not an envelope: member ${wrong} has the wrong type`)
  return envelope as unknown as Envelope
}

function parseHead(head: string, payload: string): Record<string, unknown> {
  try {
    JSON.parse(payload)
    return JSON.parse(head)
  } catch (cause) {
    throw new Fault('corrupt', 'not an envelope: its JSON is broken', { cause })
  }
}

const isString = (value: unknown): boolean => typeof value === 'string'
const isNumber = (value: unknown): boolean => typeof value === 'number'
const orNull = (fits: (value: unknown) => boolean) => (value: unknown) => value === null || fits(value)

const shape: Readonly<Record<Exclude<keyof Envelope, 'payload'>, (value: unknown) => boolean>> = {
  tenant: isString,
  device: isString,
  epoch: isNumber,
  seq: orNull(isNumber),
  eventTime: isNumber,
  sentTime: orNull(isNumber),
  ingestTime: isNumber,
  clockOffsetMs: orNull(isNumber),
  lateness: (value) => latenessClasses.includes(value as LatenessClass),
  firmware: orNull(isString),
  mappingId: orNull(isString),
  mappingVersion: orNull(isNumber),
  region: orNull(isString),
  schemaId: orNull(isNumber)
}

/** The fields that are also Kafka record headers, so that a consumer can filter without parsing the value. */
export function envelopeHeaders(envelope: Envelope): [name: string, value: string][] {
  const headers: [string, string][] = [
    ['longhaul.v', String(envelopeVersion)],
    ['longhaul.lateness', envelope.lateness]
  ]
  if (envelope.seq !== null) headers.push(['longhaul.id', `${envelope.epoch}/${envelope.seq}`])
  return headers
}
