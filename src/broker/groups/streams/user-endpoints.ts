/** Where interactive queries (KIP-67, KIP-535) find the state of an application: the partitions behind each endpoint. */
import type { StreamsGroupHeartbeatResponse } from '../../../wire/messages/streams-group-heartbeat.ts'
import type { StreamsGroup } from './streams-group-state.ts'
import { inputTopics, type Subtopology } from './streams-topology.ts'
import { listTasks, type TaskId } from './tasks.ts'
import type { PartitionCount } from './topology-configuration.ts'

type EndpointPartitions = NonNullable<StreamsGroupHeartbeatResponse['partitionsByUserEndpoint']>[number]
type Endpoint = EndpointPartitions['userEndpoint']

/**
 * One entry for each endpoint, whichever of its members has a task. (Kafka 4.3 has one for each member, and its client
 * keeps the last: the other threads of an instance cannot be found there.)
 */
export function endpointPartitions(group: StreamsGroup, existing: PartitionCount): EndpointPartitions[] {
  const subtopologies = group.topology?.subtopologies ?? []
  return tasksByEndpoint(group).map(({ userEndpoint, active, standby }) => ({
    userEndpoint,
    activePartitions: taskPartitions(active, subtopologies, existing),
    standbyPartitions: taskPartitions(standby, subtopologies, existing)
  }))
}

function tasksByEndpoint({ members }: StreamsGroup) {
  const endpoints = new Map<string, { userEndpoint: Endpoint; active: TaskId[]; standby: TaskId[] }>()
  for (const { metadata, assigned } of members.values()) {
    const { userEndpoint } = metadata
    if (userEndpoint === null) continue
    const name = `${userEndpoint.host}:${userEndpoint.port}`
    const tasks = endpoints.get(name) ?? { userEndpoint, active: [], standby: [] }
    endpoints.set(name, tasks)
    tasks.active.push(...assigned.active.keys())
    tasks.standby.push(...assigned.standby)
  }
  return [...endpoints.values()]
}

/** A task reads one partition of each input that has so many. */
function taskPartitions(tasks: Iterable<TaskId>, subtopologies: readonly Subtopology[], existing: PartitionCount) {
  return listTasks(tasks).flatMap(({ subtopologyId, partitions }) => {
    const subtopology = subtopologies.find((candidate) => candidate.subtopologyId === subtopologyId)
    if (subtopology === undefined) return []
    return inputTopics(subtopology).map((topic) => {
      const count = existing(topic) ?? 0
      return { topic, partitions: partitions.filter((partition) => partition < count) }
    })
  })
}
