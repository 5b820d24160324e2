/**
 * Which offsets of a group nobody needs any more (KIP-211): those of topics it does not consume, once they are older
 * than the retention, counted from when the group became empty or from their commit. Pure; the shard deletes them.
 */
import type { CommittedOffset, OffsetTable, OffsetWrite } from './offset-table.ts'
import { isSubscribed, type ShardGroup } from './shard-entry.ts'

export interface Expiry {
  readonly writes: readonly OffsetWrite[]
  /** Nothing would be left of the group. */
  readonly groupExpires: boolean
}

/** When the retention of an offset begins; undefined: not as long as the group is as it is. */
type Since = ((committed: CommittedOffset) => number) | undefined

export function expiryOf(
  groupId: string,
  content: ShardGroup,
  offsets: OffsetTable,
  { now, retentionMs }: { now: number; retentionMs: number }
): Expiry {
  if (content.type === 'hosted' && !content.rules.keepsOffsets) return { writes: [], groupExpires: false }
  const since = retentionStart(content)
  const isExpired = (topic: string, partition: number, committed: CommittedOffset) => {
    if (since === undefined || isSubscribed(content, topic) || offsets.isPending(groupId, topic, partition))
      return false
    if (committed.expireTimestamp !== -1) return now >= committed.expireTimestamp
    return now - since(committed) >= retentionMs
  }
  const writes: OffsetWrite[] = []
  let remaining = 0
  for (const [topic, committedOffsets] of offsets.topics(groupId)) {
    for (const { partition, committed } of committedOffsets) {
      if (isExpired(topic, partition, committed)) writes.push({ groupId, topic, partition, committed: null })
      else remaining++
    }
  }
  return { writes, groupExpires: remaining === 0 && !offsets.hasPending(groupId) && isEmpty(content) }
}

function retentionStart(content: ShardGroup): Since {
  const ofCommit = (committed: CommittedOffset) => committed.commitTimestamp
  if (content.type === 'hosted') return ofCommit
  const { group } = content
  // A simple consumer's group: nobody tells who reads, so every commit counts for itself.
  if (group.protocolType === null) return ofCommit
  if (group.state === 'Empty') return () => group.stateSince
  return group.state === 'Stable' && group.subscribedTopics !== null ? ofCommit : undefined
}

function isEmpty(content: ShardGroup): boolean {
  if (content.type === 'hosted') return content.rules.isEmpty(content.state)
  return content.group.state === 'Empty' && content.group.pendingMembers.size === 0
}
