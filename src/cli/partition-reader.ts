/**
 * Reads partitions from given offsets, without a group: nothing is committed and nobody else is disturbed.
 * Records of a partition come in offset order; partitions take turns. Aborted transactions are left out.
 */
import type { Admin, Consumer } from '@platformatic/kafka'
import { assert, Fault } from '../runtime/fault.ts'
import type { ConsumedRecord } from './consumed-record.ts'

/** Fetch waits this long for new data at the end of the log; also how soon a stop is noticed. */
const fetchWaitMs = 500
const partitionBytesMax = 1024 * 1024
/** Fetch: leave out what belongs to open or aborted transactions. */
const readCommitted = 1
/** Attribute bit of batches that hold a transaction marker instead of records. */
const controlBatch = 0x20

type FetchedBatch = NonNullable<
  Awaited<ReturnType<Consumer['fetch']>>['responses'][number]['partitions'][number]['records']
>[number]

/** Yields records, and undefined whenever a round of fetches brought none. Changes `positions` as it goes. */
export async function* readPartitions(
  admin: Admin,
  consumer: Consumer,
  topic: string,
  positions: Map<number, bigint>
): AsyncGenerator<ConsumedRecord | undefined> {
  for (;;) {
    const requests = await planFetches(admin, topic, positions)
    const rounds = await Promise.all(
      requests.map(({ node, topics }) =>
        consumer.fetch({
          node,
          topics,
          minBytes: 1,
          maxWaitTime: fetchWaitMs,
          isolationLevel: readCommitted
        })
      )
    )
    let found = false
    for (const { partitionIndex, records } of rounds.flatMap((it) => it.responses.flatMap((one) => one.partitions))) {
      for (const batch of records ?? []) {
        const from = positions.get(partitionIndex)
        assert(from !== undefined, `partition ${partitionIndex} was fetched and not asked for`)
        for (const record of recordsOf(batch, topic, partitionIndex)) {
          // A fetch inside a batch brings the whole batch.
          if (record.offset < from) continue
          found = true
          yield record
        }
        positions.set(partitionIndex, batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n)
      }
    }
    if (!found) yield undefined
  }
}

/** One fetch per leader; metadata is cached by the client and renewed when a leader moves. */
async function planFetches(admin: Admin, topic: string, positions: ReadonlyMap<number, bigint>) {
  const metadata = await admin.metadata({ topics: [topic] })
  const found = metadata.topics.get(topic)
  if (found === undefined) throw new Fault('missing', `topic ${topic} was deleted`)
  const byLeader = new Map<number, { partition: number; fetchOffset: bigint }[]>()
  for (const [partition, fetchOffset] of positions) {
    const leader = found.partitions[partition]?.leader ?? -1
    byLeader.set(leader, [...(byLeader.get(leader) ?? []), { partition, fetchOffset }])
  }
  return [...byLeader].map(([node, wanted]) => ({
    node,
    topics: [
      {
        topicId: found.id,
        partitions: wanted.map((it) => ({
          ...it,
          partitionMaxBytes: partitionBytesMax,
          currentLeaderEpoch: -1,
          lastFetchedEpoch: -1
        }))
      }
    ]
  }))
}

function* recordsOf(batch: FetchedBatch, topic: string, partition: number): Generator<ConsumedRecord> {
  if ((batch.attributes & controlBatch) !== 0) return
  for (const record of batch.records) {
    yield {
      topic,
      partition,
      offset: batch.firstOffset + BigInt(record.offsetDelta),
      timestamp: batch.firstTimestamp + record.timestampDelta,
      key: record.key,
      value: record.value,
      headers: record.headers
    }
  }
}
