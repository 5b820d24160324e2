/** The control record that ends a transaction in a partition, committed or aborted (KIP-98), as a batch of its own. */
import { EndTxnMarker } from '../messages/transaction-marker.ts'
import { decodeVersioned, encodeVersioned } from '../versioned.ts'
import { buildBatch } from './batch-builder.ts'
import { BATCH_HEADER_BYTES, type RecordBatch } from './batch-header.ts'
import { readRecords } from './records.ts'

/** Types of control records, the second int16 of their key; others are no end of a transaction. */
const ABORT = 0
const COMMIT = 1
const KEY_BYTES = 4
const TYPE_POSITION = 2

export interface EndMarker {
  readonly producerId: number
  readonly producerEpoch: number
  readonly committed: boolean
  readonly coordinatorEpoch: number
  /** Milliseconds. */
  readonly timestamp: number
}

export function buildEndMarker(marker: EndMarker): Buffer {
  const key = Buffer.alloc(KEY_BYTES)
  key.writeInt16BE(marker.committed ? COMMIT : ABORT, TYPE_POSITION)
  const value = encodeVersioned(EndTxnMarker, 0, { coordinatorEpoch: marker.coordinatorEpoch })
  const { producerId, producerEpoch, timestamp } = marker
  return buildBatch([{ key, value, timestamp }], { producerId, producerEpoch, transactional: true, control: true })
}

/** What a control batch ends; undefined when it ends nothing (another control record, or one that compaction emptied). */
export function readEndMarker({
  header,
  bytes
}: RecordBatch): Pick<EndMarker, 'committed' | 'coordinatorEpoch'> | undefined {
  const [record] = readRecords(header, bytes.subarray(BATCH_HEADER_BYTES, header.sizeInBytes))
  const type = record?.key?.readInt16BE(TYPE_POSITION)
  if (record === undefined || record.value === null || (type !== ABORT && type !== COMMIT)) return undefined
  return { committed: type === COMMIT, coordinatorEpoch: decodeVersioned(EndTxnMarker, record.value).coordinatorEpoch }
}
