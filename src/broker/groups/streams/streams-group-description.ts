/** A Streams group as StreamsGroupDescribe v0 shows it. */
import { ErrorCode } from '../../../wire/error-codes.ts'
import type { StreamsGroupDescribeResponse } from '../../../wire/messages/streams-group-describe.ts'
import type { InferInput } from '../../../wire/schema.ts'
import { stateName } from './streams-group-rules.ts'
import type { StreamsGroup, StreamsMember } from './streams-group-state.ts'
import type { InternalTopic, Subtopology } from './streams-topology.ts'
import { listTasks, noTargetTasks, type TargetTasks, type TaskId } from './tasks.ts'
import { configureTopology, type PartitionCount } from './topology-configuration.ts'

export type DescribedGroup = InferInput<typeof StreamsGroupDescribeResponse>['groups'][number]

export function describeStreamsGroup(group: StreamsGroup, existing: PartitionCount): DescribedGroup {
  return {
    ...undescribed(group.groupId, 'NONE', null),
    groupState: stateName(group),
    groupEpoch: group.epoch,
    assignmentEpoch: group.assignmentEpoch,
    topology: describeTopology(group, existing),
    members: [...group.members.values()].map((member) =>
      describeMember(member, group.targets.get(member.memberId) ?? noTargetTasks)
    )
  }
}

export function undescribed(
  groupId: string,
  error: keyof typeof ErrorCode,
  errorMessage: string | null
): DescribedGroup {
  return {
    errorCode: ErrorCode[error],
    errorMessage,
    groupId,
    groupState: '',
    groupEpoch: 0,
    assignmentEpoch: 0,
    topology: null,
    members: []
  }
}

/** With the partitions of internal topics once they are told. */
function describeTopology({ topology }: StreamsGroup, existing: PartitionCount): DescribedGroup['topology'] {
  if (topology === undefined) return null
  const configured = configureTopology(topology, existing)
  const subtopologies = configured.kind === 'ready' ? configured.subtopologies : topology.subtopologies
  const sorted = [...subtopologies].sort((a, b) => (a.subtopologyId < b.subtopologyId ? -1 : 1))
  return { epoch: topology.epoch, subtopologies: sorted.map(describeSubtopology) }
}

function describeSubtopology(subtopology: Subtopology) {
  const byName = (topics: readonly InternalTopic[]) => [...topics].sort((a, b) => (a.name < b.name ? -1 : 1))
  return {
    subtopologyId: subtopology.subtopologyId,
    sourceTopics: [...subtopology.sourceTopics].sort(),
    repartitionSinkTopics: [...subtopology.repartitionSinkTopics].sort(),
    stateChangelogTopics: byName(subtopology.stateChangelogTopics),
    repartitionSourceTopics: byName(subtopology.repartitionSourceTopics)
  }
}

/** Offsets of tasks stay empty: members do not report them yet. */
function describeMember(member: StreamsMember, target: TargetTasks): DescribedGroup['members'][number] {
  const { memberId, epoch, assigned, metadata } = member
  const { instanceId, rackId, clientId, clientHost, topologyEpoch, processId, userEndpoint, clientTags } = metadata
  return {
    memberId,
    memberEpoch: epoch,
    instanceId,
    rackId,
    clientId,
    clientHost,
    topologyEpoch,
    processId,
    userEndpoint,
    clientTags,
    taskOffsets: [],
    taskEndOffsets: [],
    assignment: describeTasks(assigned.active.keys(), assigned.standby, assigned.warmup),
    targetAssignment: describeTasks(target.active, target.standby, target.warmup),
    isClassic: false
  }
}

function describeTasks(active: Iterable<TaskId>, standby: Iterable<TaskId>, warmup: Iterable<TaskId>) {
  return { activeTasks: listTasks(active), standbyTasks: listTasks(standby), warmupTasks: listTasks(warmup) }
}
