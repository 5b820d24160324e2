/**
 * Requests of the classic protocol to groups that are not classic: members of consumer groups are answered by
 * `classic-members.ts`, all others are turned away. Undefined: the group is a classic one, or none; ask its shard.
 */
import type { ClassicRequests } from '../group-membership.ts'
import type { GroupShard } from '../group-shard.ts'
import type {
  GroupError,
  HeartbeatAnswer,
  HeartbeatEvent,
  JoinAnswer,
  JoinEvent,
  LeaveAnswer,
  LeaveEvent,
  SyncAnswer,
  SyncEvent
} from '../group-state.ts'
import type { GroupChange } from '../hosted-group.ts'
import {
  decideClassicHeartbeat,
  decideClassicLeave,
  decideJoin,
  decideSync,
  joinRefusal,
  syncRefusal
} from './classic-members.ts'
import type { ConsumerEnvironment } from './consumer-environment.ts'
import type { ConsumerGroup } from './consumer-group.ts'
import type { ConsumerRules } from './consumer-rules.ts'

export class ConsumerClassicRequests implements ClassicRequests {
  readonly #env: ConsumerEnvironment
  readonly #rules: ConsumerRules

  constructor(env: ConsumerEnvironment, rules: ConsumerRules) {
    this.#env = env
    this.#rules = rules
  }

  join(shard: GroupShard, groupId: string, event: Omit<JoinEvent, 'request'>): Promise<JoinAnswer> | undefined {
    const { memberId } = event
    const group = shard.state(this.#rules, groupId)
    if (group !== undefined && group.members.size > 0) {
      return this.#decide(
        shard,
        groupId,
        (state, now) => decideJoin(this.#env, state, event, now),
        (error) => joinRefusal(memberId, error)
      )
    }
    if (memberId !== '' && shard.find(groupId)?.type === 'hosted' && shard.admitsClassic(groupId, false)) {
      return Promise.resolve(joinRefusal(memberId, 'UNKNOWN_MEMBER_ID'))
    }
    if (shard.admitsClassic(groupId, true)) return undefined
    return Promise.resolve(joinRefusal('', 'INCONSISTENT_GROUP_PROTOCOL'))
  }

  sync(shard: GroupShard, groupId: string, event: Omit<SyncEvent, 'request'>): Promise<SyncAnswer> | undefined {
    return this.#ofMember(shard, groupId, (state) => decideSync(this.#env, state, event), syncRefusal)
  }

  heartbeat(
    shard: GroupShard,
    groupId: string,
    event: Omit<HeartbeatEvent, 'request'>
  ): Promise<HeartbeatAnswer> | undefined {
    const refused = (error: GroupError): HeartbeatAnswer => ({ kind: 'heartbeat', error })
    return this.#ofMember(shard, groupId, (state) => decideClassicHeartbeat(state, event), refused)
  }

  leave(shard: GroupShard, groupId: string, event: Omit<LeaveEvent, 'request'>): Promise<LeaveAnswer> | undefined {
    const refused = (error: GroupError): LeaveAnswer => ({ kind: 'leave', error, members: [] })
    const decide = (state: ConsumerGroup, now: number) => decideClassicLeave(this.#env, state, event.members, now)
    return this.#ofMember(shard, groupId, decide, refused)
  }

  #ofMember<Answer>(
    shard: GroupShard,
    groupId: string,
    decide: (state: ConsumerGroup, now: number) => GroupChange<ConsumerGroup, Answer>,
    refused: (error: GroupError) => Answer
  ): Promise<Answer> | undefined {
    if (shard.find(groupId)?.type !== 'hosted') return undefined
    if (shard.state(this.#rules, groupId) === undefined) return Promise.resolve(refused('UNKNOWN_MEMBER_ID'))
    return this.#decide(shard, groupId, decide, refused)
  }

  async #decide<Answer>(
    shard: GroupShard,
    groupId: string,
    decide: (state: ConsumerGroup, now: number) => GroupChange<ConsumerGroup, Answer>,
    refused: (error: GroupError) => Answer
  ): Promise<Answer> {
    const changed = await shard.change(this.#rules, groupId, (state, now) =>
      state === undefined
        ? { state, records: [], deadlines: [], answer: refused('UNKNOWN_MEMBER_ID') }
        : decide(state, now)
    )
    return changed.error === 'NONE' ? changed.answer : refused(changed.error)
  }
}
