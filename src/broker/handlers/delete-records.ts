/** DeleteRecords v0 to v2 (KIP-107): moves the start of partitions forward; what lies before it is gone. */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { DeleteRecordsRequest, DeleteRecordsResponse } from '../../wire/messages/delete-records.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import { codeOf } from '../fault-codes.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof DeleteRecordsResponse>
type PartitionAnswer = Answer['topics'][number]['partitions'][number]

/** Stands for the high watermark. */
const TO_THE_END = -1

export function deleteRecordsHandler(parts: BrokerParts): Handler<DeleteRecordsRequest, Answer> {
  return async (request) => {
    const topics: Answer['topics'][number][] = []
    for (const { name, partitions } of request.topics) {
      const answers = partitions.map(({ partitionIndex, offset }) => remove(parts, name, partitionIndex, offset))
      topics.push({ name, partitions: await Promise.all(answers) })
    }
    return { throttleTimeMs: 0, topics }
  }
}

async function remove(
  { topics }: BrokerParts,
  name: string,
  partitionIndex: number,
  offset: number
): Promise<PartitionAnswer> {
  const refuse = (errorCode: number) => ({ partitionIndex, lowWatermark: -1, errorCode })
  const partition = topics.partition(name, partitionIndex)
  if (partition === undefined) return refuse(topics.absence(name, partitionIndex))
  if (topics.get(name)?.internal === true) return refuse(ErrorCode.INVALID_TOPIC_EXCEPTION)
  const settings = topics.settings(name)
  // Of what is only compacted, the last record of each key is promised.
  if (settings?.compact === true && !settings.delete) return refuse(ErrorCode.POLICY_VIOLATION)
  const start = offset === TO_THE_END ? partition.highWatermark : offset
  if (start < 0 || start > partition.highWatermark) return refuse(ErrorCode.OFFSET_OUT_OF_RANGE)
  try {
    await partition.stream.trim(start)
    return { partitionIndex, lowWatermark: partition.startOffset, errorCode: ErrorCode.NONE }
  } catch (error) {
    return refuse(codeOf(error))
  }
}
