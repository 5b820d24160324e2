/**
 * Looks inside record batches: offsets, timestamps, keys, values and headers of the records, given the batch's header
 * and its record bytes, decompressed. For consumers of our own, exact ListOffsets, compaction and tools; the hot path
 * of the broker never comes here.
 *
 * Invariant: whatever the bytes, reading ends with records or with Fault `corrupt`, and allocates no more than the
 * bytes have. Keys and values are slices of them. Does not check the CRC: `batch-validation.ts` does.
 *
 *   record        length varint, attributes int8 (unused), timestamp delta varlong, offset delta varint,
 *                 key length varint (-1 null), key, value length varint (-1 null), value,
 *                 header count varint, headers
 *   header        key length varint, key UTF-8, value length varint (-1 null), value
 *
 * Source: https://kafka.apache.org/documentation/#record (KIP-98, KIP-82).
 */
import { Fault } from '../../runtime/fault.ts'
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  compressionCodec,
  MAGIC_V2,
  parseBatchHeader,
  type RecordBatch,
  timestampType
} from './batch-header.ts'
import { codecById, decompress } from './compression.ts'
import { VarintReader } from './varint.ts'

const ATTRIBUTES_BYTES = 1

export interface RecordHeader {
  readonly key: string
  readonly value: Buffer | null
}

export interface KafkaRecord {
  readonly offset: number
  /** Milliseconds since the epoch; -1 when the producer gave none. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

export interface TimestampedOffset {
  readonly timestamp: number
  readonly offset: number
}

/**
 * The batches of a fetch response or a log entry, in order. The last may be cut off, as Kafka allows in a fetch
 * response; it is left out. Fault `corrupt` for anything else that is no batch of format 2.
 */
export function* readBatches(bytes: Buffer): Generator<RecordBatch> {
  let position = 0
  while (bytes.length - position >= BATCH_HEADER_BYTES) {
    const header = parseBatchHeader(bytes, position)
    if (header.magic !== MAGIC_V2 || header.sizeInBytes < BATCH_HEADER_BYTES) {
      throw new Fault(
        'corrupt',
        `No record batch at byte ${position}: magic ${header.magic}, ${header.sizeInBytes} bytes`
      )
    }
    const end = position + header.sizeInBytes
    if (end > bytes.length) return
    yield { header, bytes: bytes.subarray(position, end) }
    position = end
  }
}

/** The record bytes of a batch, decompressed when they must be. Faults as those of `decompress`. */
export async function decompressRecords(batch: RecordBatch, maxBytes: number): Promise<Buffer> {
  const codec = codecById(compressionCodec(batch.header))
  return decompress(codec, batch.bytes.subarray(BATCH_HEADER_BYTES, batch.header.sizeInBytes), maxBytes)
}

/** All records of a batch. `records` are its record bytes, decompressed. */
export function* readRecords(header: BatchHeader, records: Buffer): Generator<KafkaRecord> {
  const cursor = new RecordCursor(header, records)
  while (cursor.next()) yield cursor.read()
}

/** The first record at or after `fromOffset` whose timestamp is at least `timestamp`. */
export function findTimestamp(
  header: BatchHeader,
  records: Buffer,
  timestamp: number,
  fromOffset = 0
): TimestampedOffset | undefined {
  if (header.maxTimestamp < timestamp) return undefined
  const cursor = new RecordCursor(header, records)
  while (cursor.next()) {
    if (cursor.timestamp >= timestamp && cursor.offset >= fromOffset) {
      return { timestamp: cursor.timestamp, offset: cursor.offset }
    }
  }
  return undefined
}

/** The first of the records with the largest timestamp; `undefined` when none has a timestamp. */
export function findMaxTimestamp(header: BatchHeader, records: Buffer): TimestampedOffset | undefined {
  const cursor = new RecordCursor(header, records)
  let timestamp = -1
  let offset = -1
  while (cursor.next()) {
    if (cursor.timestamp > timestamp) {
      timestamp = cursor.timestamp
      offset = cursor.offset
    }
  }
  return offset === -1 ? undefined : { timestamp, offset }
}

/** Places in the batch (0 is its first record) of the records that have no key. */
export function findKeyless(header: BatchHeader, records: Buffer): number[] {
  const places: number[] = []
  const cursor = new RecordCursor(header, records)
  for (let place = 0; cursor.next(); place++) if (!cursor.hasKey) places.push(place)
  return places
}

/** Walks the records of one batch. Moving on reads a few bytes a record; only `read` decodes one. */
export class RecordCursor {
  /** Of the record that `next` moved to. */
  offset = -1
  timestamp = -1
  hasKey = false
  /** Position of its first byte, that of its length. */
  start = 0
  /** Position behind its timestamp delta: what stands from here to `end` does not depend on time. */
  timelessStart = 0

  readonly #header: BatchHeader
  readonly #logAppendTime: boolean
  readonly #reader: VarintReader
  #remaining: number
  /** Positions where the current record's key length stands, and where the record ends. */
  #keyPosition = 0
  #end = 0

  constructor(header: BatchHeader, records: Buffer) {
    this.#header = header
    this.#logAppendTime = timestampType(header) === 'log-append-time'
    this.#reader = new VarintReader(records, 0)
    this.#remaining = header.recordCount
  }

  /** Position behind its last byte. */
  get end(): number {
    return this.#end
  }

  /** Moves to the next record; false after the last. Fault `corrupt` also when bytes are left then. */
  next(): boolean {
    const reader = this.#reader
    reader.position = this.#end
    if (this.#remaining <= 0) {
      const left = reader.bytes.length - reader.position
      if (left > 0) throw new Fault('corrupt', `${left} bytes are left after ${this.#header.recordCount} records`)
      return false
    }
    this.#remaining -= 1
    this.start = this.#end
    const length = reader.varint()
    const start = reader.position
    reader.skip(length)
    this.#end = reader.position
    reader.position = start + ATTRIBUTES_BYTES
    this.#setTimestamp(reader.varlong())
    this.timelessStart = reader.position
    this.#setOffset(reader.varint())
    this.#keyPosition = reader.position
    this.hasKey = reader.varint() >= 0
    if (reader.position > this.#end) throw new Fault('corrupt', `Record ${this.offset} is longer than its length says`)
    return true
  }

  /** Key of the current record, a slice. */
  key(): Buffer | null {
    this.#reader.position = this.#keyPosition
    return this.#nullable()
  }

  /** Whether the current record has no value. */
  isTombstone(): boolean {
    const reader = this.#reader
    reader.position = this.#keyPosition
    const keyLength = reader.varint()
    if (keyLength > 0) reader.skip(keyLength)
    return reader.varint() < 0
  }

  /** Decodes the current record. Key and value are slices; copy them to keep them without the batch. */
  read(): KafkaRecord {
    const reader = this.#reader
    reader.position = this.#keyPosition
    const key = this.#nullable()
    const value = this.#nullable()
    const headers = this.#headers()
    if (reader.position !== this.#end) {
      throw new Fault('corrupt', `Record ${this.offset} ends at byte ${reader.position}, its length says ${this.#end}`)
    }
    return { offset: this.offset, timestamp: this.timestamp, key, value, headers }
  }

  #setTimestamp(delta: number): void {
    const timestamp = this.#logAppendTime ? this.#header.maxTimestamp : this.#header.baseTimestamp + delta
    if (!Number.isSafeInteger(timestamp)) throw new Fault('corrupt', `Timestamp ${timestamp} is beyond 2^53`)
    this.timestamp = timestamp
  }

  #setOffset(delta: number): void {
    if (delta < 0 || delta > this.#header.lastOffsetDelta) {
      throw new Fault('corrupt', `Offset delta ${delta} is outside its batch's 0 to ${this.#header.lastOffsetDelta}`)
    }
    this.offset = this.#header.baseOffset + delta
  }

  #nullable(): Buffer | null {
    const length = this.#reader.varint()
    return length < 0 ? null : this.#reader.slice(length)
  }

  #headers(): readonly RecordHeader[] {
    const count = this.#reader.varint()
    if (count === 0) return NO_HEADERS
    if (count < 0) throw new Fault('corrupt', `Record ${this.offset} has ${count} headers`)
    const headers: RecordHeader[] = []
    for (let i = 0; i < count; i++) {
      const key = this.#reader.slice(this.#reader.varint()).toString('utf8')
      headers.push({ key, value: this.#nullable() })
    }
    return headers
  }
}

const NO_HEADERS: readonly RecordHeader[] = []
