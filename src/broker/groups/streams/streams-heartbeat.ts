/**
 * StreamsGroupHeartbeat as a decision (KIP-1071): a member joins, reports or leaves, and is told its epoch, its tasks when
 * they changed, and what is wrong. Pure. The request must have passed `requestProblem`.
 *
 * In its order: the member, the topology, the topics, the group's epoch, the target, and the member's step towards it.
 * Topics that are missing are named in the answer; whoever performs the change creates them.
 */
import { isDeepStrictEqual } from 'node:util'
import { ErrorCode } from '../../../wire/error-codes.ts'
import type {
  StreamsGroupHeartbeatRequest,
  StreamsGroupHeartbeatResponse
} from '../../../wire/messages/streams-group-heartbeat.ts'
import type { InferInput } from '../../../wire/schema.ts'
import type { GroupSettings } from '../../group-settings.ts'
import type { GroupChange } from '../hosted-group.ts'
import { JOINING, LEAVING, reportedTasks } from './heartbeat-request.ts'
import { isReconciled, reconcile } from './reconciliation.ts'
import { FIRST_MEMBERS, StreamsDraft, sessionDeadline } from './streams-draft.ts'
import type { StreamsEnvironment } from './streams-environment.ts'
import { emptyStreamsGroup, newMember, type StreamsGroup, type StreamsMember } from './streams-group-state.ts'
import { type InternalTopic, type StreamsTopology, sameTopology } from './streams-topology.ts'
import {
  type HeldTasks,
  listTasks,
  noTargetTasks,
  partitionOf,
  sameHeld,
  sameTargets,
  subtopologyOf,
  type TargetTasks,
  type TaskId
} from './tasks.ts'
import { type ConfiguredTopology, type Status, StatusCode } from './topology-configuration.ts'
import { endpointPartitions } from './user-endpoints.ts'

type Request = StreamsGroupHeartbeatRequest
export type HeartbeatResponse = InferInput<typeof StreamsGroupHeartbeatResponse>

export interface HeartbeatClient {
  readonly clientId: string
  readonly clientHost: string
}

export interface HeartbeatAnswer {
  readonly response: HeartbeatResponse
  /** To be created. */
  readonly missing: readonly InternalTopic[]
}

type Change = GroupChange<StreamsGroup, HeartbeatAnswer>

/** An answer that changes nothing. */
interface Refusal {
  readonly error: keyof typeof ErrorCode
  readonly message: string
}

const isRefusal = (value: object): value is Refusal => 'error' in value

export function heartbeat(
  group: StreamsGroup | undefined,
  request: Request,
  client: HeartbeatClient,
  environment: StreamsEnvironment,
  now: number
): Change {
  if (request.memberEpoch === LEAVING) return leave(group, request, environment)
  const member = findMember(group, request, environment.membersMax)
  if (isRefusal(member)) return refuse(group, member)
  const draft = new StreamsDraft(group ?? emptyStreamsGroup(request.groupId), environment)
  const settings = environment.settings(request.groupId)
  const prepared = prepare(draft, member, request, client)
  if (isRefusal(prepared)) return refuse(group, prepared)
  awaitFirstMembers(draft, group, settings)
  const delay = draft.updateTarget(prepared.topology, now)
  const updated = step(draft, request)
  if (isRefusal(updated)) return refuse(group, updated)
  draft.setDeadline(sessionDeadline(request.memberId), settings.streamsSessionTimeoutMs)
  if (request.shutdownApplication) requestShutdown(draft, request.memberId)
  const statuses = [prepared.stale, delay, topicStatus(prepared.topology), shutdownStatus(draft.group)]
  const response = {
    ...respond(draft, group, member, updated, request, environment),
    heartbeatIntervalMs: settings.streamsHeartbeatIntervalMs,
    status: statuses.filter((status) => status !== undefined)
  }
  return draft.finish({ response, missing: prepared.topology.kind === 'unready' ? prepared.topology.missing : [] })
}

function refuse(state: StreamsGroup | undefined, { error, message }: Refusal): Change {
  const response = errorResponse(error, message)
  return { state, records: [], deadlines: [], answer: { response, missing: [] } }
}

export function errorResponse(error: keyof typeof ErrorCode, errorMessage: string | null): HeartbeatResponse {
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode[error],
    errorMessage,
    memberId: '',
    memberEpoch: 0,
    heartbeatIntervalMs: 0,
    acceptableRecoveryLag: 0,
    taskOffsetIntervalMs: 0,
    status: [],
    endpointInformationEpoch: 0
  }
}

function leave(group: StreamsGroup | undefined, request: Request, environment: StreamsEnvironment): Change {
  const { groupId, memberId, memberEpoch } = request
  if (group === undefined) return refuse(group, unknownGroup(groupId))
  if (!group.members.has(memberId)) return refuse(group, unknownMember(groupId, memberId))
  const draft = new StreamsDraft(group, environment)
  if (request.shutdownApplication) requestShutdown(draft, memberId)
  draft.removeMember(memberId)
  return draft.finish({ response: { ...errorResponse('NONE', null), memberId, memberEpoch, status: [] }, missing: [] })
}

function unknownGroup(groupId: string): Refusal {
  return { error: 'GROUP_ID_NOT_FOUND', message: `There is no Streams group ${groupId}.` }
}

function unknownMember(groupId: string, memberId: string): Refusal {
  return { error: 'UNKNOWN_MEMBER_ID', message: `${memberId} is not a member of group ${groupId}.` }
}

function findMember(group: StreamsGroup | undefined, request: Request, membersMax: number): StreamsMember | Refusal {
  const { groupId, memberId, memberEpoch } = request
  const known = group?.members.get(memberId)
  if (memberEpoch === JOINING) {
    if (known !== undefined) return known
    if ((group?.members.size ?? 0) < membersMax) return newMember(memberId)
    return { error: 'GROUP_MAX_SIZE_REACHED', message: `Group ${groupId} has its ${membersMax} members already.` }
  }
  if (group === undefined) return unknownGroup(groupId)
  if (known === undefined) return unknownMember(groupId, memberId)
  if (memberEpoch === known.epoch || repeatsLast(known, request)) return known
  const message = `Member ${memberId} is in epoch ${known.epoch} and not ${memberEpoch}: it must give up all tasks and join anew.`
  return { error: 'FENCED_MEMBER_EPOCH', message }
}

/** The answer with the new epoch was lost. */
function repeatsLast({ epoch, previousEpoch, assigned }: StreamsMember, request: Request): boolean {
  const tasks = reportedTasks(request)
  if (request.memberEpoch > epoch || request.memberEpoch !== previousEpoch || tasks === undefined) return false
  return (['active', 'standby', 'warmup'] as const).every((kind) =>
    [...tasks[kind]].every((task) => assigned[kind].has(task))
  )
}

/** The member, the topology and the topics as they are now; the epoch grows if any of them changed. */
function prepare(
  draft: StreamsDraft,
  member: StreamsMember,
  request: Request,
  client: HeartbeatClient
): { topology: ConfiguredTopology; stale: Status | undefined } | Refusal {
  const before = draft.group
  const metadata = updatedMetadata(member, request, client)
  const memberChanged = !isDeepStrictEqual(metadata, member.metadata)
  if (memberChanged) draft.put({ kind: 'member', memberId: member.memberId, value: metadata })
  const topology = groupTopology(draft, request)
  if (isRefusal(topology)) return topology
  const configured = draft.configure(topology)
  if (configured.kind === 'invalid') return { error: 'STREAMS_INVALID_TOPOLOGY', message: configured.reason }
  const misplaced = configured.kind === 'ready' ? misplacedTask(configured, reportedTasks(request)) : undefined
  if (misplaced !== undefined) {
    return { error: 'INVALID_REQUEST', message: `Task ${misplaced} is not one of the topology's.` }
  }
  draft.noteTopics(topology, configured, memberChanged || before.topology === undefined)
  return { topology: configured, stale: staleStatus(metadata.topologyEpoch, topology.epoch) }
}

/** What the request leaves out stays as it was. */
function updatedMetadata({ metadata }: StreamsMember, request: Request, client: HeartbeatClient) {
  const tags = request.clientTags && [...request.clientTags].sort((a, b) => (a.key < b.key ? -1 : 1))
  return {
    ...metadata,
    ...client,
    rackId: request.rackId ?? metadata.rackId,
    rebalanceTimeoutMs: request.rebalanceTimeoutMs === -1 ? metadata.rebalanceTimeoutMs : request.rebalanceTimeoutMs,
    topologyEpoch: request.topology?.epoch ?? metadata.topologyEpoch,
    processId: request.processId ?? metadata.processId,
    userEndpoint: request.userEndpoint ?? metadata.userEndpoint,
    clientTags: tags ?? metadata.clientTags
  }
}

/** The first member's topology is the group's. */
function groupTopology(draft: StreamsDraft, { topology }: Request): StreamsTopology | Refusal {
  const known = draft.group.topology
  if (topology === null) {
    if (known !== undefined) return known
    return { error: 'UNKNOWN_SERVER_ERROR', message: `Group ${draft.group.groupId} has lost its topology.` }
  }
  if (known === undefined) {
    draft.put({ kind: 'topology', value: topology })
    return topology
  }
  if (topology.epoch < known.epoch || sameTopology(topology, known)) return known
  const message = `The topology differs from the group's, and cannot be updated: stop all members and delete the group first.`
  return { error: 'INVALID_REQUEST', message }
}

function misplacedTask(
  { subtopologies }: Extract<ConfiguredTopology, { kind: 'ready' }>,
  reported: TargetTasks | undefined
): TaskId | undefined {
  if (reported === undefined) return undefined
  const counts = new Map(subtopologies.map(({ subtopologyId, taskCount }) => [subtopologyId, taskCount]))
  return [...reported.active, ...reported.standby, ...reported.warmup].find((task) => {
    const partition = partitionOf(task)
    return partition < 0 || partition >= (counts.get(subtopologyOf(task)) ?? 0)
  })
}

function staleStatus(memberEpoch: number, groupEpoch: number): Status | undefined {
  if (memberEpoch >= groupEpoch) return undefined
  const statusDetail = `The member has topology epoch ${memberEpoch}, the group has ${groupEpoch}.`
  return { statusCode: StatusCode.STALE_TOPOLOGY, statusDetail }
}

function topicStatus(topology: ConfiguredTopology): Status | undefined {
  return topology.kind === 'unready' ? topology.status : undefined
}

function requestShutdown(draft: StreamsDraft, memberId: string): void {
  if (draft.group.shutdownRequestedBy === undefined) draft.note({ shutdownRequestedBy: memberId })
}

function shutdownStatus({ shutdownRequestedBy }: StreamsGroup): Status | undefined {
  if (shutdownRequestedBy === undefined) return undefined
  const statusDetail = `Member ${shutdownRequestedBy} met a fatal error and asks the whole application to stop.`
  return { statusCode: StatusCode.SHUTDOWN_APPLICATION, statusDetail }
}

/** A group that begins gives others time to join, so that tasks need not move at once. */
function awaitFirstMembers(draft: StreamsDraft, before: StreamsGroup | undefined, settings: GroupSettings): void {
  const delayMs = settings.streamsInitialRebalanceDelayMs
  if ((before?.members.size ?? 0) > 0 || delayMs === 0 || draft.group.awaitsFirstMembers) return
  draft.note({ awaitsFirstMembers: true })
  draft.setDeadline(FIRST_MEMBERS, delayMs)
}

/** The member moves towards its target. */
function step(draft: StreamsDraft, request: Request): StreamsMember | Refusal {
  const { memberId } = request
  const { group } = draft
  const member = group.members.get(memberId)
  if (member === undefined) return unknownMember(group.groupId, memberId)
  const target = { epoch: group.assignmentEpoch, tasks: group.targets.get(memberId) ?? noTargetTasks }
  if (isReconciled(member, target.epoch)) return member
  const moved = reconcile(group, member, target, reportedTasks(request))
  if (moved === 'FENCED') {
    const message = `The state of member ${memberId} is not known to this coordinator: it must give up all tasks and join anew.`
    return { error: 'FENCED_MEMBER_EPOCH', message }
  }
  if (!sameProgress(moved, member)) draft.moveMember(moved)
  return moved
}

function sameProgress(a: StreamsMember, b: StreamsMember): boolean {
  if (a.state !== b.state || a.epoch !== b.epoch || a.previousEpoch !== b.previousEpoch) return false
  return sameHeld(a.assigned, b.assigned) && sameHeld(a.pendingRevocation, b.pendingRevocation)
}

/**
 * Tasks are told to whom joins, when they changed, and to whom reports others: the answer that told them was lost. (Kafka
 * 4.3 leaves the last one out, and such a member without tasks until the next assignment.)
 */
function respond(
  draft: StreamsDraft,
  before: StreamsGroup | undefined,
  member: StreamsMember,
  updated: StreamsMember,
  request: Request,
  { topics }: StreamsEnvironment
): HeartbeatResponse {
  const changed = request.memberEpoch === JOINING || !sameHeld(member.assigned, updated.assigned)
  const reported = reportedTasks(request)
  const told = changed || (reported !== undefined && !sameTargets(reported, targetOf(updated.assigned)))
  const moved = changed && updated.metadata.userEndpoint !== null
  const endpointEpoch = (before?.endpointEpoch ?? 0) + (moved ? 1 : 0)
  // The first member is told of its endpoint again once the group is known.
  if (before !== undefined && moved) draft.note({ endpointEpoch })
  const partitionsByUserEndpoint =
    endpointEpoch === request.endpointInformationEpoch
      ? null
      : endpointPartitions(draft.group, (topic) => topics.partitionCount(topic))
  return {
    ...errorResponse('NONE', null),
    memberId: updated.memberId,
    memberEpoch: updated.epoch,
    ...(told ? heldTasks(updated.assigned) : {}),
    endpointInformationEpoch: before === undefined ? 0 : endpointEpoch,
    partitionsByUserEndpoint
  }
}

function targetOf({ active, standby, warmup }: HeldTasks): TargetTasks {
  return { active: new Set(active.keys()), standby, warmup }
}

function heldTasks({ active, standby, warmup }: HeldTasks) {
  return { activeTasks: listTasks(active.keys()), standbyTasks: listTasks(standby), warmupTasks: listTasks(warmup) }
}
