/**
 * What simulated devices really did: every record they measured and what became of it, as far as they know.
 *
 * Invariant: measured = acknowledged + declared lost + still buffered, per device. It is pure bookkeeping; comparing
 * it with what the cluster holds is `fleet-verification.ts`.
 */
import { assert } from '../runtime/fault.ts'

export interface Measurement {
  readonly seq: number
  /** `malformed` records are broken on purpose and belong into the dead-letter topic. */
  readonly kind: 'record' | 'malformed'
  /** What must arrive: the JSON text of `data`, or for malformed records the bytes in base64. */
  readonly expected: string
  /** Milliseconds since the Unix epoch; null when the record does not say. */
  readonly eventTime: number | null
}

export interface LedgerEntry extends Measurement {
  state: 'buffered' | 'acknowledged' | 'lost'
}

export interface DeviceCounts {
  measured: number
  acknowledged: number
  malformed: number
  declaredLost: number
  /** Times a record was sent again because its acknowledgement did not come. */
  resent: number
  /** Answers that were a refusal. */
  refused: number
}

export class DeviceLedger {
  /** By seq. Settled entries are dropped when the ledger only counts. */
  readonly entries = new Map<number, LedgerEntry>()
  readonly counts: DeviceCounts = { measured: 0, acknowledged: 0, malformed: 0, declaredLost: 0, resent: 0, refused: 0 }
  readonly #keepRecords: boolean

  constructor(keepRecords: boolean) {
    this.#keepRecords = keepRecords
  }

  measured(measurement: Measurement): void {
    assert(!this.entries.has(measurement.seq), `seq ${measurement.seq} was measured twice`)
    this.entries.set(measurement.seq, { ...measurement, state: 'buffered' })
    this.counts.measured++
    if (measurement.kind === 'malformed') this.counts.malformed++
  }

  acknowledged(seq: number): void {
    this.#settle(seq, 'acknowledged')
    this.counts.acknowledged++
  }

  /** The device had no room for the record and says so. */
  declaredLost(seq: number): void {
    this.#settle(seq, 'lost')
    this.counts.declaredLost++
  }

  #settle(seq: number, state: 'acknowledged' | 'lost'): void {
    const entry = this.entries.get(seq)
    assert(entry?.state === 'buffered', `seq ${seq} is not waiting for its fate`)
    entry.state = state
    if (!this.#keepRecords) this.entries.delete(seq)
  }
}

export class TruthLedger {
  readonly #devices = new Map<string, DeviceLedger>()
  readonly #keepRecords: boolean
  /** All records of this ledger carry this epoch; records of other epochs are not its business. */
  readonly epoch: number

  /** Without `keepRecords` it only counts, so it may run for ever, but nothing can be verified. */
  constructor(epoch: number, keepRecords: boolean) {
    this.epoch = epoch
    this.#keepRecords = keepRecords
  }

  get devices(): ReadonlyMap<string, DeviceLedger> {
    return this.#devices
  }

  addDevice(id: string): DeviceLedger {
    const ledger = new DeviceLedger(this.#keepRecords)
    this.#devices.set(id, ledger)
    return ledger
  }

  totals(): DeviceCounts {
    const totals = { measured: 0, acknowledged: 0, malformed: 0, declaredLost: 0, resent: 0, refused: 0 }
    for (const { counts } of this.#devices.values()) {
      for (const name of Object.keys(totals) as (keyof DeviceCounts)[]) totals[name] += counts[name]
    }
    return totals
  }
}
