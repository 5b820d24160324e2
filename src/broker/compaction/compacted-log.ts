/** A partition as compaction by key sees it. */
import type { Partition } from '../partition/partition.ts'
import type { TopicSettings } from '../topic-settings.ts'
import type { Topics } from '../topics.ts'
import type { AbortedTransaction } from './cleaned-transactions.ts'

/** What a producer that may still send has left in the log last. */
export interface LastRecord {
  /** Offset of its last data; undefined when all that is left of it is a transaction marker. */
  readonly dataOffset: number | undefined
  readonly producerEpoch: number
}

export interface CompactedLog {
  readonly topicName: string
  readonly index: number
  readonly streamId: number
  readonly settings: TopicSettings
  readonly startOffset: number
  /** Offset of the first batch whose transaction is undecided, else the high watermark: nothing from there on is cleaned. */
  readonly firstUnstableOffset: number
  lastRecordOf(producerId: number): LastRecord | undefined
  /** Those that overlap [fromOffset, toOffset). */
  abortedTransactions(fromOffset: number, toOffset: number): readonly AbortedTransaction[]
  /**
   * Nothing is left of these in objects but their markers. When it resolves, memory holds nothing of them either, and
   * readers are told of them no more, not even after a crash: their markers may go next time, and a reader that waits for
   * a marker would skip what follows.
   */
  forgetAborted(transactions: readonly AbortedTransaction[]): Promise<void>
}

/** Those of the partitions led here whose topic is compacted. */
export function* compactedLogs(topics: Topics): Generator<CompactedLog> {
  for (const { name } of topics.all()) {
    const settings = topics.settings(name)
    if (settings?.compact !== true) continue
    for (const partition of topics.partitions(name)) yield compactedLog(partition, settings)
  }
}

function compactedLog(partition: Partition, settings: TopicSettings): CompactedLog {
  return {
    topicName: partition.topicName,
    index: partition.index,
    streamId: partition.stream.id,
    settings,
    startOffset: partition.startOffset,
    firstUnstableOffset: partition.lastStableOffset,
    lastRecordOf: (producerId) => {
      const durable = partition.producers
        .get(producerId)
        ?.batches.findLast(({ lastOffset }) => lastOffset < partition.highWatermark)
      return durable && { dataOffset: durable.lastOffset, producerEpoch: durable.producerEpoch }
    },
    // This broker has no transactions yet.
    abortedTransactions: () => [],
    forgetAborted: () => Promise.resolve()
  }
}
