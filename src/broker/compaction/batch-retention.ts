/**
 * The second pass of cleaning: what stays of each batch, given the last offset of each key. Kafka's rules:
 *
 * - A record goes when a later one has its key, or when it has none. A tombstone goes once its batch's delete horizon has
 *   passed; the first cleaning that meets it sets that horizon, `delete.retention.ms` ahead (KIP-534).
 * - Data of an aborted transaction goes. A marker goes when nothing is left of its transaction and its own delete horizon
 *   has passed.
 * - The batch with the last sequence of a producer that may still send stays, empty if need be, and so does the last batch
 *   of what is cleaned: a consumer that reads to the end must be told that it got there.
 */
import type { Entry } from '../../stream/entry.ts'
import { type BatchFilter, filterBatch } from '../../wire/records/batch-filter.ts'
import { deleteHorizonMs, hasProducerId, isControl, parseBatchHeader } from '../../wire/records/batch-header.ts'
import type { RecordCursor } from '../../wire/records/records.ts'
import type { AbortedTransaction } from '../partition/aborted-note.ts'
import { CleanedTransactions } from './cleaned-transactions.ts'
import type { CompactedLog } from './compacted-log.ts'
import { DECOMPRESSED_BYTES_MAX } from './dirty-keys.ts'
import type { OffsetMap } from './offset-map.ts'

/** Stands for the time of an entry that holds no record. */
const NO_TIMESTAMP = -1

export interface RetentionRules {
  readonly log: CompactedLog
  readonly map: OffsetMap
  /** Those that overlap what is cleaned. */
  readonly aborted: readonly AbortedTransaction[]
  /** Offset after the last batch that is cleaned. */
  readonly endOffset: number
  readonly nowMs: number
}

export class BatchRetention {
  readonly transactions: CleanedTransactions
  bytesBefore = 0
  bytesAfter = 0
  readonly #rules: RetentionRules

  constructor(rules: RetentionRules) {
    this.#rules = rules
    this.transactions = new CleanedTransactions(rules.aborted)
  }

  /** What takes the entry's place; itself when nothing goes. To be asked in offset order, once for each. */
  async keep(entry: Entry): Promise<Entry | undefined> {
    const { log } = this.#rules
    this.bytesBefore += entry.payload.length
    const payload = entry.lastOffset < log.startOffset ? undefined : await this.#filter(entry)
    this.bytesAfter += payload?.length ?? 0
    if (payload === undefined || payload === entry.payload) return payload && entry
    const { maxTimestamp, recordCount } = parseBatchHeader(payload, 0)
    return { ...entry, payload, maxTimestamp: recordCount === 0 ? NO_TIMESTAMP : maxTimestamp }
  }

  #filter({ payload, lastOffset }: Entry): Promise<Buffer | undefined> | Buffer | undefined {
    const { log, nowMs, endOffset } = this.#rules
    const header = parseBatchHeader(payload, 0)
    const batch = { header, bytes: payload }
    const control = isControl(header)
    const horizon = deleteHorizonMs(header)
    const expired = horizon !== undefined && horizon <= nowMs
    const vain = control ? this.transactions.passMarker(batch) : this.transactions.passData(header)
    const goes = control ? vain && expired : vain
    const last = hasProducerId(header) ? log.lastRecordOf(header.producerId) : undefined
    const isLast =
      last !== undefined &&
      (last.dataOffset === undefined
        ? control && last.producerEpoch === header.producerEpoch
        : last.dataOffset === lastOffset)
    const keepsEmpty = isLast || lastOffset + 1 === endOffset
    if (goes && !keepsEmpty) return undefined
    const filter: BatchFilter = {
      keeps: goes ? NONE : control ? ALL : this.#judge(expired),
      keepsEmpty,
      deleteHorizonMs: nowMs + log.settings.deleteRetentionMs,
      expires: control && vain
    }
    return filterBatch(batch, filter, DECOMPRESSED_BYTES_MAX)
  }

  #judge(expired: boolean): (record: RecordCursor) => boolean {
    const { map } = this.#rules
    return (record) => {
      const key = record.key()
      if (key === null || record.offset < map.get(key)) return false
      return !expired || !record.isTombstone()
    }
  }
}

const NONE = (): boolean => false
const ALL = (): boolean => true
