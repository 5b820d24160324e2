/**
 * One consumer group under Kafka's classic protocol: its state, what can happen to it, and what follows.
 *
 * `step(group, event, now, settings)` returns the next state and the effects to perform. It is pure: no clock, no
 * I/O, no waiting. The rules are those of the group coordinator of Apache Kafka 4 (GroupMetadataManager,
 * ClassicGroup; KIP-62, 134, 345, 394, 559, 814).
 *
 * Invariants: the leader is a member; in CompletingRebalance and Stable all members are in one generation; every
 * join and sync is answered exactly once, at the latest when the group is closed.
 *
 * It does not know offsets (`offsets.ts`), storage, or the wire. Because the shell holds back every answer until
 * the records written before it are durable, the machine moves on at once: a leader's sync makes the group Stable
 * here, and followers hear of it once it is on disk.
 */
import { Draft } from './group-draft.ts'
import { join } from './group-join.ts'
import {
  completeJoin,
  expireMember,
  expireSync,
  extendOrCompleteInitialRebalance,
  prepareRebalance
} from './group-rebalance.ts'
import { close, heartbeat, keepAlive, leave, loaded, sync } from './group-session.ts'
import type { ClassicGroup, Deadline, GroupEvent, GroupSettings, Step } from './group-state.ts'

/** What `event` does to `group`. `now` is wall time in milliseconds; it only dates changes of state. */
export function step(group: ClassicGroup, event: GroupEvent, now: number, settings: GroupSettings): Step {
  // Heartbeats are by far the most frequent, and change nothing but a deadline: no working copy for them.
  if (event.type === 'heartbeat') return { group, effects: heartbeat(group, event) }
  if (event.type === 'alive') return { group, effects: keepAlive(group, event.memberId) }
  const draft = new Draft(group, now, settings)
  switch (event.type) {
    case 'join':
      join(draft, event)
      break
    case 'sync':
      sync(draft, event)
      break
    case 'leave':
      leave(draft, event)
      break
    case 'loaded':
      loaded(draft)
      break
    case 'rebalance':
      prepareRebalance(draft, event.reason)
      break
    case 'close':
      close(draft, event.error)
      break
    case 'deadline':
      expire(draft, event.deadline)
  }
  return draft.finish()
}

function expire(draft: Draft, deadline: Deadline): void {
  if (draft.state === 'Dead') return
  if (deadline.kind === 'session') expireMember(draft, deadline.memberId)
  else if (deadline.kind === 'sync') expireSync(draft)
  else if (draft.state !== 'PreparingRebalance') return
  else if (draft.initialRebalance !== null) extendOrCompleteInitialRebalance(draft, draft.initialRebalance)
  else completeJoin(draft)
}
