/**
 * A Streams group (KIP-1071) as its records tell it, and what each record does to it. One function applies records,
 * whether they were just decided or are read back, so a group that is loaded equals the one that was stored.
 *
 * What is in no record is at the end of `StreamsGroup` and begins anew when the group is loaded, as in Kafka.
 */
import type {
  StreamsGroupCurrentMemberAssignmentValue,
  StreamsGroupMemberMetadataValue,
  StreamsGroupMetadataValue,
  StreamsGroupTargetAssignmentMemberValue,
  StreamsGroupTargetAssignmentMetadataValue
} from '../../../wire/messages/streams-group-records.ts'
import type { HostedState } from '../hosted-group.ts'
import type { StreamsTopology } from './streams-topology.ts'
import { type HeldTasks, noHeldTasks, type TargetTasks, type TaskIds, taskId, tasksOf } from './tasks.ts'

/**
 * - `STABLE`: has what the target of its epoch gives it.
 * - `UNREVOKED_TASKS`: has yet to say that it gave up what it no longer is to have.
 * - `UNRELEASED_TASKS`: waits for tasks that others have yet to give up.
 * - `UNKNOWN`: written by a newer coordinator.
 */
export type MemberState = 'STABLE' | 'UNREVOKED_TASKS' | 'UNRELEASED_TASKS' | 'UNKNOWN'

export interface StreamsMember {
  readonly memberId: string
  /** What the member said of itself. */
  readonly metadata: StreamsGroupMemberMetadataValue
  readonly epoch: number
  readonly previousEpoch: number
  readonly state: MemberState
  readonly assigned: HeldTasks
  readonly pendingRevocation: HeldTasks
}

export interface StreamsGroup extends HostedState {
  /** Grows whenever members, topics, topology or settings give reason for another assignment. */
  readonly epoch: number
  /** Of the topics that the topology needs, as they were when the epoch last grew. */
  readonly metadataHash: number
  /** Of the topology whose topics were all found; -1 when some are missing or wrong. */
  readonly validatedTopologyEpoch: number
  /** What the assignor was last told. */
  readonly assignmentConfigs: Readonly<Record<string, string>>
  /** The group epoch that the target is for. */
  readonly assignmentEpoch: number
  /** When the target was made, wall milliseconds. */
  readonly assignedAt: number
  readonly topology: StreamsTopology | undefined
  readonly members: ReadonlyMap<string, StreamsMember>
  readonly targets: ReadonlyMap<string, TargetTasks>
  /** The member that asked all others to stop. In no record. */
  readonly shutdownRequestedBy: string | undefined
  /** Grows when tasks of a member with an endpoint change. In no record. */
  readonly endpointEpoch: number
  /** Before the first assignment others are given time to join. In no record. */
  readonly awaitsFirstMembers: boolean
}

/** `null` deletes. */
export type StreamsRecord =
  | { readonly kind: 'group'; readonly value: StreamsGroupMetadataValue | null }
  | { readonly kind: 'topology'; readonly value: StreamsTopology | null }
  | { readonly kind: 'member'; readonly memberId: string; readonly value: StreamsGroupMemberMetadataValue | null }
  | { readonly kind: 'assignment'; readonly value: StreamsGroupTargetAssignmentMetadataValue | null }
  | {
      readonly kind: 'target'
      readonly memberId: string
      readonly value: StreamsGroupTargetAssignmentMemberValue | null
    }
  | {
      readonly kind: 'current'
      readonly memberId: string
      readonly value: StreamsGroupCurrentMemberAssignmentValue | null
    }

export const MEMBER_STATES: Readonly<Record<MemberState, number>> = {
  STABLE: 1,
  UNREVOKED_TASKS: 2,
  UNRELEASED_TASKS: 3,
  UNKNOWN: 127
}

/** A group has epoch 1 and a target for it, of nobody, before its first member comes. */
export function emptyStreamsGroup(groupId: string): StreamsGroup {
  return {
    groupId,
    epoch: 1,
    metadataHash: 0,
    validatedTopologyEpoch: -1,
    assignmentConfigs: {},
    assignmentEpoch: 1,
    assignedAt: 0,
    topology: undefined,
    members: new Map(),
    targets: new Map(),
    shutdownRequestedBy: undefined,
    endpointEpoch: 0,
    awaitsFirstMembers: false
  }
}

export function newMember(memberId: string): StreamsMember {
  const metadata = {
    instanceId: null,
    rackId: null,
    clientId: '',
    clientHost: '',
    rebalanceTimeoutMs: -1,
    topologyEpoch: -1,
    processId: '',
    userEndpoint: null,
    clientTags: []
  }
  const tasks = { assigned: noHeldTasks, pendingRevocation: noHeldTasks }
  return { memberId, metadata, epoch: 0, previousEpoch: 0, state: 'STABLE', ...tasks }
}

type Members = Map<string, StreamsMember>
type Targets = Map<string, TargetTasks>

/** The group after its records. The group before stays as it is. */
export function afterRecords(group: StreamsGroup, records: readonly StreamsRecord[]): StreamsGroup {
  if (records.length === 0) return group
  const touches = (...kinds: StreamsRecord['kind'][]) => records.some(({ kind }) => kinds.includes(kind))
  const members = touches('member', 'current') ? new Map(group.members) : group.members
  const targets = touches('target') ? new Map(group.targets) : group.targets
  let after: StreamsGroup = { ...group, members, targets }
  // What a record changes was copied just now.
  for (const record of records) after = { ...after, ...changeOf(record, members as Members, targets as Targets) }
  return members.size === 0 ? { ...after, shutdownRequestedBy: undefined } : after
}

/** Fields that a record sets; members and targets are changed in place. */
function changeOf(record: StreamsRecord, members: Members, targets: Targets): Partial<StreamsGroup> {
  switch (record.kind) {
    case 'group':
      return record.value === null ? {} : groupFields(record.value)
    case 'topology':
      return { topology: record.value ?? undefined }
    case 'assignment':
      if (record.value === null) return { assignmentEpoch: -1, assignedAt: 0 }
      return { assignmentEpoch: record.value.assignmentEpoch, assignedAt: record.value.assignmentTimestamp }
    case 'target':
      if (record.value === null) targets.delete(record.memberId)
      else targets.set(record.memberId, targetOf(record.value))
      return {}
    case 'member':
    case 'current':
      changeMember(record, members)
      return {}
  }
}

function groupFields(value: StreamsGroupMetadataValue): Partial<StreamsGroup> {
  const { epoch, metadataHash, validatedTopologyEpoch, lastAssignmentConfigs } = value
  const assignmentConfigs = Object.fromEntries(
    (lastAssignmentConfigs ?? []).map((config) => [config.key, config.value])
  )
  return { epoch, metadataHash, validatedTopologyEpoch, assignmentConfigs }
}

/** After compaction either of a member's two records may come first, or be gone while its tombstone is there. */
function changeMember(record: Extract<StreamsRecord, { kind: 'member' | 'current' }>, members: Members): void {
  const { memberId } = record
  const known = members.get(memberId)
  if (record.kind === 'member') {
    if (record.value === null) members.delete(memberId)
    else members.set(memberId, { ...(known ?? newMember(memberId)), metadata: record.value })
  } else if (record.value !== null) {
    members.set(memberId, { ...(known ?? newMember(memberId)), ...currentOf(record.value) })
  } else if (known !== undefined) {
    const tasks = { assigned: noHeldTasks, pendingRevocation: noHeldTasks }
    members.set(memberId, { ...known, epoch: -1, previousEpoch: -1, state: 'STABLE', ...tasks })
  }
}

function targetOf(value: StreamsGroupTargetAssignmentMemberValue): TargetTasks {
  return {
    active: tasksOf(value.activeTasks),
    standby: tasksOf(value.standbyTasks),
    warmup: tasksOf(value.warmupTasks)
  }
}

function currentOf(value: StreamsGroupCurrentMemberAssignmentValue) {
  const { memberEpoch: epoch, previousMemberEpoch: previousEpoch } = value
  const state = (Object.keys(MEMBER_STATES) as MemberState[]).find((name) => MEMBER_STATES[name] === value.state)
  return {
    epoch,
    previousEpoch,
    state: state ?? ('UNKNOWN' as const),
    assigned: {
      active: epochTasks(value.activeTasks, epoch),
      standby: tasksOf(value.standbyTasks),
      warmup: tasksOf(value.warmupTasks)
    },
    pendingRevocation: {
      active: epochTasks(value.activeTasksPendingRevocation, epoch),
      standby: tasksOf(value.standbyTasksPendingRevocation),
      warmup: tasksOf(value.warmupTasksPendingRevocation)
    }
  }
}

/** Coordinators before Kafka 4.3 did not store the epochs: the member's stands in for them. */
function epochTasks(
  listed: readonly (TaskIds & { readonly assignmentEpochs: readonly number[] | null })[],
  memberEpoch: number
): Map<string, number> {
  const tasks = new Map<string, number>()
  for (const { subtopologyId, partitions, assignmentEpochs } of listed) {
    const epochs = assignmentEpochs?.length === partitions.length ? assignmentEpochs : []
    for (const [at, partition] of partitions.entries()) {
      tasks.set(taskId(subtopologyId, partition), epochs[at] ?? memberEpoch)
    }
  }
  return tasks
}
