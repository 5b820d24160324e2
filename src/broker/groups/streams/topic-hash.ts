/** Whether the topics of a topology are still what they were: a number that says so, for the group's record. */
import { createHash } from 'node:crypto'
import type { TopicDirectory } from '../topic-directory.ts'

/** What Streams groups must know of the topics of the cluster. */
export type StreamsTopics = Pick<TopicDirectory, 'topicId' | 'topicName' | 'partitionCount'>

const HASH_BYTES = 6

/** Changes when one of the topics comes, goes, is made anew or grows. Below 2⁴⁸, so that a number holds it. */
export function hashTopics(topics: StreamsTopics, names: Iterable<string>): number {
  const hash = createHash('sha256')
  for (const name of [...names].sort()) {
    const id = topics.topicId(name)
    if (id !== undefined) hash.update(`${name}\n${id}\n${topics.partitionCount(name)}\n`)
  }
  return hash.digest().readUIntBE(0, HASH_BYTES)
}
