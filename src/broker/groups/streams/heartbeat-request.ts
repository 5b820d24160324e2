/** What of a StreamsGroupHeartbeat can be judged without asking the group: Kafka 4.3's checks, in its order. */
import type { StreamsGroupHeartbeatRequest } from '../../../wire/messages/streams-group-heartbeat.ts'
import { OFFSETS_TOPIC, topicNameProblem } from '../../topic-names.ts'
import { namedTopics, type StreamsTopology } from './streams-topology.ts'
import { type TargetTasks, tasksOf } from './tasks.ts'

/** Member epochs that mean something else. */
export const JOINING = 0
export const LEAVING = -1
const LEAVING_STATIC = -2

export interface RequestProblem {
  readonly error: 'INVALID_REQUEST' | 'STREAMS_INVALID_TOPOLOGY'
  readonly message: string
}

const INTERNAL_TOPICS: readonly string[] = [OFFSETS_TOPIC, '__transaction_state', '__share_group_state']

export function requestProblem(request: StreamsGroupHeartbeatRequest): RequestProblem | undefined {
  const topics = request.topology && topicProblem(request.topology)
  if (topics) return { error: 'STREAMS_INVALID_TOPOLOGY', message: topics }
  const message = unsupportedProblem(request) ?? identityProblem(request)
  if (message !== undefined) return { error: 'INVALID_REQUEST', message }
  const joining = request.memberEpoch === JOINING ? joinProblem(request) : undefined
  if (joining !== undefined) return joining
  const inconsistent = consistencyProblem(request)
  return inconsistent === undefined ? undefined : { error: 'INVALID_REQUEST', message: inconsistent }
}

function topicProblem(topology: StreamsTopology): string | undefined {
  const topics = [...namedTopics(topology)]
  const internal = topics.filter((topic) => INTERNAL_TOPICS.includes(topic))
  if (internal.length > 0) return `A topology cannot use topics of the broker: ${internal.join(', ')}.`
  return topics.map(topicNameProblem).find((problem) => problem !== undefined)
}

/** What KIP-1071 foresees and no broker does yet. */
function unsupportedProblem(request: StreamsGroupHeartbeatRequest): string | undefined {
  const { instanceId, taskOffsets, taskEndOffsets, warmupTasks, topology } = request
  if (instanceId !== null) return 'Static membership is not supported: leave group.instance.id out.'
  if (taskOffsets !== null || taskEndOffsets !== null) return 'Offsets of tasks are not supported: leave them out.'
  if (warmupTasks !== null && warmupTasks.length > 0) return 'Warmup tasks are not supported: leave them out.'
  if (topology?.subtopologies.some(({ sourceTopicRegex }) => sourceTopicRegex.length > 0)) {
    return 'Regular expressions for source topics are not supported: name the topics.'
  }
  return undefined
}

function identityProblem({ memberId, groupId, rackId }: StreamsGroupHeartbeatRequest): string | undefined {
  if (memberId.trim() === '') return 'The member id is empty: the client must make one.'
  if (groupId.trim() === '') return 'The group id is empty: set application.id.'
  if (rackId !== null && rackId.trim() === '') return 'The rack id is empty: leave it out.'
  return undefined
}

function joinProblem(request: StreamsGroupHeartbeatRequest): RequestProblem | undefined {
  const invalid = (message: string): RequestProblem => ({ error: 'INVALID_REQUEST', message })
  if (request.rebalanceTimeoutMs === -1) return invalid('A member that joins must give its rebalance timeout.')
  for (const tasks of [request.activeTasks, request.standbyTasks, request.warmupTasks]) {
    if (tasks === null || tasks.length > 0) return invalid('A member that joins must say that it has no tasks.')
  }
  if (request.topology === null) return invalid('A member that joins must give its topology.')
  const message = topologyProblem(request.topology)
  return message === undefined ? undefined : { error: 'STREAMS_INVALID_TOPOLOGY', message }
}

function topologyProblem({ epoch, subtopologies }: StreamsTopology): string | undefined {
  if (epoch < 0) return `Topology epoch ${epoch} means nothing: the lowest is 0.`
  const ids = subtopologies.map(({ subtopologyId }) => subtopologyId)
  if (new Set(ids).size < ids.length) return `Every subtopology must have an id of its own: ${ids.join(', ')}.`
  const counted = subtopologies.flatMap((s) => s.stateChangelogTopics).find(({ partitions }) => partitions !== 0)
  return counted && `The partitions of changelog ${counted.name} follow from its inputs: they must not be given.`
}

function consistencyProblem(request: StreamsGroupHeartbeatRequest): string | undefined {
  const { memberEpoch, topology, activeTasks, standbyTasks, warmupTasks } = request
  if (memberEpoch === LEAVING_STATIC) return 'Only a static member leaves with epoch -2.'
  if (memberEpoch < LEAVING_STATIC) return `Member epoch ${memberEpoch} means nothing: the lowest is -2.`
  const given = [activeTasks, standbyTasks, warmupTasks].filter((tasks) => tasks !== null).length
  if (given > 0 && given < 3) return 'A member that reports its tasks must report all kinds of them.'
  if (memberEpoch !== JOINING && topology !== null) return 'Only a member that joins gives its topology.'
  return undefined
}

/** What the member says it has; undefined when it does not say. */
export function reportedTasks(request: StreamsGroupHeartbeatRequest): TargetTasks | undefined {
  const { activeTasks, standbyTasks, warmupTasks } = request
  if (activeTasks === null || standbyTasks === null || warmupTasks === null) return undefined
  return { active: tasksOf(activeTasks), standby: tasksOf(standbyTasks), warmup: tasksOf(warmupTasks) }
}
