/**
 * The coordinator of classic consumer groups: finds the partition that holds a group, loads it when this broker
 * leads it, and translates between the wire and the state machine. One method per Kafka API; each takes a decoded
 * request and returns the response, with all errors inside it.
 *
 * It decides nothing about membership (`classic-group.ts`), authorizes nothing, and knows no transactions.
 */
import { type Clock, sleep } from '../../runtime/clock.ts'
import { assert, Fault } from '../../runtime/fault.ts'
import type { Log } from '../../runtime/log.ts'
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
import { coordinatorPartition, type RecordLogs } from '../record-log.ts'
import { deleteGroups, describeGroups, listGroups } from './group-administration.ts'
import * as membership from './group-membership.ts'
import { GroupShard, type Route, storageError } from './group-shard.ts'
import { type Answer, defaultGroupSettings, type GroupSettings } from './group-state.ts'
import { commitOffsets, deleteOffsets, fetchOffsets } from './offset-requests.ts'
import type { TopicDirectory } from './offsets.ts'

export interface CoordinatorSettings extends GroupSettings {
  /** Kafka's offset.metadata.max.bytes; like Kafka's, it counts UTF-16 units. */
  readonly offsetMetadataMax: number
  /**
   * How long a request waits for its partition to be loaded before it hears COORDINATOR_LOAD_IN_PROGRESS. Zero is what
   * Kafka does; a short wait spares the very first request to a partition a round of retries.
   */
  readonly loadGraceMs: number
}

export const defaultCoordinatorSettings: CoordinatorSettings = {
  ...defaultGroupSettings,
  offsetMetadataMax: 4_096,
  loadGraceMs: 200
}

export interface GroupCoordinatorOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly logs: RecordLogs
  readonly topics: TopicDirectory
  readonly settings: CoordinatorSettings
}

interface Slot {
  /** The shard once it can serve; a `RouteError` before. */
  route: Route
  /** Settles, without failing, when `route` is final. */
  loading: Promise<void>
}

export class GroupCoordinator {
  readonly #options: GroupCoordinatorOptions
  readonly #slots = new Map<number, Slot>()
  #closed = false

  constructor(options: GroupCoordinatorOptions) {
    this.#options = options
  }

  /** Loads a partition that this broker has come to lead. Requests load partitions by themselves; this is earlier. */
  async load(partition: number): Promise<void> {
    await this.#slot(partition).loading
  }

  /** Gives a partition up, because another broker leads it now: its clients look for the new coordinator. */
  unload(partition: number): void {
    const slot = this.#slots.get(partition)
    this.#slots.delete(partition)
    if (slot?.route instanceof GroupShard) slot.route.close('NOT_COORDINATOR')
  }

  /** Deletes all offsets of a topic that was deleted, in the groups that this broker holds. Fault `unavailable`: try again. */
  async forgetTopic(topic: string): Promise<void> {
    for (const route of await this.#allRoutes()) {
      if (!(route instanceof GroupShard)) continue
      await route.settled()
      const stored = await route.write(route.offsets.deletionOfTopic(topic))
      if (stored !== 'NONE') throw new Fault('unavailable', `offsets of topic ${topic} could not be deleted: ${stored}`)
    }
  }

  /** Cancels all deadlines and refuses whoever waits, and all that come. What is being stored may still become durable. */
  close(): void {
    this.#closed = true
    for (const partition of [...this.#slots.keys()]) this.unload(partition)
  }

  async joinGroup(request: JoinGroupRequest, context: membership.GroupContext): Promise<JoinGroupResponse> {
    const refused = (error: membership.Refusal) =>
      membership.joinResponse({ error, memberId: request.memberId }, context)
    if (request.groupId === '') return refused('INVALID_GROUP_ID')
    const shard = await this.#route(request.groupId)
    if (!(shard instanceof GroupShard)) return refused(shard)
    // A static member's id tells its instance, a dynamic one's its client; the rest makes it unique.
    const newMemberId = `${request.groupInstanceId ?? context.clientId ?? 'member'}-${uuid(this.#options.random)}`
    const answer = await shard.ask(request.groupId, (id) => membership.joinEvent(id, request, context, newMemberId))
    return membership.joinResponse(expect(answer, 'join'), context)
  }

  async syncGroup(request: SyncGroupRequest): Promise<SyncGroupResponse> {
    if (request.groupId === '') return membership.syncResponse({ error: 'INVALID_GROUP_ID' })
    const shard = await this.#route(request.groupId)
    if (!(shard instanceof GroupShard)) return membership.syncResponse({ error: shard })
    const answer = await shard.ask(request.groupId, (id) => membership.syncEvent(id, request))
    return membership.syncResponse(expect(answer, 'sync'))
  }

  async heartbeat(request: HeartbeatRequest): Promise<HeartbeatResponse> {
    if (request.groupId === '') return { throttleTimeMs: 0, errorCode: ErrorCode.INVALID_GROUP_ID }
    const shard = await this.#route(request.groupId)
    // While the group loads no session runs: the member is as alive as it can be.
    if (shard === 'COORDINATOR_LOAD_IN_PROGRESS') return { throttleTimeMs: 0, errorCode: ErrorCode.NONE }
    if (!(shard instanceof GroupShard)) return { throttleTimeMs: 0, errorCode: ErrorCode[shard] }
    const answer = await shard.ask(request.groupId, (id) => membership.heartbeatEvent(id, request))
    return { throttleTimeMs: 0, errorCode: ErrorCode[answer.error] }
  }

  async leaveGroup(request: LeaveGroupRequest, context: membership.GroupContext): Promise<LeaveGroupResponse> {
    const refused = (error: membership.Refusal) => membership.leaveResponse({ error, members: [] }, context)
    if (request.groupId === '') return refused('INVALID_GROUP_ID')
    const shard = await this.#route(request.groupId)
    if (!(shard instanceof GroupShard)) return refused(shard)
    const answer = await shard.ask(request.groupId, (id) => membership.leaveEvent(id, request, context))
    return membership.leaveResponse(expect(answer, 'leave'), context)
  }

  async offsetCommit(request: OffsetCommitRequest, context: membership.GroupContext): Promise<OffsetCommitResponse> {
    const { clock, topics, settings } = this.#options
    const options = { apiVersion: context.apiVersion, metadataMax: settings.offsetMetadataMax, now: clock.now() }
    return commitOffsets(request, await this.#route(request.groupId), topics, options)
  }

  async offsetFetch(request: OffsetFetchRequest, context: membership.GroupContext): Promise<OffsetFetchResponse> {
    const route = (groupId: string) => this.#route(groupId)
    return fetchOffsets(request, route, this.#options.topics, context.apiVersion)
  }

  async offsetDelete(request: OffsetDeleteRequest): Promise<OffsetDeleteResponse> {
    if (request.groupId === '') return { errorCode: ErrorCode.INVALID_GROUP_ID, throttleTimeMs: 0, topics: [] }
    return deleteOffsets(request, await this.#route(request.groupId), this.#options.topics)
  }

  async listGroups(request: ListGroupsRequest): Promise<ListGroupsResponse> {
    return listGroups(request, await this.#allRoutes())
  }

  async describeGroups(
    request: DescribeGroupsRequest,
    context: membership.GroupContext
  ): Promise<DescribeGroupsResponse> {
    return describeGroups(request, (groupId) => this.#route(groupId), context.apiVersion)
  }

  async deleteGroups(request: DeleteGroupsRequest): Promise<DeleteGroupsResponse> {
    return deleteGroups(request, (groupId) => this.#route(groupId))
  }

  async #route(groupId: string): Promise<Route> {
    if (this.#closed) return 'COORDINATOR_NOT_AVAILABLE'
    try {
      const partitions = await this.#options.logs.partitionCount()
      if (partitions === 0) return 'COORDINATOR_NOT_AVAILABLE'
      return await this.#wait(coordinatorPartition(groupId, partitions))
    } catch (error) {
      this.#options.log.warn({ group: groupId, error }, 'the coordinator of a group cannot be told')
      return storageError(error)
    }
  }

  /** One route per partition of the topic: the shards of those this broker leads, the reason for the others. */
  async #allRoutes(): Promise<Route[]> {
    if (this.#closed) return []
    const partitions = await this.#options.logs.partitionCount()
    return Promise.all(Array.from({ length: partitions }, (_, partition) => this.#wait(partition)))
  }

  async #wait(partition: number): Promise<Route> {
    const slot = this.#slot(partition)
    if (slot.route !== 'COORDINATOR_LOAD_IN_PROGRESS') return slot.route
    const patience = new AbortController()
    await Promise.race([slot.loading, sleep(this.#options.clock, this.#options.settings.loadGraceMs, patience.signal)])
    patience.abort()
    return slot.route
  }

  #slot(partition: number): Slot {
    const known = this.#slots.get(partition)
    if (known !== undefined) return known
    const slot: Slot = { route: 'COORDINATOR_LOAD_IN_PROGRESS', loading: Promise.resolve() }
    this.#slots.set(partition, slot)
    slot.loading = this.#open(partition, slot)
    return slot
  }

  async #open(partition: number, slot: Slot): Promise<void> {
    const forget = () => {
      if (this.#slots.get(partition) === slot) this.#slots.delete(partition)
    }
    let route: Route
    try {
      route = await this.#loadShard(partition, forget)
    } catch (error) {
      this.#options.log.warn({ partition, error }, 'group partition could not be loaded')
      route = storageError(error)
    }
    // Given up while it loaded.
    if (route instanceof GroupShard && this.#slots.get(partition) !== slot) {
      route.close('NOT_COORDINATOR')
      route = 'NOT_COORDINATOR'
    }
    slot.route = route
    // Only shards are kept: the next request asks again who leads the partition.
    if (!(route instanceof GroupShard)) forget()
  }

  async #loadShard(partition: number, onFailed: () => void): Promise<Route> {
    const recordLog = await this.#options.logs.open(partition)
    if (recordLog === undefined) return 'NOT_COORDINATOR'
    const shard = new GroupShard(partition, recordLog, this.#options, onFailed)
    try {
      await shard.load()
    } catch (error) {
      shard.close('COORDINATOR_NOT_AVAILABLE')
      throw error
    }
    return shard
  }
}

function expect<K extends Answer['kind']>(answer: Answer, kind: K): Extract<Answer, { kind: K }> {
  assertKind(answer, kind)
  return answer
}

function assertKind<K extends Answer['kind']>(answer: Answer, kind: K): asserts answer is Extract<Answer, { kind: K }> {
  assert(answer.kind === kind, `a ${kind} is answered by a ${kind}, not by a ${answer.kind}`)
}
