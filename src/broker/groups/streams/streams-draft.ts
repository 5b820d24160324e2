/**
 * A change of a Streams group while it is being decided: the records so far, and the group as they make it. Knows the
 * steps that requests and deadlines share: another target, and the end of a member.
 */
import { isDeepStrictEqual } from 'node:util'
import type { DeadlineChange, GroupChange } from '../hosted-group.ts'
import { hashTopics } from '../topic-hash.ts'
import type { StreamsEnvironment } from './streams-environment.ts'
import { currentRecord, encodeStreamsRecord } from './streams-group-log.ts'
import { afterRecords, type StreamsGroup, type StreamsMember, type StreamsRecord } from './streams-group-state.ts'
import { requiredTopics, type StreamsTopology } from './streams-topology.ts'
import { assignTasks } from './task-assignor.ts'
import { listTasks, noTargetTasks, sameTargets, type TargetTasks } from './tasks.ts'
import { type ConfiguredTopology, configureTopology, type Status, StatusCode } from './topology-configuration.ts'

/** Others may still join; then the group gets its first target. */
export const FIRST_MEMBERS = 'first members'

export const sessionDeadline = (memberId: string) => `session ${memberId}`
export const rebalanceDeadline = (memberId: string) => `rebalance ${memberId}`

/** What an assignment rests on besides the members. */
type Basis = Pick<StreamsGroup, 'metadataHash' | 'validatedTopologyEpoch' | 'assignmentConfigs'>

export class StreamsDraft {
  group: StreamsGroup
  readonly deadlines: DeadlineChange[] = []
  readonly #environment: StreamsEnvironment
  readonly #records: StreamsRecord[] = []

  constructor(group: StreamsGroup, environment: StreamsEnvironment) {
    this.group = group
    this.#environment = environment
  }

  put(...records: readonly StreamsRecord[]): void {
    this.#records.push(...records)
    this.group = afterRecords(this.group, records)
  }

  /** Sets what is in no record. */
  note(fields: Partial<Pick<StreamsGroup, 'shutdownRequestedBy' | 'endpointEpoch' | 'awaitsFirstMembers'>>): void {
    this.group = { ...this.group, ...fields }
  }

  setDeadline(name: string, afterMs: number | null): void {
    this.deadlines.push({ name, afterMs })
  }

  finish<Answer>(answer: Answer): GroupChange<StreamsGroup, Answer> {
    const records = this.#records.map((record) => encodeStreamsRecord(this.group.groupId, record))
    return { state: this.group, records, deadlines: this.deadlines, answer }
  }

  /** The topology over the topics as they are now. */
  configure(topology: StreamsTopology): ConfiguredTopology {
    const { topics } = this.#environment
    return configureTopology(topology, (topic) => topics.partitionCount(topic))
  }

  /** The epoch grows when topics or settings are others than when it last grew, or for another reason (`changed`). */
  noteTopics(topology: StreamsTopology, configured: ConfiguredTopology, changed: boolean): void {
    const { settings, topics } = this.#environment
    const { groupId, metadataHash, validatedTopologyEpoch, assignmentConfigs } = this.group
    const basis: Basis = {
      metadataHash: hashTopics(topics, requiredTopics(topology)),
      validatedTopologyEpoch: configured.kind === 'ready' ? topology.epoch : -1,
      assignmentConfigs: { 'num.standby.replicas': String(settings(groupId).streamsNumStandbyReplicas) }
    }
    const before: Basis = { metadataHash, validatedTopologyEpoch, assignmentConfigs }
    if (changed || !isDeepStrictEqual(basis, before)) this.#bumpEpoch(basis)
  }

  #bumpEpoch({ metadataHash, validatedTopologyEpoch, assignmentConfigs }: Basis): void {
    const lastAssignmentConfigs = Object.entries(assignmentConfigs).map(([key, value]) => ({ key, value }))
    const epoch = this.group.epoch + 1
    this.put({ kind: 'group', value: { epoch, metadataHash, validatedTopologyEpoch, lastAssignmentConfigs } })
  }

  /** Makes a target for the group's epoch if it has none; says when that has to wait. */
  updateTarget(topology: ConfiguredTopology, now: number): Status | undefined {
    const { groupId, epoch, assignmentEpoch, assignedAt, awaitsFirstMembers } = this.group
    const settings = this.#environment.settings(groupId)
    if (awaitsFirstMembers) return delayed('Tasks are assigned once others have had time to join.')
    if (assignmentEpoch >= epoch) return undefined
    // A clock that was set back must not hold the group up.
    if (assignedAt <= now && now < assignedAt + settings.streamsAssignmentIntervalMs) {
      return delayed('Tasks were assigned a moment ago; they are again when the assignment interval is over.')
    }
    const targets = newTargets(this.group, topology, settings.streamsNumStandbyReplicas)
    const changed = [...targets].filter(([memberId, target]) => {
      const before = this.group.targets.get(memberId)
      return before === undefined || !sameTargets(before, target)
    })
    this.put(...changed.map(([memberId, target]) => targetRecord(memberId, target)), {
      kind: 'assignment',
      value: { assignmentEpoch: epoch, assignmentTimestamp: now }
    })
    return undefined
  }

  moveMember(member: StreamsMember): void {
    this.put(currentRecord(member))
    const revoking = member.state === 'UNREVOKED_TASKS'
    this.setDeadline(rebalanceDeadline(member.memberId), revoking ? member.metadata.rebalanceTimeoutMs : null)
  }

  /** The member is gone; what it had is free. */
  removeMember(memberId: string): void {
    this.put(...(['current', 'target', 'member'] as const).map((kind) => ({ kind, memberId, value: null })))
    this.#bumpEpoch(this.group)
    this.setDeadline(sessionDeadline(memberId), null)
    this.setDeadline(rebalanceDeadline(memberId), null)
  }
}

function delayed(statusDetail: string): Status {
  return { statusCode: StatusCode.ASSIGNMENT_DELAYED, statusDetail }
}

/** While topics are missing nobody is to have anything. */
function newTargets(group: StreamsGroup, topology: ConfiguredTopology, standbys: number): Map<string, TargetTasks> {
  const members = [...group.members.values()].map(({ memberId, metadata }) => ({
    memberId,
    processId: metadata.processId,
    previous: group.targets.get(memberId) ?? noTargetTasks
  }))
  if (topology.kind === 'ready') return assignTasks(members, topology.subtopologies, standbys)
  return new Map(members.map(({ memberId }) => [memberId, noTargetTasks]))
}

function targetRecord(memberId: string, { active, standby, warmup }: TargetTasks): StreamsRecord {
  const value = { activeTasks: listTasks(active), standbyTasks: listTasks(standby), warmupTasks: listTasks(warmup) }
  return { kind: 'target', memberId, value }
}
