/** One group in the memory of its shard: of which type it is, what of it is not durable yet, and its running deadlines. */
import type { LogRecord } from '../record-log.ts'
import { encodeGroupTombstone } from './group-records.ts'
import { type ClassicGroup, type Deadline, emptyGroup, isSubscribed as isSubscribedClassic } from './group-state.ts'
import type { AnyRules, DeadlineChange, HostedState } from './hosted-group.ts'

/** A group as its shard holds it. */
export type ShardGroup =
  | { readonly type: 'classic'; readonly group: ClassicGroup }
  | { readonly type: 'hosted'; readonly rules: AnyRules; readonly state: HostedState }

export interface Entry {
  readonly groupId: string
  content: ShardGroup
  /** Settles when the last record written of this group is durable; undefined when it is. */
  stored: Promise<void> | undefined
  /** Running deadlines by name; each value cancels. */
  readonly deadlines: Map<string, () => void>
}

/** What a change begins with. */
export interface Basis {
  readonly state: HostedState | undefined
  /** Stored before the records of the change, if there are any. */
  readonly records: readonly LogRecord[]
  readonly deadlines: readonly DeadlineChange[]
}

/** Whether a member of the group consumes `topic`, or must be assumed to. */
export function isSubscribed(content: ShardGroup, topic: string): boolean {
  if (content.type === 'hosted') return content.rules.isSubscribed(content.state, topic)
  return isSubscribedClassic(content.group, topic)
}

/** What a group is for the rules of a protocol that are to change it; undefined when it is none of theirs. */
export function basisFor(rules: AnyRules, content: ShardGroup | undefined, now: number): Basis | undefined {
  if (content === undefined) return { state: undefined, records: [], deadlines: [] }
  if (content.type === 'hosted') {
    return content.rules === rules ? { state: content.state, records: [], deadlines: [] } : undefined
  }
  const { group } = content
  const tombstone = encodeGroupTombstone(group.groupId)
  if (group.state === 'Empty') return { state: undefined, records: [tombstone], deadlines: [] }
  const adoption = rules.adopt?.(group, now)
  return adoption && { ...adoption, records: [tombstone, ...adoption.records] }
}

export function tombstones(groupId: string, content: ShardGroup | undefined): readonly LogRecord[] {
  return content?.type === 'hosted' ? content.rules.tombstones(content.state) : [encodeGroupTombstone(groupId)]
}

export function deadEntry(groupId: string, now: number): Entry {
  const group: ClassicGroup = { ...emptyGroup(groupId, now), state: 'Dead' }
  return { groupId, content: { type: 'classic', group }, stored: undefined, deadlines: new Map() }
}

export function deadlineName(deadline: Deadline): string {
  return deadline.kind === 'session' ? `session ${deadline.memberId}` : deadline.kind
}

export function cancelDeadline(entry: Entry, name: string): void {
  entry.deadlines.get(name)?.()
  entry.deadlines.delete(name)
}

export function cancelDeadlines(entry: Entry): void {
  for (const cancel of entry.deadlines.values()) cancel()
  entry.deadlines.clear()
}
