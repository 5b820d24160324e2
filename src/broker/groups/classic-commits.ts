/** Who may commit offsets to a classic group. */
import { type ClassicGroup, type GroupError, memberError } from './group-state.ts'
import type { CommitClaim } from './hosted-group.ts'

/**
 * Whether a commit of offsets may be accepted. A negative generation comes from a client outside the group protocol
 * (a simple consumer, an admin tool) and passes only while nobody is in the group; producers before KIP-447 never say
 * for which member they commit in a transaction.
 */
export function commitError(group: ClassicGroup, commit: CommitClaim): GroupError {
  const { memberId, instanceId, epoch, transactional } = commit
  if (group.state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE'
  if (epoch < 0 && group.state === 'Empty') return 'NONE'
  if (epoch < 0 && memberId === '' && instanceId === null) return transactional ? 'NONE' : 'UNKNOWN_MEMBER_ID'
  const error = memberError(group, memberId, instanceId)
  if (error !== 'NONE') return error
  if (epoch !== group.generation) return 'ILLEGAL_GENERATION'
  // The member knows this generation, but not yet its assignment: what it commits belongs to the one before.
  return group.state === 'CompletingRebalance' && !transactional ? 'REBALANCE_IN_PROGRESS' : 'NONE'
}
