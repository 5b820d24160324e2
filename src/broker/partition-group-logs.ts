/** `__consumer_offsets` as the group coordinator's log: records appended to, and read back from, its partitions. */
import type { Clock } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import { ErrorCode } from '../wire/error-codes.ts'
import { buildBatch } from '../wire/records/batch-builder.ts'
import { parseBatchHeader } from '../wire/records/batch-header.ts'
import { decompressRecords, readRecords } from '../wire/records/records.ts'
import type { GroupLog, GroupLogs, LogRecord } from './groups/group-log.ts'
import type { Partition } from './partition/partition.ts'
import { OFFSETS_TOPIC } from './topic-names.ts'
import type { Topics } from './topics.ts'

const READ_BYTES = 1024 * 1024
/** Nothing that the coordinator writes comes near this. */
const BATCH_BYTES_MAX = 64 * 1024 * 1024
/** Commits must not age away: of each, the last is kept. */
const OFFSETS_TOPIC_CONFIGS = {
  'cleanup.policy': 'compact',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'max.message.bytes': String(BATCH_BYTES_MAX)
}

export class PartitionGroupLogs implements GroupLogs {
  readonly #topics: Topics
  readonly #clock: Clock
  readonly #partitions: number

  /** `partitions`: how many `__consumer_offsets` gets when the first group comes (Kafka's `offsets.topic.num.partitions`). */
  constructor(topics: Topics, clock: Clock, partitions: number) {
    this.#topics = topics
    this.#clock = clock
    this.#partitions = partitions
  }

  async partitionCount(): Promise<number> {
    const topic = await this.#topics.ensure(OFFSETS_TOPIC, this.#partitions, OFFSETS_TOPIC_CONFIGS, true)
    return topic.partitions.length
  }

  async open(index: number): Promise<GroupLog | undefined> {
    const partition = this.#topics.partition(OFFSETS_TOPIC, index)
    return partition === undefined ? undefined : new PartitionGroupLog(partition, this.#clock)
  }
}

class PartitionGroupLog implements GroupLog {
  readonly #partition: Partition
  readonly #clock: Clock

  constructor(partition: Partition, clock: Clock) {
    this.#partition = partition
    this.#clock = clock
  }

  async append(records: readonly LogRecord[]): Promise<void> {
    const timestamp = this.#clock.now()
    const bytes = buildBatch(records.map(({ key, value }) => ({ key, value, timestamp })))
    const appended = this.#partition.append({ header: parseBatchHeader(bytes, 0), bytes }, timestamp)
    if (appended.errorCode !== ErrorCode.NONE) {
      throw new Fault('invalid', `${OFFSETS_TOPIC} refused a batch: ${appended.errorMessage}`)
    }
    await appended.durable
  }

  async readAll(visit: (key: Buffer, value: Buffer | null) => void): Promise<void> {
    const { stream } = this.#partition
    for await (const entries of stream.scan(stream.startOffset, READ_BYTES)) {
      for (const entry of entries) {
        const header = parseBatchHeader(entry.payload, 0)
        const records = await decompressRecords({ header, bytes: entry.payload }, BATCH_BYTES_MAX)
        for (const { key, value } of readRecords(header, records)) if (key !== null) visit(key, value)
      }
    }
  }
}
