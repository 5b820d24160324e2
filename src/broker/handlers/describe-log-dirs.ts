/**
 * DescribeLogDirs v1 to v5: what each partition takes in the log. There is one log directory, the object store with the
 * write-ahead log before it.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type { DescribeLogDirsRequest, DescribeLogDirsResponse } from '../../wire/messages/describe-log-dirs.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Handler } from '../handler.ts'
import type { Partition } from '../partition/partition.ts'

type Answer = InferInput<typeof DescribeLogDirsResponse>

export function describeLogDirsHandler(parts: BrokerParts): Handler<DescribeLogDirsRequest, Answer> {
  return (request) => {
    const wanted = request.topics ?? parts.topics.all().map(({ name }) => ({ topic: name, partitions: undefined }))
    const topics = wanted.map(({ topic, partitions }) => {
      const open = parts.topics.partitions(topic)
      const found = partitions === undefined ? open : open.filter(({ index }) => partitions.includes(index))
      return { name: topic, partitions: found.map((partition) => size(parts, partition)) }
    })
    const logDir = {
      errorCode: ErrorCode.NONE,
      logDir: parts.settings.logDir,
      topics: topics.filter((t) => t.partitions.length > 0)
    }
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, results: [logDir] }
  }
}

function size({ storedBytes }: BrokerParts, { index, stream }: Partition) {
  return { partitionIndex: index, partitionSize: storedBytes(stream.id), offsetLag: 0, isFutureKey: false }
}
