/**
 * Compares what devices know (the truth ledger) with what the cluster holds.
 *
 * Invariant: everything that is wrong is counted, duplicates too; the first few are described. Pure: feed it every
 * record of both topics in offset order per partition, then ask for the result.
 */
import { decodeEnvelope, type Envelope } from '../fleet/envelope.ts'
import { isFault } from '../runtime/fault.ts'
import type { LedgerEntry, TruthLedger } from './truth-ledger.ts'

export interface StoredRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly key: Buffer
  readonly value: Buffer
  readonly headers: ReadonlyMap<string, string>
}

export interface VerificationResult {
  /** measured = delivered + deadLettered + declaredLost + buffered + missing + remainder. */
  readonly measured: number
  readonly acknowledged: number
  /** Acknowledged and found in the telemetry topic exactly as sent. */
  readonly delivered: number
  /** Acknowledged, malformed on purpose, and found in the dead-letter topic byte for byte. */
  readonly deadLettered: number
  readonly declaredLost: number
  /** Still with the devices when they stopped, by their own count. */
  readonly buffered: number
  /** Acknowledged but not found as sent: lost by somebody who had promised not to. */
  readonly missing: number
  /** Records that nobody can account for; not 0 means that the devices' own books are wrong. */
  readonly remainder: number
  /** Stored although the device never learned it; a repetition of them would be a duplicate. */
  readonly storedUnacknowledged: number
  /** Stored more than once. Allowed (at least once), so not a violation. */
  readonly duplicates: number
  /** Found, but with another payload, key or event time. */
  readonly altered: number
  /** First copies that came before an earlier record of their device. */
  readonly outOfOrder: number
  /** Records in the name of our devices and epoch that they never sent, or in the wrong topic. */
  readonly strangers: number
  /** Records of other devices or runs: passed over. */
  readonly others: number
  readonly violations: readonly string[]
  readonly ok: boolean
}

const violationsMax = 10

export class FleetVerification {
  readonly #ledger: TruthLedger
  readonly #telemetryTopic: string
  /** Entries found exactly as sent, with the number of copies. */
  readonly #copies = new Map<LedgerEntry, number>()
  /** Malformed entries by device and base64 of their bytes. */
  readonly #malformed = new Map<string, LedgerEntry>()
  /** Highest seq so far, by device and topic: the order in each topic is a promise of its own. */
  readonly #lastSeq = new Map<string, number>()
  readonly #violations: string[] = []
  #altered = 0
  #outOfOrder = 0
  #strangers = 0
  #others = 0

  constructor(ledger: TruthLedger, telemetryTopic: string) {
    this.#ledger = ledger
    this.#telemetryTopic = telemetryTopic
    for (const [device, { entries }] of ledger.devices) {
      for (const entry of entries.values()) {
        if (entry.kind === 'malformed') this.#malformed.set(`${device}/${entry.expected}`, entry)
      }
    }
  }

  observe(record: StoredRecord): void {
    if (record.topic === this.#telemetryTopic) this.#observeTelemetry(record)
    else this.#observeDeadLetter(record)
  }

  /** `buffered`: how many records the devices themselves say they still hold. */
  result(buffered: number): VerificationResult {
    const { measured, acknowledged, declaredLost } = this.#ledger.totals()
    let [delivered, deadLettered, missing, storedUnacknowledged, duplicates] = [0, 0, 0, 0, 0]
    for (const [device, { entries }] of this.#ledger.devices) {
      for (const entry of entries.values()) {
        const copies = this.#copies.get(entry) ?? 0
        if (copies > 1) duplicates += copies - 1
        if (entry.state !== 'acknowledged') storedUnacknowledged += Math.min(copies, 1)
        else if (copies === 0) {
          missing++
          this.#violation(`${device} seq ${entry.seq}: acknowledged but not stored as sent`)
        } else if (entry.kind === 'record') delivered++
        else deadLettered++
      }
    }
    const remainder = measured - delivered - deadLettered - declaredLost - buffered - missing
    if (remainder !== 0) this.#violation(`${remainder} records are unaccounted for`)
    const wrong = missing + this.#altered + this.#outOfOrder + this.#strangers
    return {
      measured,
      acknowledged,
      delivered,
      deadLettered,
      declaredLost,
      buffered,
      missing,
      remainder,
      storedUnacknowledged,
      duplicates,
      altered: this.#altered,
      outOfOrder: this.#outOfOrder,
      strangers: this.#strangers,
      others: this.#others,
      violations: this.#violations,
      ok: wrong === 0 && remainder === 0
    }
  }

  #observeTelemetry(record: StoredRecord): void {
    const envelope = this.#decode(record)
    if (envelope === undefined) return
    const device = this.#ledger.devices.get(envelope.device)
    if (device === undefined || envelope.epoch !== this.#ledger.epoch) {
      this.#others++
      return
    }
    const entry = device.entries.get(envelope.seq ?? -1)
    if (entry === undefined || entry.kind !== 'record') {
      this.#strangers++
      this.#violation(`${place(record)}: ${envelope.device} never sent seq ${envelope.seq} as telemetry`)
    } else if (!isAsSent(record, envelope, entry)) {
      this.#altered++
      this.#violation(`${place(record)}: ${envelope.device} seq ${envelope.seq} differs from what was sent`)
    } else this.#found(record, envelope.device, entry)
  }

  #decode(record: StoredRecord): Envelope | undefined {
    try {
      return decodeEnvelope(record.value)
    } catch (error) {
      if (!isFault(error)) throw error
      if (this.#ledger.devices.has(record.key.toString())) {
        this.#strangers++
        this.#violation(`${place(record)}: ${error.message}`)
      } else this.#others++
      return undefined
    }
  }

  #observeDeadLetter(record: StoredRecord): void {
    const device = record.headers.get('longhaul.device') ?? ''
    const entry = this.#malformed.get(`${device}/${record.value.toString('base64')}`)
    if (entry !== undefined) this.#found(record, device, entry)
    else if (this.#ledger.devices.has(device) && record.value.includes(`"epoch":${this.#ledger.epoch},`)) {
      this.#strangers++
      const reason = record.headers.get('longhaul.reason')
      this.#violation(`${place(record)}: a dead letter (${reason}) that ${device} never sent as malformed`)
    } else this.#others++
  }

  #found(record: StoredRecord, device: string, entry: LedgerEntry): void {
    const copies = this.#copies.get(entry) ?? 0
    this.#copies.set(entry, copies + 1)
    if (copies > 0) return
    const name = `${device}/${record.topic}`
    const last = this.#lastSeq.get(name) ?? -1
    if (entry.seq < last) {
      this.#outOfOrder++
      this.#violation(`${place(record)}: ${device} seq ${entry.seq} came after seq ${last}`)
    } else this.#lastSeq.set(name, entry.seq)
  }

  #violation(text: string): void {
    if (this.#violations.length < violationsMax) this.#violations.push(text)
  }
}

function isAsSent(record: StoredRecord, envelope: Envelope, entry: LedgerEntry): boolean {
  const timeKept = entry.eventTime === null || envelope.eventTime === entry.eventTime
  return timeKept && envelope.payload === entry.expected && record.key.toString() === envelope.device
}

function place(record: StoredRecord): string {
  return `${record.topic}/${record.partition}@${record.offset}`
}
