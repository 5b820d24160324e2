/** A partition as compaction by key sees it. */
import type { AbortedTransaction } from '../partition/aborted-note.ts'
import { noteWithout } from '../partition/aborted-transactions.ts'
import type { Partition } from '../partition/partition.ts'
import type { TopicSettings } from '../topic-settings.ts'
import type { Topics } from '../topics.ts'

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
  abortedTransactions(
    fromOffset: number,
    toOffset: number
  ): readonly AbortedTransaction[] | Promise<readonly AbortedTransaction[]>
  /** What becomes of a note beside entries that were rewritten, when nothing but markers is left of some transactions. */
  noteWithout(note: Buffer, transactions: readonly AbortedTransaction[]): Buffer
  /**
   * Nothing is left of these in objects but their markers, and no note tells of them: readers are told of them no more.
   * Their markers may go next time, and a reader that waits for a marker would skip what follows.
   */
  forgetAborted(transactions: readonly AbortedTransaction[]): void
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
    lastRecordOf: (producerId) => lastRecordOf(partition, producerId),
    abortedTransactions: (fromOffset, toOffset) => partition.producers.aborted.overlapping(fromOffset, toOffset),
    noteWithout,
    forgetAborted: (transactions) => partition.producers.aborted.forget(transactions)
  }
}

function lastRecordOf({ producers, highWatermark }: Partition, producerId: number): LastRecord | undefined {
  const durable = producers.states.get(producerId)?.asOf(highWatermark)
  return durable && { dataOffset: durable.batches.at(-1)?.lastOffset, producerEpoch: durable.epoch }
}
