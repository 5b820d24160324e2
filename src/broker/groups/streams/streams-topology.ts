/**
 * The topology of a Streams application as its members describe it: subtopologies, and the topics they read, write and
 * keep their state in. Its epoch grows with the application; the group has the topology of the first member.
 */
import { isDeepStrictEqual } from 'node:util'
import type { StreamsGroupTopologyValue } from '../../../wire/messages/streams-group-records.ts'

export type StreamsTopology = StreamsGroupTopologyValue
export type Subtopology = StreamsTopology['subtopologies'][number]
export type InternalTopic = Subtopology['stateChangelogTopics'][number]

/** Everything a subtopology reads: topics of others, and what earlier subtopologies repartitioned. */
export function inputTopics(subtopology: Subtopology): string[] {
  return [...subtopology.sourceTopics, ...subtopology.repartitionSourceTopics.map(({ name }) => name)]
}

/** Everything that must be there before the application can run. */
export function requiredTopics(topology: StreamsTopology): Set<string> {
  const changelogs = topology.subtopologies.flatMap((s) => s.stateChangelogTopics.map(({ name }) => name))
  return new Set([...topology.subtopologies.flatMap(inputTopics), ...changelogs])
}

/** Every topic that is named. */
export function namedTopics(topology: StreamsTopology): Set<string> {
  return new Set([...requiredTopics(topology), ...topology.subtopologies.flatMap((s) => s.repartitionSinkTopics)])
}

/** The subtopology that reads a topic. */
export function readerOf(topology: StreamsTopology, topic: string): Subtopology | undefined {
  return topology.subtopologies.findLast((subtopology) => inputTopics(subtopology).includes(topic))
}

/** Whatever the order of the subtopologies. */
export function sameTopology(a: StreamsTopology, b: StreamsTopology): boolean {
  return a.epoch === b.epoch && isDeepStrictEqual(sorted(a), sorted(b))
}

function sorted({ subtopologies }: StreamsTopology): Subtopology[] {
  return [...subtopologies].sort((a, b) => (a.subtopologyId < b.subtopologyId ? -1 : 1))
}
