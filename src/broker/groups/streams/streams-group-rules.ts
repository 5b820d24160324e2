/** Streams groups (KIP-1071) as their shard hosts them: the rules that are not requests. Pure. */
import type { LogRecord } from '../../record-log.ts'
import type { GroupError } from '../group-state.ts'
import type { CommitClaim, CommitVerdict, DeadlineChange, GroupChange, GroupRules } from '../hosted-group.ts'
import { isReconciled } from './reconciliation.ts'
import { FIRST_MEMBERS, rebalanceDeadline, StreamsDraft, sessionDeadline } from './streams-draft.ts'
import type { StreamsEnvironment } from './streams-environment.ts'
import { decodeStreamsRecord, encodeStreamsRecord } from './streams-group-log.ts'
import { afterRecords, emptyStreamsGroup, type StreamsGroup, type StreamsRecord } from './streams-group-state.ts'
import { inputTopics, readerOf } from './streams-topology.ts'
import { taskId } from './tasks.ts'

/** From this version on, a commit carries what a member of a Streams group must say. */
const COMMIT_VERSION_MIN = 9

export function streamsGroupRules(environment: StreamsEnvironment): GroupRules<StreamsGroup> {
  return {
    type: 'streams',
    keepsOffsets: true,
    makesRoom: true,
    replay,
    groupOf: (record) => decodeStreamsRecord({ key: record.key, value: null })?.groupId,
    loaded: (group) => loaded(group, environment),
    expire: (group, deadline, now) => expire(group, deadline, environment, now),
    stateName,
    isEmpty: ({ members }) => members.size === 0,
    isSubscribed: ({ members, topology }, topic) =>
      members.size > 0 && topology !== undefined && topology.subtopologies.flatMap(inputTopics).includes(topic),
    commitVerdict: (group, commit) => commitVerdict(group, commit, environment),
    fetchError,
    tombstones
  }
}

function replay(group: StreamsGroup | undefined, stored: LogRecord): StreamsGroup | undefined {
  const decoded = decodeStreamsRecord(stored)
  if (decoded === undefined) return group
  const { groupId, record } = decoded
  if (record.value === null && (group === undefined || record.kind === 'group')) return undefined
  return afterRecords(group ?? emptyStreamsGroup(groupId), [record])
}

function loaded({ groupId, members }: StreamsGroup, { settings }: StreamsEnvironment): DeadlineChange[] {
  const afterMs = settings(groupId).streamsSessionTimeoutMs
  return [...members.values()].flatMap(({ memberId, state, metadata }) => [
    { name: sessionDeadline(memberId), afterMs },
    ...(state === 'UNREVOKED_TASKS'
      ? [{ name: rebalanceDeadline(memberId), afterMs: metadata.rebalanceTimeoutMs }]
      : [])
  ])
}

function expire(
  group: StreamsGroup,
  deadline: string,
  environment: StreamsEnvironment,
  now: number
): GroupChange<StreamsGroup, void> {
  const draft = new StreamsDraft(group, environment)
  if (deadline === FIRST_MEMBERS) {
    draft.note({ awaitsFirstMembers: false })
    if (group.members.size > 0 && group.topology !== undefined) {
      const configured = draft.configure(group.topology)
      draft.noteTopics(group.topology, configured, false)
      draft.updateTarget(configured, now)
    }
    return draft.finish(undefined)
  }
  const late = [...group.members.values()].find(
    ({ memberId, state }) =>
      deadline === sessionDeadline(memberId) ||
      (deadline === rebalanceDeadline(memberId) && state === 'UNREVOKED_TASKS')
  )
  if (late !== undefined) draft.removeMember(late.memberId)
  return draft.finish(undefined)
}

export function stateName({ members, topology, validatedTopologyEpoch, epoch, assignmentEpoch }: StreamsGroup): string {
  if (members.size === 0) return 'Empty'
  if (topology?.epoch !== validatedTopologyEpoch) return 'NotReady'
  if (epoch > assignmentEpoch) return 'Assigning'
  return [...members.values()].every((member) => isReconciled(member, assignmentEpoch)) ? 'Stable' : 'Reconciling'
}

/**
 * The member's own epoch may commit; an older one too, for tasks that the member has had since then: the answer that moved
 * it on may be under way.
 */
function commitVerdict(group: StreamsGroup, commit: CommitClaim, { topics }: StreamsEnvironment): CommitVerdict {
  const { memberId, instanceId, epoch, transactional, apiVersion } = commit
  if (epoch < 0 && group.members.size === 0) return { error: 'NONE' }
  if (transactional && epoch === -1 && memberId === '' && instanceId === null) return { error: 'NONE' }
  const member = group.members.get(memberId)
  if (member === undefined) return { error: 'UNKNOWN_MEMBER_ID' }
  if (!transactional && apiVersion < COMMIT_VERSION_MIN) return { error: 'UNSUPPORTED_VERSION' }
  if (epoch === member.epoch) return { error: 'NONE' }
  const { topology } = group
  if (epoch > member.epoch || topology === undefined) return { error: 'STALE_MEMBER_EPOCH' }
  const partition = (topicId: string, index: number): GroupError => {
    const topic = topics.topicName(topicId)
    const reader = topic === undefined ? undefined : readerOf(topology, topic)
    if (reader === undefined) return 'STALE_MEMBER_EPOCH'
    const task = taskId(reader.subtopologyId, index)
    const since = member.assigned.active.get(task) ?? member.pendingRevocation.active.get(task)
    return since === undefined || epoch < since ? 'STALE_MEMBER_EPOCH' : 'NONE'
  }
  return { error: 'NONE', partition }
}

function fetchError({ members }: StreamsGroup, memberId: string | null, epoch: number): GroupError {
  if (memberId === null && epoch < 0) return 'NONE'
  const member = memberId === null ? undefined : members.get(memberId)
  if (member === undefined) return 'UNKNOWN_MEMBER_ID'
  return epoch === member.epoch ? 'NONE' : 'STALE_MEMBER_EPOCH'
}

function tombstones({ groupId, members }: StreamsGroup): LogRecord[] {
  const ofMembers = (kind: 'current' | 'target' | 'member') =>
    [...members.keys()].map((memberId): StreamsRecord => ({ kind, memberId, value: null }))
  const records: StreamsRecord[] = [
    ...ofMembers('current'),
    ...ofMembers('target'),
    { kind: 'assignment', value: null },
    ...ofMembers('member'),
    { kind: 'group', value: null },
    { kind: 'topology', value: null }
  ]
  return records.map((record) => encodeStreamsRecord(groupId, record))
}
