/** Partitions as most requests name them: the indexes of each topic, in the order in which topics first come. */
import type { TopicPartition } from './transaction-partitions.ts'

export function byTopic(partitions: readonly TopicPartition[]): [topic: string, indexes: number[]][] {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) {
    const known = topics.get(topic)
    if (known === undefined) topics.set(topic, [partition])
    else known.push(partition)
  }
  return [...topics]
}
