/**
 * DescribeProducers v0 (KIP-664): the producers that partitions know, and since when they have a transaction open. What is
 * not durable yet is not told. Only the leader knows; here that is this broker.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { DescribeProducersRequest, DescribeProducersResponse } from '../../wire/messages/describe-producers.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Handler } from '../handler.ts'
import type { Partition } from '../partition/partition.ts'
import type { ProducerSnapshot } from '../partition/producer-history.ts'
import { topicNameProblem } from '../topic-names.ts'

type Answer = InferInput<typeof DescribeProducersResponse>
type PartitionAnswer = Answer['topics'][number]['partitions'][number]

export function describeProducersHandler({ topics }: BrokerParts): Handler<DescribeProducersRequest, Answer> {
  return (request) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ name, partitionIndexes }) => {
      const problem = topicNameProblem(name)
      const partitions = partitionIndexes.map((partitionIndex): PartitionAnswer => {
        if (problem !== undefined) return refuse(partitionIndex, ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
        const partition = topics.partition(name, partitionIndex)
        if (partition !== undefined) return describe(partition)
        return refuse(
          partitionIndex,
          topics.absence(name, partitionIndex),
          `${name}-${partitionIndex} is not led by this broker`
        )
      })
      return { name, partitions }
    })
  })
}

function describe({ index, producers, highWatermark }: Partition): PartitionAnswer {
  return {
    partitionIndex: index,
    errorCode: ErrorCode.NONE,
    activeProducers: producers.states.asOf(highWatermark).map((producer) => ({
      producerId: producer.id,
      producerEpoch: producer.epoch,
      lastSequence: producer.batches.at(-1)?.lastSequence ?? -1,
      lastTimestamp: lastTimestamp(producer),
      coordinatorEpoch: producer.coordinatorEpoch,
      currentTxnStartOffset: producer.transactionStart ?? -1
    }))
  }
}

/** Of the last batch, or of the marker if that came after it. */
function lastTimestamp({ batches, lastMarker }: ProducerSnapshot): number {
  const last = batches.at(-1)
  if (lastMarker === undefined || (last !== undefined && last.lastOffset > lastMarker.offset))
    return last?.timestamp ?? -1
  return lastMarker.timestamp
}

function refuse(partitionIndex: number, errorCode: number, errorMessage: string): PartitionAnswer {
  return { partitionIndex, errorCode, errorMessage, activeProducers: [] }
}
