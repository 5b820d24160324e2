/** Reads a whole partition, and checks what must hold for any log: dense offsets and intact batches. */
import { ErrorCode, errorName } from '../../src/wire/error-codes.ts'
import { computeBatchCrc, lastOffset } from '../../src/wire/records/batch-header.ts'
import { decompressRecords, readBatches, readRecords } from '../../src/wire/records/records.ts'
import { pause } from '../conformance/waiting.ts'
import { apis } from './apis.ts'
import type { Ledger, StoredRecord } from './ledger.ts'
import type { RawConnection } from './raw-client.ts'

const READY_MS = 20_000
const FETCH_BYTES_MAX = 4 * 1024 * 1024
const BATCH_BYTES_MAX = 16 * 1024 * 1024

/** The offset after the last record; waits while the partition has no leader yet. */
export async function endOffset(connection: RawConnection, name: string, partitionIndex: number): Promise<number> {
  const deadline = Date.now() + READY_MS
  const topics = [{ name, partitions: [{ partitionIndex, timestamp: -1 }] }]
  for (;;) {
    const response = await connection.send(apis.listOffsets, 7, { replicaId: -1, isolationLevel: 0, topics })
    const partition = response.topics[0]?.partitions[0]
    if (partition?.errorCode === ErrorCode.NONE) return partition.offset
    const code = partition?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
    const waiting = code === ErrorCode.NOT_LEADER_OR_FOLLOWER || code === ErrorCode.LEADER_NOT_AVAILABLE
    if (!waiting || Date.now() > deadline)
      throw new Error(`ListOffsets of ${name}-${partitionIndex}: ${errorName(code)}`)
    await pause(50)
  }
}

export async function dumpPartition(
  connection: RawConnection,
  topic: string,
  partition: number,
  ledger: Ledger
): Promise<StoredRecord[]> {
  const end = await endOffset(connection, topic, partition)
  const stored: StoredRecord[] = []
  let next = 0
  while (next < end) {
    const bytes = await fetchFrom(connection, topic, partition, next)
    const before = next
    for (const batch of readBatches(bytes)) {
      const { header } = batch
      const place = `partition ${partition}, batch at ${header.baseOffset}`
      if (header.baseOffset !== next) ledger.violate(`${place}: offset ${next} was due`)
      if (header.recordCount !== header.lastOffsetDelta + 1) ledger.violate(`${place}: not every offset has a record`)
      if (computeBatchCrc(batch.bytes, 0, batch.bytes.length) !== header.crc) ledger.violate(`${place}: wrong CRC`)
      const records = await decompressRecords(batch, BATCH_BYTES_MAX)
      for (const { offset, value } of readRecords(header, records)) stored.push({ offset, value: String(value) })
      next = lastOffset(header) + 1
    }
    if (next === before) {
      ledger.violate(`partition ${partition}: nothing at offset ${next}, although the log ends at ${end}`)
      break
    }
  }
  return stored
}

async function fetchFrom(connection: RawConnection, topic: string, partition: number, fetchOffset: number) {
  const partitions = [{ partition, fetchOffset, partitionMaxBytes: FETCH_BYTES_MAX }]
  const request = { maxWaitMs: 1000, minBytes: 1, maxBytes: FETCH_BYTES_MAX, topics: [{ topic, partitions }] }
  const response = await connection.send(apis.fetch, 12, { ...request, forgottenTopicsData: [] })
  const answer = response.responses[0]?.partitions[0]
  if (response.errorCode !== 0 || answer === undefined || answer.errorCode !== 0) {
    const code = response.errorCode || (answer?.errorCode ?? -1)
    throw new Error(`Fetch of ${topic}-${partition} at ${fetchOffset}: ${errorName(code)}`)
  }
  return Buffer.concat(answer.records ?? [])
}
