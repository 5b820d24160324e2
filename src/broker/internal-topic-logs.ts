/** An internal topic as the log of a coordinator: `RecordLogs` over real partitions. */
import type { Clock } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import { ErrorCode } from '../wire/error-codes.ts'
import { type BatchOptions, buildBatch } from '../wire/records/batch-builder.ts'
import { isControl, isTransactional, parseBatchHeader } from '../wire/records/batch-header.ts'
import { buildEndMarker, readEndMarker } from '../wire/records/end-marker.ts'
import { decompressRecords, readRecords } from '../wire/records/records.ts'
import type { Partition } from './partition/partition.ts'
import type { LogProducer, LogRecord, LogVisitor, RecordLog, RecordLogs, TransactionEnd } from './record-log.ts'
import type { Topics } from './topics.ts'

const READ_BYTES = 1024 * 1024
/** Nothing that a coordinator writes comes near this. */
const BATCH_BYTES_MAX = 64 * 1024 * 1024
/** Nothing may age away: of each key, the last record is kept. */
const CONFIGS = {
  'cleanup.policy': 'compact',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'max.message.bytes': String(BATCH_BYTES_MAX)
}

export interface InternalTopicParts {
  readonly topic: string
  /** How many the topic gets when it is first needed. */
  readonly partitions: number
  readonly topics: Topics
  readonly clock: Clock
}

export class InternalTopicLogs implements RecordLogs {
  readonly #parts: InternalTopicParts

  constructor(parts: InternalTopicParts) {
    this.#parts = parts
  }

  async partitionCount(): Promise<number> {
    const { topics, topic, partitions } = this.#parts
    return (await topics.ensure(topic, partitions, CONFIGS, true)).partitions.length
  }

  async open(index: number): Promise<RecordLog | undefined> {
    const partition = this.#parts.topics.partition(this.#parts.topic, index)
    return partition === undefined ? undefined : new PartitionRecordLog(partition, this.#parts.clock)
  }
}

class PartitionRecordLog implements RecordLog {
  readonly #partition: Partition
  readonly #clock: Clock

  constructor(partition: Partition, clock: Clock) {
    this.#partition = partition
    this.#clock = clock
  }

  append(records: readonly LogRecord[], transaction?: LogProducer): Promise<void> {
    const timestamp = this.#clock.now()
    const options: BatchOptions =
      transaction === undefined
        ? {}
        : { producerId: transaction.id, producerEpoch: transaction.epoch, transactional: true }
    return this.#append(
      buildBatch(
        records.map(({ key, value }) => ({ key, value, timestamp })),
        options
      ),
      timestamp
    )
  }

  appendEnd({ producer, committed, coordinatorEpoch }: TransactionEnd): Promise<void> {
    const timestamp = this.#clock.now()
    const marker = { producerId: producer.id, producerEpoch: producer.epoch, committed, coordinatorEpoch, timestamp }
    return this.#append(buildEndMarker(marker), timestamp)
  }

  async readAll(visitor: LogVisitor): Promise<void> {
    const { stream } = this.#partition
    for await (const entries of stream.scan(stream.startOffset, READ_BYTES)) {
      for (const { payload } of entries) await visit(payload, visitor)
    }
  }

  async #append(bytes: Buffer, timestamp: number): Promise<void> {
    const appended = this.#partition.append({ header: parseBatchHeader(bytes, 0), bytes }, timestamp)
    if (appended.errorCode !== ErrorCode.NONE) {
      throw new Fault('invalid', `${this.#partition.topicName} refused a batch: ${appended.errorMessage}`)
    }
    await appended.durable
  }
}

async function visit(payload: Buffer, visitor: LogVisitor): Promise<void> {
  const header = parseBatchHeader(payload, 0)
  const producer = { id: header.producerId, epoch: header.producerEpoch }
  if (isControl(header)) {
    const end = readEndMarker({ header, bytes: payload })
    if (end !== undefined) visitor.end({ producer, committed: end.committed })
    return
  }
  const records: LogRecord[] = []
  const unpacked = await decompressRecords({ header, bytes: payload }, BATCH_BYTES_MAX)
  for (const { key, value } of readRecords(header, unpacked)) if (key !== null) records.push({ key, value })
  visitor.records(records, isTransactional(header) ? producer : undefined)
}
