/**
 * The path that every record takes, whatever its transport: read → envelope (or dead letter) → sink → outcome.
 *
 * Invariants: a record is reported as accepted or dead-lettered only after the broker acknowledged it; records enter
 * the sink in the order of the calls; once a flow has had a refusal, nothing more of that flow enters, so that a device
 * that repeats what was refused keeps its order. Overload first makes callers wait, in order, then refuses.
 * It knows no protocol and no connection.
 */

import type { DeadLetterReason, DeviceRecord, Unreadable } from '../fleet/device-record.ts'
import { isUnreadable, parseDeviceRecord } from '../fleet/device-record.ts'
import type { Device } from '../fleet/device-registry.ts'
import { type Envelope, encodeEnvelope, envelopeHeaders } from '../fleet/envelope.ts'
import { classifyLateness, estimateClockOffsetMs, type LatenessSettings } from '../fleet/lateness.ts'
import type { Clock } from '../runtime/clock.ts'
import { isFault } from '../runtime/fault.ts'
import type { RecordSink, SinkRecord } from './record-sink.ts'
import { type Refusal, refusalOf } from './refusal.ts'

/** One connection or one request. */
export interface Flow {
  readonly device: Device
  readonly transport: 'mqtt' | 'http'
  /** Set by the ingress at the first refusal. */
  broken: boolean
}

export type Outcome =
  | { readonly result: 'accepted' }
  | { readonly result: 'dead-lettered'; readonly reason: DeadLetterReason; readonly message: string }
  | { readonly result: 'refused'; readonly refusal: Refusal }

export interface IngressSettings {
  readonly telemetryTopic: string
  readonly deadLetterTopic: string
  /** Larger payloads become dead letters, raw. */
  readonly payloadBytesMax: number
  /** Payload bytes that may be on their way to the broker, over all connections; as much again may wait. */
  readonly inFlightBytesMax: number
  /** How long a record may wait for room before it is refused. */
  readonly overloadWaitMs: number
  readonly lateness: LatenessSettings
}

/** Records since start. received = accepted + deadLettered + refused + inFlight. */
export interface IngressStats {
  readonly received: number
  readonly receivedBytes: number
  readonly accepted: number
  readonly deadLettered: number
  readonly refused: number
  readonly inFlight: number
  readonly inFlightBytes: number
}

interface Waiter {
  readonly bytes: number
  readonly since: number
  readonly enter: (admitted: boolean) => void
}

const accepted: Outcome = { result: 'accepted' }

export class Ingress {
  readonly #sink: RecordSink
  readonly #clock: Clock
  readonly #settings: IngressSettings
  readonly #waiters: Waiter[] = []
  #cancelTimer: (() => void) | undefined
  #waitingBytes = 0
  #enteredBytes = 0
  #received = 0
  #receivedBytes = 0
  #accepted = 0
  #deadLettered = 0
  #refused = 0

  constructor(sink: RecordSink, clock: Clock, settings: IngressSettings) {
    this.#sink = sink
    this.#clock = clock
    this.#settings = settings
  }

  stats(): IngressStats {
    const [accepted, deadLettered, refused] = [this.#accepted, this.#deadLettered, this.#refused]
    const inFlight = this.#received - accepted - deadLettered - refused
    const inFlightBytes = this.#enteredBytes + this.#waitingBytes
    return {
      received: this.#received,
      receivedBytes: this.#receivedBytes,
      accepted,
      deadLettered,
      refused,
      inFlight,
      inFlightBytes
    }
  }

  /**
   * Takes one payload. `topic` is where an MQTT device published it, when that is not the telemetry topic of the
   * gateway. Never rejects for what the device or the broker did.
   */
  async accept(flow: Flow, payload: Buffer, unknownTopic?: string): Promise<Outcome> {
    this.#received++
    this.#receivedBytes += payload.length
    // No await before the sink when there is room: calls enter in their order.
    const mayEnter = this.#room(payload.length) || (await this.#waitForRoom(payload.length))
    if (flow.broken)
      return this.#refuse(flow, { code: 'unavailable', message: 'an earlier record was refused; send both again' })
    if (!mayEnter) {
      const message = 'the gateway is at its limit; wait, then send again'
      return this.#refuse(flow, { code: 'overloaded', message, retryAfterS: 2 })
    }
    this.#enteredBytes += payload.length
    try {
      return await this.#store(flow, payload, unknownTopic)
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal === undefined) throw error
      return this.#refuse(flow, refusal)
    } finally {
      this.#enteredBytes -= payload.length
      this.#admitWaiters()
    }
  }

  async #store(flow: Flow, payload: Buffer, unknownTopic: string | undefined): Promise<Outcome> {
    const ingestTime = this.#clock.now()
    const record = this.#read(payload, unknownTopic)
    const unreadable = isUnreadable(record) ? record : await this.#storeTelemetry(flow.device, record, ingestTime)
    if (unreadable === undefined) {
      this.#accepted++
      return accepted
    }
    await this.#sink.produce(this.#deadLetter(flow, payload, unreadable, ingestTime, unknownTopic))
    this.#deadLettered++
    return { result: 'dead-lettered', reason: unreadable.reason, message: unreadable.message }
  }

  async #storeTelemetry(device: Device, record: DeviceRecord, ingestTime: number): Promise<Unreadable | undefined> {
    try {
      await this.#sink.produce(this.#telemetry(device, record, ingestTime))
      return undefined
    } catch (error) {
      if (!isFault(error, 'invalid')) throw error
      // As a dead letter, or the device would send it for ever while everything behind it waits.
      return { reason: 'not-storable', message: error.message }
    }
  }

  #telemetry(device: Device, record: DeviceRecord, ingestTime: number): SinkRecord {
    const envelope = this.#envelope(device, record, ingestTime)
    return {
      topic: this.#settings.telemetryTopic,
      key: Buffer.from(device.id),
      value: encodeEnvelope(envelope),
      headers: envelopeHeaders(envelope),
      timestamp: ingestTime
    }
  }

  #read(payload: Buffer, unknownTopic: string | undefined): DeviceRecord | Unreadable {
    if (unknownTopic !== undefined) {
      return { reason: 'unknown-topic', message: 'nothing is served under this topic: publish to v1/telemetry' }
    }
    const { payloadBytesMax } = this.#settings
    if (payload.length > payloadBytesMax) {
      return { reason: 'too-large', message: `${payload.length} bytes, at most ${payloadBytesMax} are allowed` }
    }
    return parseDeviceRecord(payload)
  }

  #envelope(device: Device, record: DeviceRecord, ingestTime: number): Envelope {
    const times = { eventTime: record.eventTime ?? ingestTime, sentTime: record.sentTime, ingestTime }
    return {
      tenant: device.tenant,
      device: device.id,
      epoch: record.epoch,
      seq: record.seq,
      ...times,
      clockOffsetMs: estimateClockOffsetMs(times),
      lateness: classifyLateness(times, record.replay, this.#settings.lateness),
      firmware: record.firmware,
      mappingId: null,
      mappingVersion: null,
      region: device.attributes.region ?? null,
      schemaId: null,
      payload: record.data
    }
  }

  /** The bytes as they came are the value; everything we know about them is in the headers. */
  #deadLetter(
    flow: Flow,
    value: Buffer,
    { reason, message }: Unreadable,
    timestamp: number,
    topic: string | undefined
  ): SinkRecord {
    const headers: [string, string][] = [
      ['longhaul.reason', reason],
      ['longhaul.message', message],
      ['longhaul.tenant', flow.device.tenant],
      ['longhaul.device', flow.device.id],
      ['longhaul.transport', flow.transport]
    ]
    if (topic !== undefined) headers.push(['longhaul.topic', topic.slice(0, 1024)])
    return { topic: this.#settings.deadLetterTopic, key: Buffer.from(flow.device.id), value, headers, timestamp }
  }

  #refuse(flow: Flow, refusal: Refusal): Outcome {
    flow.broken = true
    this.#refused++
    return { result: 'refused', refusal }
  }

  #room(bytes: number): boolean {
    if (this.#waiters.length > 0) return false
    return this.#enteredBytes === 0 || this.#enteredBytes + bytes <= this.#settings.inFlightBytesMax
  }

  #waitForRoom(bytes: number): Promise<boolean> {
    if (this.#waitingBytes + bytes > this.#settings.inFlightBytesMax) return Promise.resolve(false)
    this.#waitingBytes += bytes
    return new Promise((enter) => {
      this.#waiters.push({ bytes, since: this.#clock.monotonic(), enter })
      this.#watchWaiters()
    })
  }

  #admitWaiters(): void {
    let admittedBytes = 0
    for (;;) {
      const next = this.#waiters[0]
      if (next === undefined) return
      // Those just admitted count themselves only once they run.
      const bytes = this.#enteredBytes + admittedBytes
      if (bytes > 0 && bytes + next.bytes > this.#settings.inFlightBytesMax) return
      admittedBytes += next.bytes
      this.#release(next, true)
    }
  }

  /** One timer for all: they wait in order, so the first is always the next to give up. */
  #watchWaiters(): void {
    const first = this.#waiters[0]
    if (first === undefined || this.#cancelTimer !== undefined) return
    const delayMs = Math.max(0, first.since + this.#settings.overloadWaitMs - this.#clock.monotonic())
    this.#cancelTimer = this.#clock.after(delayMs, () => {
      this.#cancelTimer = undefined
      const expired = this.#clock.monotonic() - this.#settings.overloadWaitMs
      for (let next = this.#waiters[0]; next !== undefined && next.since <= expired; next = this.#waiters[0]) {
        this.#release(next, false)
      }
      this.#watchWaiters()
    })
  }

  #release(waiter: Waiter, admitted: boolean): void {
    this.#waiters.shift()
    this.#waitingBytes -= waiter.bytes
    waiter.enter(admitted)
  }
}
