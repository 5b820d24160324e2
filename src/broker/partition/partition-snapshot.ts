/**
 * The state saved beside a partition's stream with every upload, so that opening a partition replays only what came
 * after it. Layout, big-endian: docs/formats/partition-snapshot.md.
 */
import { Fault } from '../../runtime/fault.ts'
import { Reader, Writer } from '../../wire/buffers.ts'
import type { LeaderEpoch } from './leader-epochs.ts'
import type { ProducedBatch, Producer } from './producer-state.ts'

const VERSION = 1

export interface PartitionSnapshot {
  readonly producers: readonly Producer[]
  readonly leaderEpochs: readonly LeaderEpoch[]
}

export function encodePartitionSnapshot(snapshot: PartitionSnapshot): Buffer {
  const writer = new Writer()
  writer.int16(VERSION)
  writer.int32(snapshot.leaderEpochs.length)
  for (const { epoch, startOffset } of snapshot.leaderEpochs) {
    writer.int32(epoch)
    writer.int64(startOffset)
  }
  writer.int32(snapshot.producers.length)
  for (const producer of snapshot.producers) {
    writer.int64(producer.id)
    writer.int16(producer.epoch)
    writer.int64(producer.lastAppendMs)
    writer.int8(producer.batches.length)
    for (const batch of producer.batches) writeBatch(writer, batch)
  }
  return Buffer.concat(writer.finish())
}

/** Fault `corrupt` when the bytes are not a snapshot of a version this release knows. */
export function decodePartitionSnapshot(bytes: Buffer): PartitionSnapshot {
  const reader = new Reader(bytes)
  try {
    const version = reader.int16()
    if (version !== VERSION) throw new Fault('corrupt', `partition snapshot version ${version} is not ${VERSION}`)
    const leaderEpochs = list(reader.int32(), () => ({ epoch: reader.int32(), startOffset: reader.int64() }))
    const producers = list(reader.int32(), () => ({
      id: reader.int64(),
      epoch: reader.int16(),
      lastAppendMs: reader.int64(),
      batches: list(reader.int8(), () => readBatch(reader))
    }))
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
