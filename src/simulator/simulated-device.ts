/**
 * One simulated device: measures into a bounded buffer, sends from its front, and sends again what was not acknowledged.
 *
 * Invariants: a record leaves the buffer only when it was acknowledged, or, when the buffer is full, it is declared lost
 * and never enters; the ledger hears of both. Records are sent in the order of their sequence numbers.
 */
import { type Clock, sleep } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import { type DeviceLink, RefusedError } from './device-link.ts'
import type { DeviceSignals } from './device-signals.ts'
import type { DeviceLedger } from './truth-ledger.ts'

export interface DeviceBehaviour {
  readonly recordsPerSecond: number
  /** Share of records that are broken on purpose, 0 to 1. */
  readonly malformedShare: number
  /** Share of sends in whose middle the connection is torn down, 0 to 1. */
  readonly dropShare: number
  readonly bufferRecordsMax: number
  /** Records sent before their acknowledgements are awaited. */
  readonly windowRecords: number
}

export interface SimulatedDeviceOptions {
  readonly id: string
  readonly epoch: number
  readonly link: DeviceLink
  readonly signals: DeviceSignals
  readonly ledger: DeviceLedger
  readonly behaviour: DeviceBehaviour
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

interface Buffered {
  readonly seq: number
  readonly payload: Buffer
  acknowledged: boolean
  sent: boolean
}

const idleMs = 50
const reconnectMs = 200

export class SimulatedDevice {
  readonly #options: SimulatedDeviceOptions
  readonly #buffer: Buffered[] = []
  readonly #stopping = new AbortController()
  #seq = 0
  #reconnects = 0
  #connected = false
  #running: Promise<void> | undefined

  constructor(options: SimulatedDeviceOptions) {
    this.#options = options
  }

  get id(): string {
    return this.#options.id
  }

  /** Records measured and neither acknowledged nor declared lost. */
  get buffered(): number {
    return this.#buffer.length
  }

  get reconnects(): number {
    return this.#reconnects
  }

  get connected(): boolean {
    return this.#connected
  }

  /** Records that its schedule wants measured now, after `elapsedMs`. */
  recordsDue(elapsedMs: number): number {
    return this.#options.signals.recordsDue(elapsedMs, this.#options.behaviour.recordsPerSecond)
  }

  measure(): void {
    const { signals, epoch, ledger, behaviour, clock, random } = this.#options
    const seq = this.#seq++
    const eventTime = clock.now()
    const data = signals.nextData()
    // Buffered records say when they were measured; the sent time is left out, for it would have to change with each try.
    const text = `{"epoch":${epoch},"seq":${seq},"time":${eventTime},"firmware":"1.4.${epoch % 7}","data":${data}}`
    let payload: Buffer = Buffer.from(text)
    if (random.float() < behaviour.malformedShare) {
      payload = signals.breakPayload(payload)
      ledger.measured({ seq, kind: 'malformed', expected: payload.toString('base64'), eventTime: null })
    } else ledger.measured({ seq, kind: 'record', expected: data, eventTime })
    this.#keep(seq, payload)
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Stops sending at the next quiet moment; what is not acknowledged stays buffered. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  #keep(seq: number, payload: Buffer): void {
    if (this.#buffer.length < this.#options.behaviour.bufferRecordsMax) {
      this.#buffer.push({ seq, payload, acknowledged: false, sent: false })
    } else this.#options.ledger.declaredLost(seq)
  }

  async #run(): Promise<void> {
    const { clock, link, log } = this.#options
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        await link.open()
        this.#connected = true
        await this.#sendWindow()
        if (this.#buffer.length === 0) await sleep(clock, idleMs, signal)
      } catch (error) {
        this.#connected = false
        this.#reconnects++
        if (error instanceof RefusedError) this.#options.ledger.counts.refused++
        log.debug({ device: this.id, error: String(error) }, 'device lost its connection')
        link.drop()
        await sleep(clock, reconnectMs / 2 + this.#options.random.int(reconnectMs), signal)
      }
    }
    this.#connected = false
    await link.close()
  }

  async #sendWindow(): Promise<void> {
    const { behaviour, link, ledger, random, clock } = this.#options
    const window = this.#buffer.slice(0, behaviour.windowRecords)
    if (window.length === 0) return
    for (const record of window) {
      if (record.sent) ledger.counts.resent++
      record.sent = true
    }
    const dropping = random.float() < behaviour.dropShare
    const cancel = dropping ? clock.after(random.int(5), () => link.drop()) : undefined
    let open = true
    try {
      await link.send(
        window.map((record) => record.payload),
        (index) => {
          const record = window[index]
          // An acknowledgement that comes after we gave up on the connection is not heard.
          if (!open || record === undefined || record.acknowledged) return
          record.acknowledged = true
          ledger.acknowledged(record.seq)
        }
      )
    } finally {
      open = false
      cancel?.()
      const waiting = this.#buffer.findIndex((record) => !record.acknowledged)
      this.#buffer.splice(0, waiting < 0 ? this.#buffer.length : waiting)
    }
  }
}
