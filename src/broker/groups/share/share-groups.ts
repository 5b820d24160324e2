/**
 * Share groups as requests meet them (KIP-932): ShareGroupHeartbeat and ShareGroupDescribe, and what else needs both the
 * group and the share states of its partitions. Decides nothing itself.
 *
 * A share state is made before its partition is given out, and is gone before the group is. Each step is in the group's
 * record before it is begun, so that what a crash interrupts is taken up again.
 */
import { ErrorCode } from '../../../wire/error-codes.ts'
import type {
  ShareGroupHeartbeatRequest,
  ShareGroupHeartbeatResponse
} from '../../../wire/messages/share-group-heartbeat.ts'
import type { ShareStateStore, StateOutcome } from '../../shares/share-state.ts'
import { GroupShard, type Route } from '../group-shard.ts'
import type { GroupChange, GroupRules } from '../hosted-group.ts'
import { ShareDraft, type ShareEnvironment } from './share-draft.ts'
import { type DescribedGroup, describeShareGroup, undescribed } from './share-group-description.ts'
import { emptyShareGroup, type ShareGroup, type ShareRecord, type TopicPartitions } from './share-group-state.ts'
import {
  type HeartbeatAnswer,
  type HeartbeatClient,
  type HeartbeatError,
  heartbeat,
  heartbeatProblem,
  refused
} from './share-heartbeat.ts'
import { allStates, beginDeletion, beginStates, endDeletion, endStates } from './state-topics.ts'

/** Who gives records to the members; told of those that leave. */
export interface ShareMembers {
  endSession(groupId: string, memberId: string): Promise<void>
  groupEmptied(groupId: string): void
}

export interface ShareGroupsParts {
  readonly route: (groupId: string) => Promise<Route>
  /** The ones the shards know. */
  readonly rules: GroupRules<ShareGroup>
  readonly environment: ShareEnvironment
  readonly store: ShareStateStore
  readonly members: ShareMembers
}

/** The outcome for a partition of a topic. */
export interface PartitionOutcome extends StateOutcome {
  readonly topicId: string
  readonly partition: number
}

/** NONE, or why nothing was done at all. */
export type GroupOutcome<Answer> =
  | { readonly error: 'NONE'; readonly answer: Answer }
  | { readonly error: Exclude<HeartbeatError, 'NONE'>; readonly message: string | null }

export class ShareGroups {
  readonly #parts: ShareGroupsParts
  /** By group: the making of states that is under way. */
  readonly #making = new Map<string, Promise<StateOutcome>>()

  constructor(parts: ShareGroupsParts) {
    this.#parts = parts
  }

  async heartbeat(request: ShareGroupHeartbeatRequest, client: HeartbeatClient): Promise<ShareGroupHeartbeatResponse> {
    const problem = heartbeatProblem(request)
    if (problem !== undefined) return refused('INVALID_REQUEST', problem).response
    const { groupId, memberId } = request
    const first = await this.#heartbeat(request, client, false)
    if (first.left !== undefined) {
      await this.#parts.members.endSession(groupId, memberId)
      if (first.left.empty) this.#parts.members.groupEmptied(groupId)
    }
    if (first.missing === undefined) return first.response
    const made = await this.#makeStates(groupId, first.missing.stateEpoch, first.missing.partitions)
    if (made.errorCode !== ErrorCode.NONE) return { ...refused('NONE', null).response, ...made }
    return (await this.#heartbeat(request, client, true)).response
  }

  /** In the order asked for. */
  describe(groupIds: readonly string[]): Promise<DescribedGroup[]> {
    return Promise.all(
      groupIds.map(async (groupId) => {
        if (groupId === '') return undescribed(groupId, 'INVALID_GROUP_ID', null)
        const found = await this.find(groupId)
        if (found.error !== 'NONE') return undescribed(groupId, found.error, found.message)
        return describeShareGroup(found.answer, this.#parts.environment.topics)
      })
    )
  }

  /** The group, as far as it is durable. */
  async find(groupId: string): Promise<GroupOutcome<ShareGroup>> {
    const shard = await this.#parts.route(groupId)
    if (!(shard instanceof GroupShard)) return { error: shard, message: null }
    const settled = await shard.settled()
    if (settled !== 'NONE') return { error: settled, message: null }
    const group = shard.state(this.#parts.rules, groupId)
    if (group === undefined) return { error: 'GROUP_ID_NOT_FOUND', message: `Share group ${groupId} not found.` }
    return { error: 'NONE', answer: group }
  }

  /** Lets an empty group, or a new one, begin at these offsets: by the id of the topic and the partition. */
  async alterOffsets(
    groupId: string,
    offsets: ReadonlyMap<string, ReadonlyMap<number, number>>
  ): Promise<GroupOutcome<readonly PartitionOutcome[]>> {
    const { environment, store, members } = this.#parts
    const partitions = new Map([...offsets].map(([topicId, starts]) => [topicId, [...starts.keys()]]))
    const begun = await this.#change(groupId, true, (draft) => {
      // So that the group is there although nobody was ever in it.
      if (draft.group.epoch === 0) draft.bumpEpoch()
      draft.put(stateTopics(beginStates(draft.group.stateTopics, partitions, environment.topics)))
      return draft.group.epoch
    })
    if (begun.error !== 'NONE') return begun
    const stateEpoch = begun.answer
    const outcomes = await this.#eachPartition(groupId, partitions, (key) =>
      store.initialize(key, { stateEpoch, startOffset: offsets.get(key.topicId)?.get(key.partition) ?? 0 })
    )
    const made = partitionsOf(outcomes.filter(({ errorCode }) => errorCode === ErrorCode.NONE))
    const ended = await this.#change(groupId, false, (draft) => {
      draft.put(stateTopics(endStates(draft.group.stateTopics, made, true, environment.topics)))
    })
    // Whoever still has the old state must read it anew.
    members.groupEmptied(groupId)
    return ended.error === 'NONE' ? { error: 'NONE', answer: outcomes } : ended
  }

  /** Deletes the states of topics, by their ids, of an empty group; topics without any are not in the answer. */
  async deleteOffsets(
    groupId: string,
    topicIds: readonly string[]
  ): Promise<GroupOutcome<ReadonlyMap<string, StateOutcome>>> {
    const { topics } = this.#parts.environment
    const begun = await this.#change(
      groupId,
      true,
      (draft) => {
        const states = allStates(draft.group.stateTopics, topics)
        const wanted = new Map([...states].filter(([topicId]) => topicIds.includes(topicId)))
        draft.put(stateTopics(beginDeletion(draft.group.stateTopics, new Set(wanted.keys()), topics)))
        return wanted
      },
      false
    )
    if (begun.error !== 'NONE') return begun
    return this.#deleteStates(groupId, begun.answer)
  }

  /** What has to go before an empty group does. */
  async cleanUp(groupId: string): Promise<HeartbeatError> {
    const found = await this.find(groupId)
    if (found.error !== 'NONE') return found.error
    const states = allStates(found.answer.stateTopics, this.#parts.environment.topics)
    const deleted = await this.deleteOffsets(groupId, [...states.keys()])
    if (deleted.error !== 'NONE') return deleted.error
    const failed = [...deleted.answer.values()].find(({ errorCode }) => errorCode !== ErrorCode.NONE)
    return failed === undefined ? 'NONE' : errorName(failed.errorCode)
  }

  async #heartbeat(
    request: ShareGroupHeartbeatRequest,
    client: HeartbeatClient,
    final: boolean
  ): Promise<HeartbeatAnswer> {
    const { route, rules, environment } = this.#parts
    const shard = await route(request.groupId)
    if (!(shard instanceof GroupShard)) return refused(shard, null)
    const changed = await shard.change(rules, request.groupId, (group, now) =>
      heartbeat(group, request, client, environment, now, final)
    )
    if (changed.error === 'NONE') return changed.answer
    return refused(changed.error, changed.error === 'GROUP_ID_NOT_FOUND' ? notShare(request.groupId) : null)
  }

  /** Makes states once, however many ask for them. */
  #makeStates(groupId: string, stateEpoch: number, partitions: TopicPartitions): Promise<StateOutcome> {
    const running = this.#making.get(groupId)
    if (running !== undefined) return running
    const making = this.#makeAll(groupId, stateEpoch, partitions).finally(() => this.#making.delete(groupId))
    this.#making.set(groupId, making)
    return making
  }

  async #makeAll(groupId: string, stateEpoch: number, partitions: TopicPartitions): Promise<StateOutcome> {
    const { store, environment } = this.#parts
    const outcomes = await this.#eachPartition(groupId, partitions, (key) =>
      store.initialize(key, { stateEpoch, startOffset: -1 })
    )
    const failed = outcomes.find(({ errorCode }) => errorCode !== ErrorCode.NONE)
    const ended = await this.#change(groupId, false, (draft) => {
      draft.put(stateTopics(endStates(draft.group.stateTopics, partitions, failed === undefined, environment.topics)))
    })
    if (failed !== undefined) return { errorCode: failed.errorCode, errorMessage: failed.errorMessage }
    return ended.error === 'NONE' ? DONE : { errorCode: ErrorCode[ended.error], errorMessage: ended.message }
  }

  async #deleteStates(
    groupId: string,
    partitions: TopicPartitions
  ): Promise<GroupOutcome<ReadonlyMap<string, StateOutcome>>> {
    const { store, environment, members } = this.#parts
    const outcomes = await this.#eachPartition(groupId, partitions, (key) => store.delete(key))
    members.groupEmptied(groupId)
    const byTopic = new Map<string, StateOutcome>()
    for (const { topicId, errorCode, errorMessage } of outcomes) {
      const before = byTopic.get(topicId) ?? DONE
      byTopic.set(topicId, before.errorCode === ErrorCode.NONE ? { errorCode, errorMessage } : before)
    }
    const deleted = [...byTopic].filter(([, { errorCode }]) => errorCode === ErrorCode.NONE).map(([topicId]) => topicId)
    const ended = await this.#change(groupId, false, (draft) => {
      draft.put(stateTopics(endDeletion(draft.group.stateTopics, new Set(deleted), environment.topics)))
    })
    return ended.error === 'NONE' ? { error: 'NONE', answer: byTopic } : ended
  }

  /** `whileEmpty`: refused when somebody is in the group. `create`: of a group that is not there, one is made. */
  async #change<Answer>(
    groupId: string,
    whileEmpty: boolean,
    change: (draft: ShareDraft) => Answer,
    create = whileEmpty
  ): Promise<GroupOutcome<Answer>> {
    const { route, rules, environment } = this.#parts
    const shard = await route(groupId)
    if (!(shard instanceof GroupShard)) return { error: shard, message: null }
    const changed = await shard.change(rules, groupId, (group): GroupChange<ShareGroup, GroupOutcome<Answer>> => {
      const unchanged = { state: group, records: [], deadlines: [] }
      if (group === undefined && !create) {
        return { ...unchanged, answer: { error: 'GROUP_ID_NOT_FOUND', message: `Share group ${groupId} not found.` } }
      }
      if (whileEmpty && group !== undefined && group.members.size > 0) {
        return { ...unchanged, answer: { error: 'NON_EMPTY_GROUP', message: 'The group has members.' } }
      }
      const draft = new ShareDraft(group ?? emptyShareGroup(groupId), environment)
      return draft.finish({ error: 'NONE', answer: change(draft) })
    })
    if (changed.error === 'NONE') return changed.answer
    return { error: changed.error, message: changed.error === 'GROUP_ID_NOT_FOUND' ? notShare(groupId) : null }
  }

  #eachPartition(
    groupId: string,
    partitions: TopicPartitions,
    ask: (key: { groupId: string; topicId: string; partition: number }) => Promise<StateOutcome>
  ): Promise<PartitionOutcome[]> {
    const keys = [...partitions].flatMap(([topicId, indexes]) => indexes.map((partition) => ({ topicId, partition })))
    return Promise.all(keys.map(async (key) => ({ ...key, ...(await ask({ groupId, ...key })) })))
  }
}

const DONE: StateOutcome = { errorCode: ErrorCode.NONE, errorMessage: null }

function stateTopics(value: ShareGroup['stateTopics']): ShareRecord {
  return { kind: 'stateTopics', value }
}

function partitionsOf(outcomes: readonly PartitionOutcome[]): TopicPartitions {
  const partitions = new Map<string, number[]>()
  for (const { topicId, partition } of outcomes) {
    partitions.set(topicId, [...(partitions.get(topicId) ?? []), partition])
  }
  return partitions
}

function notShare(groupId: string): string {
  return `Group ${groupId} is not a share group.`
}

function errorName(code: number): HeartbeatError {
  const known = Object.entries(ErrorCode).find(([, value]) => value === code)
  return (known?.[0] as HeartbeatError | undefined) ?? 'UNKNOWN_SERVER_ERROR'
}
