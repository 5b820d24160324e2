/**
 * The state saved beside a partition's stream with every upload, so that opening a partition replays only what came
 * after it. Layout, big-endian: docs/formats/partition-snapshot.md. Version 1, which knew no transactions, is still read.
 */
import { Fault } from '../../runtime/fault.ts'
import { Reader, Writer } from '../../wire/buffers.ts'
import { NO_TIMESTAMP } from '../../wire/records/batch-header.ts'
import type { LeaderEpoch } from './leader-epochs.ts'
import type { ProducedBatch, ProducerSnapshot } from './producer-history.ts'

const VERSION = 2
const VERSION_WITHOUT_TRANSACTIONS = 1
/** Stands for no open transaction, and for no marker. */
const NO_OFFSET = -1

export interface PartitionSnapshot {
  readonly producers: readonly ProducerSnapshot[]
  readonly leaderEpochs: readonly LeaderEpoch[]
}

export function encodePartitionSnapshot({ producers, leaderEpochs }: PartitionSnapshot): Buffer {
  const writer = new Writer()
  writer.int16(VERSION)
  writer.int32(leaderEpochs.length)
  for (const { epoch, startOffset } of leaderEpochs) {
    writer.int32(epoch)
    writer.int64(startOffset)
  }
  writer.int32(producers.length)
  for (const producer of producers) writeProducer(writer, producer)
  return Buffer.concat(writer.finish())
}

/** Fault `corrupt` when the bytes are not a snapshot of a version this release knows. */
export function decodePartitionSnapshot(bytes: Buffer): PartitionSnapshot {
  const reader = new Reader(bytes)
  try {
    const version = reader.int16()
    if (version !== VERSION && version !== VERSION_WITHOUT_TRANSACTIONS) {
      throw new Fault(
        'corrupt',
        `partition snapshot version ${version} is newer than ${VERSION}, which this release knows`
      )
    }
    const transactions = version === VERSION
    const leaderEpochs = list(reader.int32(), () => ({ epoch: reader.int32(), startOffset: reader.int64() }))
    const producers = list(reader.int32(), () => readProducer(reader, transactions))
    return { producers, leaderEpochs }
  } catch (error) {
    throw new Fault('corrupt', 'a partition snapshot cannot be read', { cause: error })
  }
}

function list<T>(length: number, read: () => T): T[] {
  const items: T[] = []
  for (let i = 0; i < length; i++) items.push(read())
  return items
}

function writeProducer(writer: Writer, producer: ProducerSnapshot): void {
  writer.int64(producer.id)
  writer.int16(producer.epoch)
  writer.int64(producer.lastAppendMs)
  writer.int32(producer.coordinatorEpoch)
  writer.int64(producer.transactionStart ?? NO_OFFSET)
  writer.int64(producer.lastMarker?.offset ?? NO_OFFSET)
  writer.int64(producer.lastMarker?.timestamp ?? NO_TIMESTAMP)
  writer.int8(producer.batches.length)
  for (const batch of producer.batches) writeBatch(writer, batch)
}

function readProducer(reader: Reader, transactions: boolean): ProducerSnapshot {
  const id = reader.int64()
  const epoch = reader.int16()
  const lastAppendMs = reader.int64()
  const { coordinatorEpoch, transactionStart, lastMarker } = transactions ? readTransaction(reader) : NO_TRANSACTION
  const batches = list(reader.int8(), () => readBatch(reader)).filter(({ producerEpoch }) => producerEpoch === epoch)
  return { id, epoch, lastAppendMs, coordinatorEpoch, transactionStart, lastMarker, batches }
}

const NO_TRANSACTION = { coordinatorEpoch: -1, transactionStart: undefined, lastMarker: undefined }

function readTransaction(reader: Reader): Pick<ProducerSnapshot, keyof typeof NO_TRANSACTION> {
  const coordinatorEpoch = reader.int32()
  const start = reader.int64()
  const offset = reader.int64()
  const timestamp = reader.int64()
  return {
    coordinatorEpoch,
    transactionStart: start === NO_OFFSET ? undefined : start,
    lastMarker: offset === NO_OFFSET ? undefined : { offset, timestamp }
  }
}

function writeBatch(writer: Writer, batch: ProducedBatch): void {
  writer.int16(batch.producerEpoch)
  writer.int32(batch.baseSequence)
  writer.int32(batch.lastSequence)
  writer.int64(batch.baseOffset)
  writer.int64(batch.lastOffset)
  writer.int64(batch.timestamp)
}

function readBatch(reader: Reader): ProducedBatch {
  return {
    producerEpoch: reader.int16(),
    baseSequence: reader.int32(),
    lastSequence: reader.int32(),
    baseOffset: reader.int64(),
    lastOffset: reader.int64(),
    timestamp: reader.int64()
  }
}
