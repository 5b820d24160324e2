/**
 * AlterReplicaLogDirs v1 and v2 (KIP-113): there is one log directory, the one that DescribeLogDirs tells. A partition that
 * is to move there is there already, and other directories do not exist.
 */
import { ErrorCode } from '../../wire/error-codes.ts'
import type {
  AlterReplicaLogDirsRequest,
  AlterReplicaLogDirsResponse
} from '../../wire/messages/alter-replica-log-dirs.ts'
import type { InferInput } from '../../wire/schema.ts'
import type { BrokerParts } from '../broker-parts.ts'
import type { Handler } from '../handler.ts'

type Answer = InferInput<typeof AlterReplicaLogDirsResponse>

export function alterReplicaLogDirsHandler(parts: BrokerParts): Handler<AlterReplicaLogDirsRequest, Answer> {
  return ({ dirs }) => {
    const errors = new Map<string, Map<number, number>>()
    for (const { path, topics } of dirs) {
      for (const { name, partitions } of topics) {
        const ofTopic = errors.get(name) ?? new Map<number, number>()
        errors.set(name, ofTopic)
        for (const index of partitions) ofTopic.set(index, move(parts, path, name, index))
      }
    }
    const results = [...errors].map(([topicName, ofTopic]) => ({
      topicName,
      partitions: [...ofTopic].map(([partitionIndex, errorCode]) => ({ partitionIndex, errorCode }))
    }))
    return { throttleTimeMs: 0, results }
  }
}

function move({ settings, topics }: BrokerParts, path: string, topic: string, index: number): number {
  if (path !== settings.logDir) return ErrorCode.LOG_DIR_NOT_FOUND
  const exists = topics.partitions(topic).some((partition) => partition.index === index)
  return exists ? ErrorCode.NONE : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
}
