/** An internal topic as the log of a coordinator: `RecordLogs` over real partitions. */
import type { Clock } from '../runtime/clock.ts'
import { ErrorCode } from '../wire/error-codes.ts'
import { type BatchOptions, buildBatch } from '../wire/records/batch-builder.ts'
import { isControl, isTransactional, parseBatchHeader } from '../wire/records/batch-header.ts'
import { readEndMarker } from '../wire/records/end-marker.ts'
import { decompressRecords, readRecords } from '../wire/records/records.ts'
import type { Appended, Partition } from './partition/partition.ts'
import {
  BatchRefused,
  type LogProducer,
  type LogRecord,
  type LogVisitor,
  type PrunableRecordLog,
  type PrunableRecordLogs,
  type TransactionEnd
} from './record-log.ts'
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
  /** Settings of the topic that differ from those of a compacted one. */
  readonly configs?: Readonly<Record<string, string>>
  readonly topics: Topics
  readonly clock: Clock
}

export class InternalTopicLogs implements PrunableRecordLogs {
  readonly #parts: InternalTopicParts

  constructor(parts: InternalTopicParts) {
    this.#parts = parts
  }

  async partitionCount(): Promise<number> {
    const { topics, topic, partitions, configs } = this.#parts
    return (await topics.ensure(topic, partitions, { ...CONFIGS, ...configs }, true)).partitions.length
  }

  serves(index: number): boolean {
    return this.#parts.topics.partition(this.#parts.topic, index) !== undefined
  }

  async open(index: number): Promise<PrunableRecordLog | undefined> {
    const partition = this.#parts.topics.partition(this.#parts.topic, index)
    return partition === undefined ? undefined : new PartitionRecordLog(partition, this.#parts.clock)
  }
}

class PartitionRecordLog implements PrunableRecordLog {
  readonly #partition: Partition
  readonly #clock: Clock

  constructor(partition: Partition, clock: Clock) {
    this.#partition = partition
    this.#clock = clock
  }

  get leaderEpoch(): number {
    return this.#partition.leaderEpoch
  }

  get nextOffset(): number {
    return this.#partition.stream.nextOffset
  }

  prune(offset: number): Promise<void> {
    return this.#partition.stream.trim(offset)
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

  appendEnd(end: TransactionEnd): Promise<void> {
    return this.#settle(this.#partition.appendEnd(end, this.#clock.now()))
  }

  async readAll(visitor: LogVisitor): Promise<void> {
    const { stream } = this.#partition
    // What whoever held the log before has on its way is part of it: nothing may come to it behind the reader's back.
    await stream.whenDurable(stream.nextOffset)
    for await (const entries of stream.scan(stream.startOffset, READ_BYTES)) {
      for (const { payload } of entries) await visit(payload, visitor)
    }
  }

  #append(bytes: Buffer, timestamp: number): Promise<void> {
    return this.#settle(this.#partition.append({ header: parseBatchHeader(bytes, 0), bytes }, timestamp))
  }

  async #settle({ errorCode, errorMessage, durable }: Appended): Promise<void> {
    if (errorCode !== ErrorCode.NONE) {
      throw new BatchRefused(errorCode, `${this.#partition.topicName} refused a batch: ${errorMessage}`)
    }
    await durable
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
  visitor.records(records, isTransactional(header) ? producer : undefined, header.baseOffset)
}
