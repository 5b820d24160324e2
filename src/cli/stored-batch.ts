/** A stored entry as `longhaul storage dump` prints it: the header of its record batch, and its records when asked for. */
import { isUtf8 } from 'node:buffer'
import { DECOMPRESSED_BYTES_MAX } from '../admin/storage/record-check.ts'
import type { StoredEntry } from '../admin/storage/stored-entry.ts'
import { isFault } from '../runtime/fault.ts'
import {
  compressionCodec,
  computeBatchCrc,
  hasDeleteHorizon,
  hasProducerId,
  isControl,
  isTransactional,
  lastSequence,
  type RecordBatch,
  timestampType
} from '../wire/records/batch-header.ts'
import { codecById } from '../wire/records/compression.ts'
import { decompressRecords, type KafkaRecord, readBatches, readRecords } from '../wire/records/records.ts'
import { readableTime } from './storage-describe.ts'
import { json } from './table.ts'

/** What is printed of a batch; `problem` stands instead of what could not be read. */
interface ShownBatch {
  readonly fields: Readonly<Record<string, string | number | boolean>>
  readonly records: readonly KafkaRecord[]
}

export async function batchAsText(stored: StoredEntry, name: string, withRecords: boolean): Promise<string> {
  const { entry, place } = stored
  const { fields, records } = await show(stored, withRecords)
  const shown = Object.entries(fields).map(([field, value]) => (value === true ? field : `${field}=${value}`))
  const head =
    `${name} ${entry.baseOffset}..${entry.lastOffset} time=${readableTime(entry.maxTimestamp)} ` +
    `bytes=${entry.payload.length} ${shown.join(' ')} in ${place}`
  return [head, ...records.map(recordLine)].join('\n')
}

export async function batchAsJson(stored: StoredEntry, name: string, withRecords: boolean): Promise<string> {
  const { entry, place, streamId } = stored
  const { baseOffset, lastOffset, maxTimestamp, payload } = entry
  const { fields, records } = await show(stored, withRecords)
  const decoded = records.map(({ offset, timestamp, key, value, headers }) => ({
    offset,
    timestamp,
    key: asJson(key),
    value: asJson(value),
    headers: headers.map((header) => [header.key, asJson(header.value)])
  }))
  const shown = {
    partition: name,
    streamId,
    baseOffset,
    lastOffset,
    maxTimestamp,
    bytes: payload.length,
    ...fields,
    place
  }
  return json(withRecords ? { ...shown, records: decoded } : shown)
}

async function show({ entry }: StoredEntry, withRecords: boolean): Promise<ShownBatch> {
  try {
    const [batch] = [...readBatches(entry.payload)]
    if (batch === undefined) return { fields: { problem: 'no record batch' }, records: [] }
    const fields = headerFields(batch)
    if (!withRecords) return { fields, records: [] }
    return { fields, records: [...readRecords(batch.header, await decompressRecords(batch, DECOMPRESSED_BYTES_MAX))] }
  } catch (error) {
    if (!isFault(error, 'corrupt') && !isFault(error, 'invalid')) throw error
    return { fields: { problem: error.message }, records: [] }
  }
}

function headerFields({ header, bytes }: RecordBatch): ShownBatch['fields'] {
  const crcRight = computeBatchCrc(bytes, 0, header.sizeInBytes) === header.crc
  return {
    records: header.recordCount,
    codec: codecById(compressionCodec(header)),
    leaderEpoch: header.partitionLeaderEpoch,
    ...(hasProducerId(header)
      ? {
          producerId: header.producerId,
          producerEpoch: header.producerEpoch,
          baseSequence: header.baseSequence,
          lastSequence: lastSequence(header)
        }
      : {}),
    ...(timestampType(header) === 'log-append-time' ? { logAppendTime: true } : {}),
    ...(isTransactional(header) ? { transactional: true } : {}),
    ...(isControl(header) ? { control: true } : {}),
    ...(hasDeleteHorizon(header) ? { deleteHorizon: true } : {}),
    ...(crcRight ? {} : { problem: 'wrong-crc' })
  }
}

function recordLine({ offset, timestamp, key, value, headers }: KafkaRecord): string {
  const pairs = headers.map((header) => `${JSON.stringify(header.key)}: ${asText(header.value)}`)
  const end = pairs.length === 0 ? '' : ` headers={${pairs.join(', ')}}`
  return `  ${offset} time=${readableTime(timestamp)} key=${asText(key)} value=${asText(value)}${end}`
}

function asText(bytes: Buffer | null): string {
  if (bytes === null) return 'null'
  return isUtf8(bytes) ? JSON.stringify(bytes.toString('utf8')) : `x"${bytes.toString('hex')}"`
}

/** As `longhaul consume --json` does: strings where they are UTF-8. */
function asJson(bytes: Buffer | null): unknown {
  if (bytes === null) return null
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') }
}
