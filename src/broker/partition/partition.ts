/**
 * A partition: a stream of record batches and the small state beside it (producers, leader epochs).
 *
 * Invariant: the state changes when a batch is appended, in offset order; what is saved or shown of it never goes
 * beyond what is durable. Batches are opaque but for their header.
 */
import type { Snapshot } from '../../metadata/metadata.ts'
import { assert } from '../../runtime/fault.ts'
import type { Entry } from '../../stream/entry.ts'
import type { Stream } from '../../stream/stream.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import {
  type BatchHeader,
  hasProducerId,
  lastSequence,
  parseBatchHeader,
  patchBatchHeader,
  patchLogAppendTime,
  type RecordBatch
} from '../../wire/records/batch-header.ts'
import type { TopicSettings } from '../topic-settings.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import { decodePartitionSnapshot, encodePartitionSnapshot } from './partition-snapshot.ts'
import { ProducerStates } from './producer-state.ts'

export interface PartitionParts {
  readonly topicName: string
  readonly topicId: string
  readonly index: number
  readonly leaderEpoch: number
  readonly stream: Stream
  /** Asked at each use: settings change while the partition is open. */
  readonly settings: () => TopicSettings
}

export interface Appended {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly baseOffset: number
  /** Milliseconds; -1 unless the topic stamps its records itself. */
  readonly logAppendTimeMs: number
  /** When the answer may be given; `undefined` when it rests on nothing that is still on its way. */
  readonly durable: Promise<void> | undefined
}

/** Why an offset or leader epoch that a client named cannot be served, or NONE. */
export type PositionError = 0 | 1 | 74 | 75

export class Partition {
  readonly topicName: string
  readonly topicId: string
  readonly index: number
  readonly leaderEpoch: number
  readonly stream: Stream
  readonly producers = new ProducerStates()
  readonly leaderEpochs = new LeaderEpochs()
  readonly #settings: () => TopicSettings

  private constructor(parts: PartitionParts) {
    this.topicName = parts.topicName
    this.topicId = parts.topicId
    this.index = parts.index
    this.leaderEpoch = parts.leaderEpoch
    this.stream = parts.stream
    this.#settings = parts.settings
  }

  /** Restores the state from the snapshot and from the entries that came after it. */
  static async open(parts: PartitionParts, snapshot: Snapshot | undefined, nowMs: number): Promise<Partition> {
    const partition = new Partition(parts)
    await partition.#restore(snapshot, nowMs)
    partition.leaderEpochs.begin(parts.leaderEpoch, parts.stream.endOffset)
    return partition
  }

  get startOffset(): number {
    return this.stream.startOffset
  }

  /** The offset up to which consumers may read. */
  get highWatermark(): number {
    return this.stream.endOffset
  }

  /** The offset up to which a read_committed consumer may read. Without transactions, the high watermark. */
  get lastStableOffset(): number {
    return this.highWatermark
  }

  /** Appends one validated batch, or says why not. The batch's bytes are changed in place: offset, epoch, append time. */
  append(batch: RecordBatch, nowMs: number): Appended {
    const { header } = batch
    const settings = this.#settings()
    const bytesMax = Math.min(settings.maxMessageBytes, this.stream.payloadBytesMax)
    if (batch.bytes.length > bytesMax) {
      const message = `the batch has ${batch.bytes.length} bytes, topic ${this.topicName} takes ${bytesMax}`
      return refused(ErrorCode.MESSAGE_TOO_LARGE, message)
    }
    if (hasProducerId(header)) {
      const known = this.#judge(header)
      if (known !== undefined) return known
    }
    let logAppendTimeMs = -1
    let maxTimestamp = header.maxTimestamp
    if (settings.logAppendTime) {
      patchLogAppendTime(batch.bytes, 0, nowMs)
      logAppendTimeMs = nowMs
      maxTimestamp = nowMs
    }
    const baseOffset = this.stream.nextOffset
    const lastOffset = baseOffset + header.lastOffsetDelta
    patchBatchHeader(batch.bytes, 0, baseOffset, this.leaderEpoch)
    const durable = this.stream.append({ baseOffset, lastOffset, maxTimestamp, payload: batch.bytes })
    if (hasProducerId(header)) this.#noteProducer(header, baseOffset, maxTimestamp, nowMs)
    return { errorCode: ErrorCode.NONE, errorMessage: null, baseOffset, logAppendTimeMs, durable }
  }

  /** Compares what a client believes with what is so: its leader epoch (-1: it does not say), then its offset. */
  checkPosition(offset: number, currentLeaderEpoch: number): PositionError {
    const epoch = this.checkLeaderEpoch(currentLeaderEpoch)
    if (epoch !== ErrorCode.NONE) return epoch
    const known = offset >= this.startOffset && offset <= this.stream.nextOffset
    return known ? ErrorCode.NONE : ErrorCode.OFFSET_OUT_OF_RANGE
  }

  checkLeaderEpoch(currentLeaderEpoch: number): 0 | 74 | 75 {
    if (currentLeaderEpoch === -1 || currentLeaderEpoch === this.leaderEpoch) return ErrorCode.NONE
    return currentLeaderEpoch < this.leaderEpoch ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.UNKNOWN_LEADER_EPOCH
  }

  /** The state to save with an upload that ends at `offset`. */
  capture(offset: number, expireBeforeMs: number): Buffer {
    this.producers.expire(expireBeforeMs)
    this.leaderEpochs.forgetBefore(this.startOffset)
    return encodePartitionSnapshot({
      producers: this.producers.asOf(offset),
      leaderEpochs: this.leaderEpochs.asOf(offset)
    })
  }

  #judge(header: BatchHeader): Appended | undefined {
    const verdict = this.producers.judge({
      producerId: header.producerId,
      producerEpoch: header.producerEpoch,
      baseSequence: header.baseSequence,
      lastSequence: lastSequence(header)
    })
    switch (verdict.kind) {
      case 'accept':
        return undefined
      case 'duplicate': {
        const { baseOffset, lastOffset, timestamp } = verdict.original
        const durable = lastOffset < this.stream.endOffset ? undefined : this.stream.whenDurable(lastOffset + 1)
        // Kafka tells the batch's time here, whoever set it.
        return { errorCode: ErrorCode.NONE, errorMessage: null, baseOffset, logAppendTimeMs: timestamp, durable }
      }
      case 'fenced':
        return refused(ErrorCode.INVALID_PRODUCER_EPOCH, verdict.message)
      case 'out-of-order':
        return refused(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, verdict.message)
    }
  }

  #noteProducer(header: BatchHeader, baseOffset: number, timestamp: number, nowMs: number): void {
    this.producers.record(
      header.producerId,
      {
        producerEpoch: header.producerEpoch,
        baseSequence: header.baseSequence,
        lastSequence: lastSequence(header),
        baseOffset,
        lastOffset: baseOffset + header.lastOffsetDelta,
        timestamp
      },
      nowMs,
      this.stream.endOffset
    )
  }

  async #restore(snapshot: Snapshot | undefined, nowMs: number): Promise<void> {
    if (snapshot !== undefined) {
      const { producers, leaderEpochs } = decodePartitionSnapshot(snapshot.bytes)
      for (const producer of producers) this.producers.restore(producer)
      this.leaderEpochs.restore(leaderEpochs)
    }
    for await (const entries of this.stream.scan(snapshot?.offset ?? 0, REPLAY_BYTES)) {
      for (const entry of entries) this.#replay(entry, nowMs)
    }
  }

  #replay(entry: Entry, nowMs: number): void {
    const header = parseBatchHeader(entry.payload, 0)
    assert(
      header.baseOffset === entry.baseOffset,
      `the batch at ${entry.baseOffset} says it is at ${header.baseOffset}`
    )
    this.leaderEpochs.begin(header.partitionLeaderEpoch, entry.baseOffset)
    if (hasProducerId(header)) this.#noteProducer(header, entry.baseOffset, header.maxTimestamp, nowMs)
  }
}

/** Payload read at once while a partition's state is rebuilt. */
const REPLAY_BYTES = 4 * 1024 * 1024

function refused(errorCode: number, errorMessage: string): Appended {
  return { errorCode, errorMessage, baseOffset: -1, logAppendTimeMs: -1, durable: undefined }
}
