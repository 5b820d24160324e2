/**
 * Reads a partition as a read_committed consumer does: batches up to the last stable offset, without those of the aborted
 * transactions that the broker lists (KIP-98). From any offset, over one connection that it opens anew when it is lost.
 */
import { ErrorCode, errorName } from '../../../src/wire/error-codes.ts'
import { isControl, isTransactional, lastOffset } from '../../../src/wire/records/batch-header.ts'
import { readEndMarker } from '../../../src/wire/records/end-marker.ts'
import { decompressRecords, readBatches, readRecords } from '../../../src/wire/records/records.ts'
import { apis } from '../apis.ts'
import type { StoredRecord } from '../ledger.ts'
import { RawConnection } from '../raw-client.ts'

const BATCH_BYTES_MAX = 16 * 1024 * 1024

export interface CommittedRead {
  readonly records: readonly StoredRecord[]
  /** Where to go on; beyond the last record when markers or aborted records follow it. */
  readonly nextOffset: number
  readonly lastStableOffset: number
  readonly highWatermark: number
}

interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

export class CommittedReader {
  readonly #address: { readonly host: string; readonly port: number }
  #connection: RawConnection | undefined
  /** Why `groupOffset` could tell nothing last. */
  problem = ''

  constructor(address: { readonly host: string; readonly port: number }) {
    this.#address = address
  }

  /** Undefined when the broker cannot be reached or does not lead the partition yet. Any other error is thrown. */
  async read(topic: string, partition: number, offset: number, options: { bytesMax?: number; waitMs?: number } = {}) {
    const { bytesMax = 1024 * 1024, waitMs = 0 } = options
    const partitions = [{ partition, fetchOffset: offset, partitionMaxBytes: bytesMax }]
    const request = {
      maxWaitMs: waitMs,
      minBytes: 1,
      maxBytes: bytesMax,
      isolationLevel: 1,
      topics: [{ topic, partitions }],
      forgottenTopicsData: []
    }
    const response = await this.#connected((connection) => connection.send(apis.fetch, 12, request))
    const answer = response?.responses[0]?.partitions[0]
    if (response === undefined) return undefined
    const code = response.errorCode || (answer?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR)
    if (code === ErrorCode.NOT_LEADER_OR_FOLLOWER || code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) return undefined
    if (code !== ErrorCode.NONE || answer === undefined) {
      throw new Error(`Fetch of ${topic}-${partition} at ${offset}: ${errorName(code)}`)
    }
    const bytes = Buffer.concat(answer.records ?? [])
    const { lastStableOffset, highWatermark } = answer
    return { ...(await committed(bytes, answer.abortedTransactions ?? [], offset)), lastStableOffset, highWatermark }
  }

  /** Where a group stands, once no transaction can change it any more; undefined when that cannot be told now. */
  async groupOffset(groupId: string, name: string, partition: number): Promise<number | undefined> {
    const groups = [{ groupId, topics: [{ name, partitionIndexes: [partition] }] }]
    const request = { groups, topics: [], requireStable: true }
    const response = await this.#connected((connection) => connection.send(apis.offsetFetch, 8, request))
    const group = response?.groups[0]
    const answer = group?.topics[0]?.partitions[0]
    if (answer === undefined || group?.errorCode !== ErrorCode.NONE || answer.errorCode !== ErrorCode.NONE) {
      const code = group?.errorCode || answer?.errorCode
      this.problem = code === undefined ? 'no answer' : errorName(code)
      return undefined
    }
    return Math.max(0, answer.committedOffset)
  }

  close(): void {
    this.#connection?.close()
  }

  async #connected<T>(work: (connection: RawConnection) => Promise<T>): Promise<T | undefined> {
    try {
      if (this.#connection === undefined || this.#connection.over) {
        this.#connection = await RawConnection.open(this.#address, 2000)
      }
      return await work(this.#connection)
    } catch {
      this.#connection?.close()
      return undefined
    }
  }
}

/** As Kafka's consumer does it: an aborted transaction begins at its first offset and ends with its marker. */
async function committed(bytes: Buffer, aborted: readonly AbortedTransaction[], from: number) {
  const ahead = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  const skipped = new Set<number>()
  const records: StoredRecord[] = []
  let nextOffset = from
  for (const batch of readBatches(bytes)) {
    const { header } = batch
    while (ahead[0] !== undefined && ahead[0].firstOffset <= lastOffset(header)) {
      skipped.add(ahead[0].producerId)
      ahead.shift()
    }
    nextOffset = lastOffset(header) + 1
    if (isControl(header)) {
      if (readEndMarker(batch)?.committed === false) skipped.delete(header.producerId)
      continue
    }
    if (isTransactional(header) && skipped.has(header.producerId)) continue
    for (const { offset, value } of readRecords(header, await decompressRecords(batch, BATCH_BYTES_MAX))) {
      if (offset >= from) records.push({ offset, value: String(value) })
    }
  }
  return { records, nextOffset }
}
