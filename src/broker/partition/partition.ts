/**
 * A partition: a stream of record batches and the small state beside it (producers, transactions, leader epochs).
 *
 * Invariant: the state changes when a batch is appended, in offset order; what is saved or shown of it never goes
 * beyond what is durable. Batches are opaque but for their header.
 */
import type { Snapshot } from '../../metadata/metadata.ts'
import { assert } from '../../runtime/fault.ts'
import type { Entry } from '../../stream/entry.ts'
import type { Stream } from '../../stream/stream.ts'
import type { Captured } from '../../stream/uploader.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import {
  hasProducerId,
  isControl,
  isTransactional,
  lastSequence,
  parseBatchHeader,
  patchBatchHeader,
  patchLogAppendTime,
  type RecordBatch
} from '../../wire/records/batch-header.ts'
import { buildEndMarker, readEndMarker } from '../../wire/records/end-marker.ts'
import type { TransactionEnd } from '../record-log.ts'
import type { TopicSettings } from '../topic-settings.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import { PartitionProducers } from './partition-producers.ts'
import { decodePartitionSnapshot, encodePartitionSnapshot } from './partition-snapshot.ts'
import { PartitionTraffic } from './partition-traffic.ts'
import type { ProducerSnapshot } from './producer-history.ts'
import type { Verdict } from './producer-rules.ts'
import type { VerificationGuard } from './verification-states.ts'

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
  readonly producers: PartitionProducers
  readonly leaderEpochs = new LeaderEpochs()
  readonly traffic = new PartitionTraffic()
  readonly #settings: () => TopicSettings
  /** Of the transactions that were open where the next upload begins, the first offset; that place itself when none was. */
  #stableOffset = 0

  private constructor(parts: PartitionParts) {
    this.topicName = parts.topicName
    this.topicId = parts.topicId
    this.index = parts.index
    this.leaderEpoch = parts.leaderEpoch
    this.stream = parts.stream
    this.producers = new PartitionProducers(parts.stream)
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

  /** The offset up to which a read_committed consumer may read: before it, every transaction is decided for ever. */
  get lastStableOffset(): number {
    const { highWatermark } = this
    const undecided = this.producers.firstUndecided(highWatermark)
    // A transaction may have begun before what was deleted.
    return undecided === undefined ? highWatermark : Math.min(Math.max(undecided, this.startOffset), highWatermark)
  }

  /**
   * Appends one validated batch of data, or says why not. The batch's bytes are changed in place: offset, epoch, append
   * time. `guard`: from `producers.beginVerification`, when the coordinator has confirmed the transaction.
   */
  append(batch: RecordBatch, nowMs: number, guard?: VerificationGuard): Appended {
    const { header } = batch
    const settings = this.#settings()
    const bytesMax = Math.min(settings.maxMessageBytes, this.stream.payloadBytesMax)
    if (batch.bytes.length > bytesMax) {
      const message = `the batch has ${batch.bytes.length} bytes, topic ${this.topicName} takes ${bytesMax}`
      return refused(ErrorCode.MESSAGE_TOO_LARGE, message)
    }
    if (hasProducerId(header)) {
      const verdict = this.producers.judge(header, guard)
      if (verdict !== undefined) return this.#answer(verdict)
    }
    return this.#append(batch, nowMs)
  }

  /** Ends a producer's transaction: appends its marker, or says why not. Where none is open, the marker still fences. */
  appendEnd(end: TransactionEnd, nowMs: number): Appended {
    const refusal = this.producers.judgeEnd(end)
    if (refusal !== undefined) return refused(refusal.errorCode, refusal.message)
    const { producer, committed, coordinatorEpoch } = end
    const marker = { producerId: producer.id, producerEpoch: producer.epoch, committed, coordinatorEpoch }
    const bytes = buildEndMarker({ ...marker, timestamp: nowMs })
    return this.#append({ header: parseBatchHeader(bytes, 0), bytes }, nowMs)
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

  /** What goes with an upload of [startOffset, endOffset), which begins where the one before ended. */
  capture(startOffset: number, endOffset: number, expireBeforeMs: number): Captured {
    this.producers.expire(expireBeforeMs, this.highWatermark)
    this.producers.aborted.forgetBefore(this.startOffset)
    this.leaderEpochs.forgetBefore(this.startOffset)
    const note = this.producers.aborted.note(startOffset, endOffset, this.#stableOffset)
    const producers = this.producers.states.asOf(endOffset)
    this.#stableOffset = stableOffset(producers, endOffset)
    return { snapshot: encodePartitionSnapshot({ producers, leaderEpochs: this.leaderEpochs.asOf(endOffset) }), note }
  }

  #append({ header, bytes }: RecordBatch, nowMs: number): Appended {
    let logAppendTimeMs = -1
    let maxTimestamp = header.maxTimestamp
    if (this.#settings().logAppendTime) {
      patchLogAppendTime(bytes, 0, nowMs)
      logAppendTimeMs = nowMs
      maxTimestamp = nowMs
    }
    const baseOffset = this.stream.nextOffset
    const lastOffset = baseOffset + header.lastOffsetDelta
    patchBatchHeader(bytes, 0, baseOffset, this.leaderEpoch)
    const durable = this.stream.append({ baseOffset, lastOffset, maxTimestamp, payload: bytes })
    // A log that has failed takes nothing: nothing may be known of what is not in it.
    const isTaken = this.stream.nextOffset > baseOffset
    if (isTaken) this.traffic.appended(bytes.length)
    if (isTaken && hasProducerId(header)) this.#note({ header, bytes }, baseOffset, maxTimestamp, nowMs)
    return { errorCode: ErrorCode.NONE, errorMessage: null, baseOffset, logAppendTimeMs, durable }
  }

  #answer(verdict: Verdict): Appended {
    if (verdict.kind === 'refused') return refused(verdict.errorCode, verdict.message)
    const { baseOffset, lastOffset, timestamp } = verdict.original
    const durable = lastOffset < this.stream.endOffset ? undefined : this.stream.whenDurable(lastOffset + 1)
    // Kafka tells the batch's time here, whoever set it.
    return { errorCode: ErrorCode.NONE, errorMessage: null, baseOffset, logAppendTimeMs: timestamp, durable }
  }

  /** The state follows what was appended, now or before a restart. */
  #note(batch: RecordBatch, baseOffset: number, timestamp: number, nowMs: number): void {
    const { header } = batch
    const { producerId, producerEpoch } = header
    if (isControl(header)) {
      const end = readEndMarker(batch)
      if (end === undefined) return
      const marker = { producerEpoch, coordinatorEpoch: end.coordinatorEpoch, offset: baseOffset, timestamp }
      this.producers.noteEnd(producerId, marker, end.committed, nowMs, this.stream.endOffset)
      return
    }
    const produced = {
      producerEpoch,
      baseSequence: header.baseSequence,
      lastSequence: lastSequence(header),
      baseOffset,
      lastOffset: baseOffset + header.lastOffsetDelta,
      timestamp
    }
    this.producers.noteBatch(producerId, produced, isTransactional(header), nowMs, this.stream.endOffset)
  }

  async #restore(snapshot: Snapshot | undefined, nowMs: number): Promise<void> {
    if (snapshot !== undefined) {
      const { producers, leaderEpochs } = decodePartitionSnapshot(snapshot.bytes)
      this.producers.restore(producers, snapshot.offset)
      this.leaderEpochs.restore(leaderEpochs)
      this.#stableOffset = stableOffset(producers, snapshot.offset)
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
    if (!hasProducerId(header)) return
    this.#note({ header, bytes: entry.payload }, entry.baseOffset, header.maxTimestamp, nowMs)
  }
}

/** First offset of the transactions that were open at `offset`. */
function stableOffset(producers: readonly ProducerSnapshot[], offset: number): number {
  return producers.reduce((first, { transactionStart }) => Math.min(first, transactionStart ?? first), offset)
}

/** Payload read at once while a partition's state is rebuilt. */
const REPLAY_BYTES = 4 * 1024 * 1024

function refused(errorCode: number, errorMessage: string): Appended {
  return { errorCode, errorMessage, baseOffset: -1, logAppendTimeMs: -1, durable: undefined }
}
