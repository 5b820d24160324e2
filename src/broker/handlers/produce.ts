/**
 * Produce v3+ (KIP-98, topic ids by KIP-516): appends each partition's batch and answers once all are durable.
 *
 * Everything up to the appends happens before the first `await`: the order of calls is the order of offsets.
 * A partition that cannot be appended to gets its own error; the others are not touched by it.
 * Not here: transactions, timestamp bounds, recompression.
 */
import { Fault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { ProduceRequest, ProduceResponse } from '../../wire/messages/produce.ts'
import { isTransactional } from '../../wire/records/batch-header.ts'
import { splitBatches } from '../../wire/records/batch-validation.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { codeOf } from '../fault-codes.ts'
import type { Handler } from '../handler.ts'
import type { Appended } from '../partition/partition.ts'

type Answer = InferInput<typeof ProduceResponse>
type TopicData = ProduceRequest['topicData'][number]
type PartitionData = TopicData['partitionData'][number]
type PartitionAnswer = Answer['responses'][number]['partitionResponses'][number]

interface Outcome extends Appended {
  readonly index: number
  readonly logStartOffset: number
}

export function produceHandler({ topics, clock }: BrokerParts): Handler<ProduceRequest, Answer | undefined> {
  const appendTopic = (request: ProduceRequest, data: TopicData, nowMs: number): Outcome[] => {
    const byId = request.topicData.length > 0 && data.name === ''
    const topic = byId ? topics.byId(data.topicId) : topics.get(data.name)
    return data.partitionData.map((partition) => {
      if (request.acks < -1 || request.acks > 1) return refuse(partition, ErrorCode.INVALID_REQUIRED_ACKS)
      if (topic === undefined) {
        return refuse(partition, byId ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
      }
      if (topic.internal) {
        return refuse(partition, ErrorCode.INVALID_TOPIC_EXCEPTION, `${topic.name} is written by the broker only`)
      }
      return appendPartition(topic.name, partition, nowMs)
    })
  }

  const appendPartition = (topicName: string, data: PartitionData, nowMs: number): Outcome => {
    const partition = topics.partition(topicName, data.index)
    if (partition === undefined) return refuse(data, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    const split = splitBatches(data.records?.[0] ?? Buffer.alloc(0))
    if (split.error !== undefined) return refuse(data, ErrorCode[split.error], split.message)
    const [batch] = split.batches
    if (batch === undefined) return refuse(data, ErrorCode.INVALID_RECORD, 'the request holds no record batch')
    if (isTransactional(batch.header)) {
      return refuse(
        data,
        ErrorCode.INVALID_TXN_STATE,
        'this broker has no transactions yet; produce without transactional.id'
      )
    }
    return { ...partition.append(batch, nowMs), index: data.index, logStartOffset: partition.startOffset }
  }

  return (request) => {
    const nowMs = clock.now()
    const outcomes = request.topicData.map((data) => ({ data, partitions: appendTopic(request, data, nowMs) }))
    return answer(request.acks, outcomes)
  }
}

async function answer(
  acks: number,
  outcomes: { data: TopicData; partitions: Outcome[] }[]
): Promise<Answer | undefined> {
  const responses: Answer['responses'][number][] = []
  let refused: PartitionAnswer | undefined
  for (const { data, partitions } of outcomes) {
    const partitionResponses = await Promise.all(partitions.map(settle))
    refused ??= partitionResponses.find((p) => p.errorCode !== ErrorCode.NONE)
    responses.push({ name: data.name, topicId: data.topicId, partitionResponses })
  }
  if (acks !== 0) return { responses }
  // Nobody waits for an answer: closing is the only way to tell the producer, as Kafka does.
  if (refused !== undefined)
    throw new Fault('invalid', `acks=0 and error ${refused.errorCode}: ${refused.errorMessage}`)
  return undefined
}

async function settle(outcome: Outcome): Promise<PartitionAnswer> {
  const { index, logStartOffset, logAppendTimeMs } = outcome
  try {
    await outcome.durable
    const { errorCode, errorMessage, baseOffset } = outcome
    return { index, errorCode, errorMessage, baseOffset, logAppendTimeMs, logStartOffset }
  } catch (error) {
    return { index, errorCode: codeOf(error), errorMessage: String(error), baseOffset: -1 }
  }
}

function refuse(data: PartitionData, errorCode: number, errorMessage: string | null = null): Outcome {
  const answer = { errorCode, errorMessage, baseOffset: -1, logAppendTimeMs: -1, durable: undefined }
  return { ...answer, index: data.index, logStartOffset: -1 }
}
