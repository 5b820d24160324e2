/**
 * The coordinator of groups, as far as members of the classic protocol and administrators ask it: finds the shard that
 * holds a group and translates between the wire and the state machine. One method per Kafka API; each takes a decoded
 * request and returns the response, with all errors inside it.
 *
 * It decides nothing about membership (`classic-group.ts`) nor about the outcome of transactions, and authorizes nothing.
 */
import type { Clock } from '../../runtime/clock.ts'
import { assert, Fault } from '../../runtime/fault.ts'
import { type Random, uuid } from '../../runtime/random.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { DeleteGroupsRequest, DeleteGroupsResponse } from '../../wire/messages/delete-groups.ts'
import type { DescribeGroupsRequest, DescribeGroupsResponse } from '../../wire/messages/describe-groups.ts'
import type { HeartbeatRequest, HeartbeatResponse } from '../../wire/messages/heartbeat.ts'
import type { JoinGroupRequest, JoinGroupResponse } from '../../wire/messages/join-group.ts'
import type { LeaveGroupRequest, LeaveGroupResponse } from '../../wire/messages/leave-group.ts'
import type { ListGroupsRequest, ListGroupsResponse } from '../../wire/messages/list-groups.ts'
import type { OffsetCommitRequest, OffsetCommitResponse } from '../../wire/messages/offset-commit.ts'
import type { OffsetDeleteRequest, OffsetDeleteResponse } from '../../wire/messages/offset-delete.ts'
import type { OffsetFetchRequest, OffsetFetchResponse } from '../../wire/messages/offset-fetch.ts'
import type { SyncGroupRequest, SyncGroupResponse } from '../../wire/messages/sync-group.ts'
import type { TxnOffsetCommitRequest, TxnOffsetCommitResponse } from '../../wire/messages/txn-offset-commit.ts'
import type { TransactionEnd } from '../record-log.ts'
import type { TransactionVerification } from '../transactions/transaction-partitions.ts'
import type { MigrationPolicy } from './consumer/consumer-environment.ts'
import { deleteGroups, describeGroups, type GroupCleanups, listGroups } from './group-administration.ts'
import * as membership from './group-membership.ts'
import { GroupShard, type ShardSettings } from './group-shard.ts'
import type { GroupShards } from './group-shards.ts'
import { type Answer, defaultGroupSettings } from './group-state.ts'
import { type CommitOptions, commitOffsets, commitOffsetsInTransaction } from './offset-commits.ts'
import { deleteOffsets, fetchOffsets } from './offset-requests.ts'
import type { TopicDirectory } from './topic-directory.ts'

export interface CoordinatorSettings extends ShardSettings {
  /** Kafka's offset.metadata.max.bytes; like Kafka's, it counts UTF-16 units. */
  readonly offsetMetadataMax: number
  /** Kafka's group.consumer.migration.policy. */
  readonly migrationPolicy: MigrationPolicy
  /** See `GroupShardsOptions`. */
  readonly loadGraceMs: number
}

export const defaultCoordinatorSettings: CoordinatorSettings = {
  ...defaultGroupSettings,
  offsetsRetentionMs: 7 * 24 * 3_600_000,
  offsetsRetentionCheckMs: 600_000,
  offsetMetadataMax: 4_096,
  migrationPolicy: 'bidirectional',
  loadGraceMs: 200
}

export interface GroupCoordinatorOptions {
  readonly clock: Clock
  readonly random: Random
  readonly shards: GroupShards
  readonly topics: TopicDirectory
  readonly settings: CoordinatorSettings
  /** Whether a transaction that commits offsets is open, by its coordinator. */
  readonly verification: Pick<TransactionVerification, 'verify'>
  /** Members of the classic protocol in groups of another. */
  readonly classicRequests: membership.ClassicRequests
  readonly cleanups?: GroupCleanups
}

export class GroupCoordinator {
  readonly #options: GroupCoordinatorOptions
  readonly #shards: GroupShards

  constructor(options: GroupCoordinatorOptions) {
    this.#options = options
    this.#shards = options.shards
  }

  /** Deletes all offsets of a topic that was deleted, in the groups that this broker holds. Fault `unavailable`: try again. */
  async forgetTopic(topic: string): Promise<void> {
    // A topic of the same name may be there again, with commits of its own.
    const survivor = this.#options.topics.topicId(topic)
    for (const route of await this.#shards.all()) {
      if (!(route instanceof GroupShard)) continue
      await route.settled()
      const stored = await route.write(route.offsets.deletionOfTopic(topic, survivor))
      if (stored !== 'NONE') throw new Fault('unavailable', `offsets of topic ${topic} could not be deleted: ${stored}`)
    }
  }

  async joinGroup(request: JoinGroupRequest, context: membership.GroupContext): Promise<JoinGroupResponse> {
    const refused = (error: membership.Refusal) =>
      membership.joinResponse({ error, memberId: request.memberId }, context)
    if (request.groupId === '') return refused('INVALID_GROUP_ID')
    const shard = await this.#shards.route(request.groupId)
    if (!(shard instanceof GroupShard)) return refused(shard)
    // A static member's id tells its instance, a dynamic one's its client; the rest makes it unique.
    const newMemberId = `${request.groupInstanceId ?? context.clientId ?? 'member'}-${uuid(this.#options.random)}`
    const event = membership.joinEvent(request, context, newMemberId)
    const { groupId } = request
    const elsewhere = this.#options.classicRequests.join(shard, groupId, event)
    const answer = elsewhere ?? shard.ask(groupId, (request) => ({ ...event, request }))
    return membership.joinResponse(expect(await answer, 'join'), context)
  }

  async syncGroup(request: SyncGroupRequest): Promise<SyncGroupResponse> {
    if (request.groupId === '') return membership.syncResponse({ error: 'INVALID_GROUP_ID' })
    const shard = await this.#shards.route(request.groupId)
    if (!(shard instanceof GroupShard)) return membership.syncResponse({ error: shard })
    const { groupId } = request
    const event = membership.syncEvent(request)
    const elsewhere = this.#options.classicRequests.sync(shard, groupId, event)
    const answer = elsewhere ?? shard.ask(groupId, (request) => ({ ...event, request }))
    return membership.syncResponse(expect(await answer, 'sync'))
  }

  async heartbeat(request: HeartbeatRequest): Promise<HeartbeatResponse> {
    if (request.groupId === '') return { throttleTimeMs: 0, errorCode: ErrorCode.INVALID_GROUP_ID }
    const shard = await this.#shards.route(request.groupId)
    // While the group loads no session runs: the member is as alive as it can be.
    if (shard === 'COORDINATOR_LOAD_IN_PROGRESS') return { throttleTimeMs: 0, errorCode: ErrorCode.NONE }
    if (!(shard instanceof GroupShard)) return { throttleTimeMs: 0, errorCode: ErrorCode[shard] }
    const { groupId } = request
    const event = membership.heartbeatEvent(request)
    const elsewhere = this.#options.classicRequests.heartbeat(shard, groupId, event)
    const answer = elsewhere ?? shard.ask(groupId, (request) => ({ ...event, request }))
    return { throttleTimeMs: 0, errorCode: ErrorCode[(await answer).error] }
  }

  async leaveGroup(request: LeaveGroupRequest, context: membership.GroupContext): Promise<LeaveGroupResponse> {
    const refused = (error: membership.Refusal) => membership.leaveResponse({ error, members: [] }, context)
    if (request.groupId === '') return refused('INVALID_GROUP_ID')
    const shard = await this.#shards.route(request.groupId)
    if (!(shard instanceof GroupShard)) return refused(shard)
    const { groupId } = request
    const event = membership.leaveEvent(request, context)
    const elsewhere = this.#options.classicRequests.leave(shard, groupId, event)
    const answer = elsewhere ?? shard.ask(groupId, (request) => ({ ...event, request }))
    return membership.leaveResponse(expect(await answer, 'leave'), context)
  }

  async offsetCommit(request: OffsetCommitRequest, context: membership.GroupContext): Promise<OffsetCommitResponse> {
    const route = await this.#shards.route(request.groupId)
    return commitOffsets(request, route, this.#commitOptions(context.apiVersion))
  }

  async txnOffsetCommit(
    request: TxnOffsetCommitRequest,
    context: membership.GroupContext
  ): Promise<TxnOffsetCommitResponse> {
    const route = request.groupId === '' ? 'INVALID_GROUP_ID' : await this.#shards.route(request.groupId)
    const { verification } = this.#options
    return commitOffsetsInTransaction(request, route, verification, this.#commitOptions(context.apiVersion))
  }

  /**
   * Ends a producer's transaction in a partition of `__consumer_offsets`: what it committed there counts from now on, or
   * never did. Resolves once that is durable. Throws `Fault` (`fenced`: ask another broker; others: try again) or
   * `BatchRefused`.
   */
  async endTransaction(partition: number, transactionEnd: TransactionEnd): Promise<void> {
    const route = await this.#shards.at(partition)
    if (route instanceof GroupShard) return route.endTransaction(transactionEnd)
    const kind = route === 'NOT_COORDINATOR' ? 'fenced' : 'unavailable'
    throw new Fault(kind, `The end of a transaction cannot be stored in partition ${partition}: ${route}.`)
  }

  #commitOptions(apiVersion: number): CommitOptions {
    const { clock, topics, settings } = this.#options
    return { apiVersion, topics, metadataMax: settings.offsetMetadataMax, now: clock.now() }
  }

  async offsetFetch(request: OffsetFetchRequest, context: membership.GroupContext): Promise<OffsetFetchResponse> {
    const route = (groupId: string) => this.#shards.route(groupId)
    return fetchOffsets(request, route, this.#options.topics, context.apiVersion)
  }

  async offsetDelete(request: OffsetDeleteRequest): Promise<OffsetDeleteResponse> {
    if (request.groupId === '') return { errorCode: ErrorCode.INVALID_GROUP_ID, throttleTimeMs: 0, topics: [] }
    return deleteOffsets(request, await this.#shards.route(request.groupId), this.#options.topics)
  }

  async listGroups(request: ListGroupsRequest): Promise<ListGroupsResponse> {
    return listGroups(request, await this.#shards.all())
  }

  async describeGroups(
    request: DescribeGroupsRequest,
    context: membership.GroupContext
  ): Promise<DescribeGroupsResponse> {
    return describeGroups(request, (groupId) => this.#shards.route(groupId), context.apiVersion)
  }

  async deleteGroups(request: DeleteGroupsRequest): Promise<DeleteGroupsResponse> {
    return deleteGroups(request, (groupId) => this.#shards.route(groupId), this.#options.cleanups ?? {})
  }
}

function expect<K extends Answer['kind']>(answer: Answer, kind: K): Extract<Answer, { kind: K }> {
  assertKind(answer, kind)
  return answer
}

function assertKind<K extends Answer['kind']>(answer: Answer, kind: K): asserts answer is Extract<Answer, { kind: K }> {
  assert(answer.kind === kind, `a ${kind} is answered by a ${kind}, not by a ${answer.kind}`)
}
