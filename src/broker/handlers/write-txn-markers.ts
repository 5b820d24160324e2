/**
 * WriteTxnMarkers v1 to v2 (KIP-98, KIP-890, KIP-1228): a transaction coordinator on another broker, or an admin tool that
 * aborts a hanging transaction, ends transactions in partitions that this broker leads. Answers once markers are durable.
 *
 * Each marker has an answer per partition; those of one producer are put together. v1 says nothing of the version of the
 * transaction, which then counts as the oldest. Anybody may send it until there are ACLs: the tool is an ordinary client.
 */
import type { WriteTxnMarkersRequest, WriteTxnMarkersResponse } from '../../wire/messages/write-txn-markers.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { Handler } from '../handler.ts'
import type { TopicPartition, TransactionEnds } from '../transactions/transaction-partitions.ts'

type Answer = InferInput<typeof WriteTxnMarkersResponse>
type Marker = WriteTxnMarkersRequest['markers'][number]

interface Ended extends TopicPartition {
  readonly errorCode: number
}

export function writeTxnMarkersHandler(ends: TransactionEnds): Handler<WriteTxnMarkersRequest, Answer> {
  return async ({ markers }) => {
    const ended = await Promise.all(markers.map((marker) => end(ends, marker)))
    const byProducer = new Map<number, Ended[]>()
    for (const [place, { producerId }] of markers.entries()) {
      const known = byProducer.get(producerId) ?? []
      byProducer.set(producerId, known.concat(ended[place] ?? []))
    }
    return { markers: [...byProducer].map(([producerId, all]) => ({ producerId, topics: topicsOf(all) })) }
  }
}

async function end(ends: TransactionEnds, marker: Marker): Promise<Ended[]> {
  const { producerId, producerEpoch, transactionResult, coordinatorEpoch, transactionVersion } = marker
  const partitions = marker.topics.flatMap(({ name, partitionIndexes }) =>
    partitionIndexes.map((partition) => ({ topic: name, partition }))
  )
  const producer = { id: producerId, epoch: producerEpoch }
  const transactionEnd = { producer, committed: transactionResult, coordinatorEpoch, transactionVersion }
  const codes = await ends.end(transactionEnd, partitions)
  return partitions.map((partition, place) => ({ ...partition, errorCode: codes[place] as number }))
}

/** Of a partition that several markers were for, the last answer counts. */
function topicsOf(ended: readonly Ended[]): Answer['markers'][number]['topics'] {
  const topics = new Map<string, Map<number, number>>()
  for (const { topic, partition, errorCode } of ended) {
    const codes = topics.get(topic) ?? new Map<number, number>()
    topics.set(topic, codes.set(partition, errorCode))
  }
  return [...topics].map(([name, codes]) => ({
    name,
    partitions: [...codes].map(([partitionIndex, errorCode]) => ({ partitionIndex, errorCode }))
  }))
}
