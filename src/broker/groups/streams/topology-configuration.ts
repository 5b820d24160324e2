/**
 * What a topology needs of the cluster: partition counts of the internal topics, number of tasks of each subtopology, and
 * which topics are missing or wrong. Pure; creates nothing.
 *
 * A repartition topic has the partitions its application names, or as many as the largest input of the subtopology that
 * writes it. Topics that are joined have equally many. A changelog has as many as its subtopology has tasks, and that
 * is as many as the partitions of its largest input.
 */
import {
  type InternalTopic,
  inputTopics,
  requiredTopics,
  type StreamsTopology,
  type Subtopology
} from './streams-topology.ts'

/** Partitions of a topic; undefined: there is no such topic. */
export type PartitionCount = (topic: string) => number | undefined

/** Codes of StreamsGroupHeartbeat v0. */
export const StatusCode = {
  STALE_TOPOLOGY: 0,
  MISSING_SOURCE_TOPICS: 1,
  INCORRECTLY_PARTITIONED_TOPICS: 2,
  MISSING_INTERNAL_TOPICS: 3,
  SHUTDOWN_APPLICATION: 4,
  ASSIGNMENT_DELAYED: 5
} as const

/** What a member is told beside its tasks. */
export interface Status {
  readonly statusCode: number
  readonly statusDetail: string
}

export interface ConfiguredSubtopology extends Subtopology {
  /** One per partition of its largest input. */
  readonly taskCount: number
  readonly stateful: boolean
}

export type ConfiguredTopology =
  /** All topics are there. */
  | { readonly kind: 'ready'; readonly subtopologies: readonly ConfiguredSubtopology[] }
  /** The group has to wait. Without subtopologies when too little is there to tell their tasks. */
  | {
      readonly kind: 'unready'
      readonly status: Status
      readonly subtopologies: readonly ConfiguredSubtopology[] | undefined
      readonly missing: readonly InternalTopic[]
    }
  /** Can never be: the application is wrong. */
  | { readonly kind: 'invalid'; readonly reason: string }

export function configureTopology(topology: StreamsTopology, existing: PartitionCount): ConfiguredTopology {
  const sources = new Set(topology.subtopologies.flatMap(({ sourceTopics }) => sourceTopics))
  const absent = [...sources].filter((topic) => existing(topic) === undefined)
  if (absent.length > 0) return unready('MISSING_SOURCE_TOPICS', `Source topics ${some(absent)} are missing.`)
  const reason = inputProblem(topology)
  if (reason !== undefined) return { kind: 'invalid', reason }
  const counts = new Map<string, number>()
  const unresolved = countRepartitions(topology, existing, counts)
  if (unresolved !== undefined) return { kind: 'invalid', reason: unresolved }
  const unequal = enforceCopartitioning(topology, existing, counts)
  if (unequal !== undefined) return unready('INCORRECTLY_PARTITIONED_TOPICS', unequal)
  return withInternalTopics(topology, existing, counts)
}

function unready(code: keyof typeof StatusCode, statusDetail: string): ConfiguredTopology {
  const status = { statusCode: StatusCode[code], statusDetail }
  return { kind: 'unready', status, subtopologies: undefined, missing: [] }
}

function inputProblem({ subtopologies }: StreamsTopology): string | undefined {
  for (const subtopology of subtopologies) {
    const { subtopologyId, sourceTopics, repartitionSourceTopics, copartitionGroups } = subtopology
    if (inputTopics(subtopology).length === 0) return `Subtopology ${subtopologyId} reads no topic.`
    const outside = copartitionGroups.some(
      (group) =>
        group.sourceTopics.some((at) => sourceTopics[at] === undefined) ||
        group.repartitionSourceTopics.some((at) => repartitionSourceTopics[at] === undefined)
    )
    if (outside) return `Subtopology ${subtopologyId} has a copartition group with a topic that it does not read.`
  }
  return undefined
}

/** Sets the counts of all repartition topics, or says why they cannot be told. */
function countRepartitions(
  { subtopologies }: StreamsTopology,
  existing: PartitionCount,
  counts: Map<string, number>
): string | undefined {
  const repartitions = subtopologies.flatMap((s) => s.repartitionSourceTopics)
  for (const { name, partitions } of repartitions) if (partitions !== 0) counts.set(name, partitions)
  for (;;) {
    const before = counts.size
    let open = false
    for (const subtopology of subtopologies) {
      const sinks = subtopology.repartitionSinkTopics.filter((topic) => !counts.has(topic))
      if (sinks.length === 0) continue
      const count = largestInput(subtopology, existing, counts)
      if (count === undefined) open = true
      else for (const topic of sinks) counts.set(topic, count)
    }
    if (!open) break
    if (counts.size === before) {
      return 'The partitions of the repartition topics cannot be told: the subtopologies feed each other in a circle.'
    }
  }
  const unfed = repartitions.find(({ name }) => !counts.has(name))
  return unfed && `Repartition topic ${unfed.name} is read and never written, so its partitions cannot be told.`
}

/** Of the inputs whose partitions are known so far. */
function largestInput(
  { sourceTopics, repartitionSourceTopics }: Subtopology,
  existing: PartitionCount,
  counts: ReadonlyMap<string, number>
): number | undefined {
  const known = [...sourceTopics.map(existing), ...repartitionSourceTopics.map(({ name }) => counts.get(name))]
  return known.reduce((a, b) => (a === undefined || b === undefined ? (a ?? b) : Math.max(a, b)), undefined)
}

/** Gives the repartition topics of each copartition group one count, or says why they cannot have one. */
function enforceCopartitioning(
  { subtopologies }: StreamsTopology,
  existing: PartitionCount,
  counts: Map<string, number>
): string | undefined {
  const partitionsOf = (topic: string) => existing(topic) ?? counts.get(topic) ?? 0
  const repartitions = subtopologies.flatMap((s) => s.repartitionSourceTopics)
  const fixed = new Set(repartitions.filter(({ partitions }) => partitions !== 0).map(({ name }) => name))
  const internal = new Set(repartitions.map(({ name }) => name))
  for (const subtopology of subtopologies) {
    for (const group of subtopology.copartitionGroups) {
      const topics = groupTopics(subtopology, group)
      const external = topics.filter((topic) => !internal.has(topic))
      const given = external.length > 0 ? external : topics.filter((topic) => fixed.has(topic))
      const all = given.length > 0 ? given : topics
      const count = Math.max(...all.map(partitionsOf))
      const wrong = [...given, ...topics.filter((topic) => fixed.has(topic))].some((t) => partitionsOf(t) !== count)
      if (wrong) {
        const counted = [...topics].sort().map((topic) => `${topic}: ${partitionsOf(topic)}`)
        return `Topics that are joined must have equally many partitions: ${counted.join(', ')}.`
      }
      for (const topic of topics) if (internal.has(topic)) counts.set(topic, count)
    }
  }
  return undefined
}

/** Members name topics of a group by their places in the subtopology's lists. */
function groupTopics(subtopology: Subtopology, group: Subtopology['copartitionGroups'][number]): string[] {
  return [
    ...group.sourceTopics.map((at) => subtopology.sourceTopics[at]),
    ...group.repartitionSourceTopics.map((at) => subtopology.repartitionSourceTopics[at]?.name)
  ].filter((topic) => topic !== undefined)
}

function withInternalTopics(
  topology: StreamsTopology,
  existing: PartitionCount,
  counts: ReadonlyMap<string, number>
): ConfiguredTopology {
  const partitionsOf = (topic: string) => existing(topic) ?? counts.get(topic) ?? 0
  const subtopologies = topology.subtopologies.map((subtopology): ConfiguredSubtopology => {
    const taskCount = Math.max(...inputTopics(subtopology).map(partitionsOf))
    const sized = (topic: InternalTopic, decided: number) => ({ ...topic, partitions: topic.partitions || decided })
    return {
      ...subtopology,
      taskCount,
      stateful: subtopology.stateChangelogTopics.length > 0,
      repartitionSourceTopics: subtopology.repartitionSourceTopics.map((t) => sized(t, counts.get(t.name) ?? 0)),
      stateChangelogTopics: subtopology.stateChangelogTopics.map((t) => sized(t, taskCount))
    }
  })
  const required = requiredTopics(topology)
  const internal = subtopologies.flatMap((s) => [...s.repartitionSourceTopics, ...s.stateChangelogTopics])
  const expected = new Map(internal.filter(({ name }) => required.has(name)).map((topic) => [topic.name, topic]))
  for (const { name, partitions } of expected.values()) {
    const found = existing(name)
    if (found !== undefined && found !== partitions) {
      const detail = `Topic ${name} has ${found} partitions and must have ${partitions}.`
      return unready('INCORRECTLY_PARTITIONED_TOPICS', detail)
    }
  }
  const missing = [...expected.values()].filter(({ name }) => existing(name) === undefined)
  if (missing.length === 0) return { kind: 'ready', subtopologies }
  const statusDetail = `Internal topics are missing: ${some(missing.map(({ name }) => name))}`
  return {
    kind: 'unready',
    status: { statusCode: StatusCode.MISSING_INTERNAL_TOPICS, statusDetail },
    subtopologies,
    missing
  }
}

const SHOWN_MAX = 3

function some(topics: readonly string[]): string {
  const shown = [...topics].sort().slice(0, SHOWN_MAX).join(', ')
  return topics.length > SHOWN_MAX ? `${shown} and ${topics.length - SHOWN_MAX} more` : shown
}
