/** ConsumerGroupHeartbeat (KIP-848): what a group makes of it. Pure; the shard stores and answers. */
import type { GroupChange } from '../hosted-group.ts'
import { type Assignment, sameEpochAssignment, withoutEpochs } from './assignment.ts'
import { ConsumerDraft, sessionDeadline } from './consumer-draft.ts'
import { type ConsumerEnvironment, type Refusal, refusal } from './consumer-environment.ts'
import {
  type ConsumerGroup,
  type ConsumerMember,
  emptyConsumerGroup,
  LEAVE_EPOCH,
  memberOfInstance,
  STATIC_LEAVE_EPOCH
} from './consumer-group.ts'
import { admit, staticProblem, unknownMember } from './member-admission.ts'
import { changesTopics, moveMember, updateEpoch, updateSubscription, updateTargets } from './member-progress.ts'
import { removeMembers } from './member-removal.ts'

export interface Heartbeat {
  readonly groupId: string
  /** Not empty: a member without an id was given one. */
  readonly memberId: string
  readonly memberEpoch: number
  readonly instanceId: string | null
  readonly rackId: string | null
  readonly clientId: string
  readonly clientHost: string
  /** -1: unchanged; null below: unchanged. */
  readonly rebalanceTimeoutMs: number
  readonly topicNames: readonly string[] | null
  readonly topicRegex: string | null
  readonly assignor: string | null
  readonly owned: Assignment | null
}

export type HeartbeatAnswer =
  | Refusal
  | {
      readonly error: 'NONE'
      readonly memberId: string
      readonly memberEpoch: number
      /** Null: as before. */
      readonly assignment: Assignment | null
    }

type Outcome = GroupChange<ConsumerGroup, HeartbeatAnswer>

export function decideHeartbeat(
  env: ConsumerEnvironment,
  state: ConsumerGroup | undefined,
  beat: Heartbeat,
  now: number
): Outcome {
  const leaves = beat.memberEpoch === LEAVE_EPOCH || beat.memberEpoch === STATIC_LEAVE_EPOCH
  if (state === undefined && beat.memberEpoch !== 0) {
    return refuse(state, refusal('GROUP_ID_NOT_FOUND', `Group ${beat.groupId} not found.`))
  }
  const draft = new ConsumerDraft(state ?? emptyConsumerGroup(beat.groupId))
  return leaves ? leave(env, draft, state, beat, now) : stay(env, draft, state, beat, now)
}

/** Nothing has changed. */
function refuse(state: ConsumerGroup | undefined, answer: Refusal): Outcome {
  return { state, records: [], deadlines: [], answer }
}

function stay(
  env: ConsumerEnvironment,
  draft: ConsumerDraft,
  state: ConsumerGroup | undefined,
  beat: Heartbeat,
  now: number
): Outcome {
  const { memberId, memberEpoch, instanceId, owned } = beat
  if (draft.group.members.size >= env.settings.maxSize && !draft.group.members.has(memberId)) {
    const limit = `The group has reached its limit of ${env.settings.maxSize} members.`
    return refuse(state, refusal('GROUP_MAX_SIZE_REACHED', limit))
  }
  const member = admit(draft, { memberId, instanceId, epoch: memberEpoch, owned, joins: memberEpoch === 0 })
  if ('error' in member) return refuse(state, member)
  const told = updated(member, beat)
  const changed = updateSubscription(env, draft, member, told)
  if (typeof changed !== 'boolean') return refuse(state, changed)
  updateEpoch(env, draft, changesTopics(draft, member, told), now)
  updateTargets(env, draft, now)
  const moved = moveMember(env, draft, memberId, { subscriptionChanged: changed, owned })
  if ('error' in moved) return refuse(state, moved)
  draft.setDeadline(sessionDeadline(memberId), env.settingsOf(beat.groupId).consumerSessionTimeoutMs)
  const isFull = beat.rebalanceTimeoutMs !== -1 && (beat.topicNames ?? beat.topicRegex) !== null && owned !== null
  const tells = memberEpoch === 0 || isFull || !sameEpochAssignment(member.assigned, moved.assigned)
  const assignment = tells ? withoutEpochs(moved.assigned) : null
  return draft.finish({ error: 'NONE', memberId, memberEpoch: moved.epoch, assignment })
}

/** The member as the heartbeat says it is: it speaks the newer protocol from now on. */
function updated(member: ConsumerMember, beat: Heartbeat): ConsumerMember {
  return {
    ...member,
    instanceId: beat.instanceId ?? member.instanceId,
    rackId: beat.rackId ?? member.rackId,
    rebalanceTimeoutMs: beat.rebalanceTimeoutMs === -1 ? member.rebalanceTimeoutMs : beat.rebalanceTimeoutMs,
    assignor: beat.assignor ?? member.assignor,
    topicNames: beat.topicNames ?? member.topicNames,
    topicRegex: beat.topicRegex ?? member.topicRegex,
    clientId: beat.clientId,
    clientHost: beat.clientHost,
    classic: null
  }
}

function leave(
  env: ConsumerEnvironment,
  draft: ConsumerDraft,
  state: ConsumerGroup | undefined,
  beat: Heartbeat,
  now: number
): Outcome {
  const { memberId, instanceId, memberEpoch } = beat
  const answer = { error: 'NONE', memberId, memberEpoch, assignment: null } as const
  if (instanceId === null) {
    const known = draft.group.members.has(memberId)
    return known ? removeMembers(env, draft, [memberId], now, answer) : refuse(state, unknownMember(draft, memberId))
  }
  const holder = memberOfInstance(draft.before, instanceId)
  if (holder === undefined || holder.memberId !== memberId) return refuse(state, staticProblem(holder, instanceId))
  if (memberEpoch !== STATIC_LEAVE_EPOCH) return removeMembers(env, draft, [memberId], now, answer)
  // It keeps its partitions for whoever returns under its instance id before the session ends.
  const assigned = new Map(
    [...holder.assigned].map(([id, epochs]) => [id, new Map([...epochs.keys()].map((p) => [p, 0]))])
  )
  draft.putProgress(memberId, { ...holder, epoch: STATIC_LEAVE_EPOCH, assigned, pendingRevocation: new Map() })
  return draft.finish(answer)
}
