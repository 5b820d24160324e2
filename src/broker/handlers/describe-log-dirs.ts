/**
 * DescribeLogDirs v1 to v5: what each partition takes in the log. There is one log directory, the object store with the
 * write-ahead log before it. How much room there is in it is not known, which clients are told as -1.
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
    const names = request.topics?.map(({ topic }) => topic) ?? parts.topics.names()
    const topics = [...new Set(names)].map((name) => {
      const asked = request.topics?.filter(({ topic }) => topic === name).flatMap(({ partitions }) => partitions)
      const found = parts.topics.partitions(name).filter(({ index }) => asked?.includes(index) ?? true)
      return { name, partitions: found.map((partition) => size(parts, partition)) }
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
