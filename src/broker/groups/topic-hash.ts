/** Whether the topics that a group consumes are still what they were: a number that says so, for the group's record. */
import { createHash } from 'node:crypto'
import type { TopicDirectory } from './topic-directory.ts'

const HASH_BYTES = 6

/** Changes when one of the topics comes, goes, is made anew or grows; 0 without topics. Below 2⁴⁸: a number holds it. */
export function hashTopics(
  topics: Pick<TopicDirectory, 'topicId' | 'partitionCount'>,
  names: Iterable<string>
): number {
  const known = [...names].filter((name) => topics.topicId(name) !== undefined).sort()
  if (known.length === 0) return 0
  const hash = createHash('sha256')
  for (const name of known) hash.update(`${name}\n${topics.topicId(name)}\n${topics.partitionCount(name)}\n`)
  return hash.digest().readUIntBE(0, HASH_BYTES)
}
