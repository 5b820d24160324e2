/** Share groups (KIP-932) as their shard hosts them: the rules that are not requests. Pure. */
import type { LogRecord } from '../../record-log.ts'
import type { GroupRules } from '../hosted-group.ts'
import { ShareDraft, type ShareEnvironment, sessionDeadline } from './share-draft.ts'
import { decodeShareRecord, encodeShareRecord } from './share-group-log.ts'
import { afterRecords, emptyShareGroup, type ShareGroup, type ShareRecord } from './share-group-state.ts'

export function shareGroupRules(environment: ShareEnvironment): GroupRules<ShareGroup> {
  return {
    type: 'share',
    keepsOffsets: false,
    makesRoom: false,
    replay,
    groupOf: (record) => decodeShareRecord({ key: record.key, value: null })?.groupId,
    loaded: ({ groupId, members }) => {
      const afterMs = environment.settings(groupId).shareSessionTimeoutMs
      return [...members.keys()].map((memberId) => ({ name: sessionDeadline(memberId), afterMs }))
    },
    expire: (group, deadline) => {
      const draft = new ShareDraft(group, environment)
      const late = [...group.members.keys()].find((memberId) => deadline === sessionDeadline(memberId))
      if (late !== undefined) draft.removeMember(late)
      return draft.finish(undefined)
    },
    stateName,
    isEmpty: ({ members }) => members.size === 0,
    isSubscribed: ({ members }, topic) =>
      [...members.values()].some(({ metadata }) => metadata.subscribedTopicNames.includes(topic)),
    commitVerdict: () => ({ error: 'GROUP_ID_NOT_FOUND' }),
    fetchError: () => 'GROUP_ID_NOT_FOUND',
    tombstones
  }
}

/** Tells of members that leave because their session has expired; everything else is as the rules have it. */
export function watchedRules(
  rules: GroupRules<ShareGroup>,
  left: (groupId: string, memberIds: readonly string[], empty: boolean) => void
): GroupRules<ShareGroup> {
  return {
    ...rules,
    expire: (before, deadline, now) => {
      const change = rules.expire(before, deadline, now)
      const members = change.state?.members ?? new Map()
      const gone = [...before.members.keys()].filter((memberId) => !members.has(memberId))
      if (gone.length > 0) left(before.groupId, gone, members.size === 0)
      return change
    }
  }
}

export function stateName({ members }: ShareGroup): string {
  return members.size === 0 ? 'Empty' : 'Stable'
}

function replay(group: ShareGroup | undefined, stored: LogRecord): ShareGroup | undefined {
  const decoded = decodeShareRecord(stored)
  if (decoded === undefined) return group
  const { groupId, record } = decoded
  if (record.value === null && (group === undefined || record.kind === 'group')) return undefined
  return afterRecords(group ?? emptyShareGroup(groupId), [record])
}

function tombstones({ groupId, members }: ShareGroup): LogRecord[] {
  const ofMembers = (kind: 'current' | 'target' | 'member') =>
    [...members.keys()].map((memberId): ShareRecord => ({ kind, memberId, value: null }))
  const records: ShareRecord[] = [
    ...ofMembers('current'),
    ...ofMembers('target'),
    { kind: 'assignment', value: null },
    ...ofMembers('member'),
    { kind: 'stateTopics', value: null },
    { kind: 'group', value: null }
  ]
  return records.map((record) => encodeShareRecord(groupId, record))
}
