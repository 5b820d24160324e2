/** A coordinator over a log in memory and virtual time, for tests, with requests as short as their tests want them. */

import { silentLog } from '../../runtime/log.ts'
import { seededRandom } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse
} from '../../wire/messages/consumer-group-heartbeat.ts'
import type { JoinGroupRequest, JoinGroupResponse } from '../../wire/messages/join-group.ts'
import type { OffsetCommitRequest } from '../../wire/messages/offset-commit.ts'
import type { OffsetFetchRequest } from '../../wire/messages/offset-fetch.ts'
import type { SyncGroupResponse } from '../../wire/messages/sync-group.ts'
import { DEFAULT_GROUP_SETTINGS, type GroupSettings } from '../group-settings.ts'
import { MemoryRecordLogs } from '../memory-record-logs.ts'
import type { VerificationRequest } from '../transactions/transaction-partitions.ts'
import { createConsumerGroups } from './consumer/consumer-composition.ts'
import type { ConsumerGroups } from './consumer/consumer-groups.ts'
import { type CoordinatorSettings, defaultCoordinatorSettings, GroupCoordinator } from './group-coordinator.ts'
import type { GroupContext } from './group-membership.ts'
import { createGroupShards, type GroupShards } from './group-shards.ts'
import type { TopicDirectory } from './topic-directory.ts'

export const context = (apiVersion: number): GroupContext => ({
  apiVersion,
  clientId: 'truck',
  clientHost: '/127.0.0.1'
})

/** Topics of three partitions each, by name; their ids can be changed as deleting and creating them anew would. */
class FixtureTopics implements TopicDirectory {
  readonly ids = new Map([
    ['cars', 'carsAAAAAAAAAAAAAAAAAA'],
    ['boats', 'boatsAAAAAAAAAAAAAAAAA']
  ])
  changes = 0

  topicExists(topic: string, partition: number): boolean {
    return this.ids.has(topic) && partition >= 0 && partition < 3
  }

  topicName(id: string): string | undefined {
    return [...this.ids].find(([, known]) => known === id)?.[0]
  }

  topicId(topic: string): string | undefined {
    return this.ids.get(topic)
  }

  partitionCount(topic: string): number | undefined {
    return this.ids.has(topic) ? 3 : undefined
  }

  names(): Iterable<string> {
    return this.ids.keys()
  }

  revision(): number {
    return this.changes
  }
}

export class CoordinatorFixture {
  readonly clock = new VirtualClock()
  readonly topics = new FixtureTopics()
  readonly logs: MemoryRecordLogs
  readonly settings: CoordinatorSettings
  shards!: GroupShards
  coordinator!: GroupCoordinator
  consumerGroups!: ConsumerGroups
  groupSettings: GroupSettings = DEFAULT_GROUP_SETTINGS
  /** What the coordinator of transactions says of all of them. */
  verified: number = ErrorCode.NONE
  readonly verifications: VerificationRequest[] = []
  readonly verification = {
    verify: async (request: VerificationRequest): Promise<number[]> => {
      this.verifications.push(request)
      return request.partitions.map(() => this.verified)
    }
  }
  #seed = 1

  constructor(settings: Partial<CoordinatorSettings> = {}, logs = new MemoryRecordLogs()) {
    this.logs = logs
    this.settings = { ...defaultCoordinatorSettings, ...settings }
    this.#create()
  }

  #create(): void {
    const { clock, logs, topics, settings } = this
    const { loadGraceMs } = settings
    const random = seededRandom(this.#seed++)
    const settingsOf = () => this.groupSettings
    const consumers = createConsumerGroups({ clock, random, topics, settings, settingsOf })
    const { classicRequests } = consumers
    this.shards = createGroupShards({ clock, log: silentLog, logs, settings, rules: [consumers.rules], loadGraceMs })
    const { shards, verification } = this
    this.coordinator = new GroupCoordinator({ clock, random, shards, topics, settings, verification, classicRequests })
    this.consumerGroups = consumers.groups(this.shards)
  }

  /** The process ends and another one starts on the same log. */
  restart(): void {
    this.shards.close()
    this.#create()
  }

  join(fields: Partial<JoinGroupRequest> = {}, apiVersion = 9): Promise<JoinGroupResponse> {
    const request: JoinGroupRequest = {
      groupId: 'fleet',
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.from('000100000001000463617273ffffffff', 'hex') }],
      reason: null,
      ...fields
    }
    return this.coordinator.joinGroup(request, context(apiVersion))
  }

  sync(memberId: string, generationId: number, groupInstanceId: string | null = null): Promise<SyncGroupResponse> {
    const assignments = [{ memberId, assignment: Buffer.from('everything') }]
    const protocol = { protocolType: 'consumer', protocolName: 'range' }
    return this.coordinator.syncGroup({
      groupId: 'fleet',
      generationId,
      memberId,
      groupInstanceId,
      assignments,
      ...protocol
    })
  }

  async heartbeat(memberId: string, generationId: number, groupInstanceId: string | null = null): Promise<number> {
    const request = { groupId: 'fleet', generationId, memberId, groupInstanceId }
    return (await this.coordinator.heartbeat(request)).errorCode
  }

  /** A group of one member that is stable; returns the member's id. */
  async stable(fields: Partial<JoinGroupRequest> = {}): Promise<string> {
    const joining = this.join(fields, 3)
    await this.clock.advance(0)
    const { memberId, generationId } = await joining
    await this.sync(memberId, generationId, fields.groupInstanceId ?? null)
    return memberId
  }

  /** A heartbeat of the newer protocol; joins `fleet` and subscribes to `cars` unless `fields` say otherwise. */
  consumerHeartbeat(
    fields: Partial<ConsumerGroupHeartbeatRequest> & { memberId: string }
  ): Promise<ConsumerGroupHeartbeatResponse> {
    const joins = (fields.memberEpoch ?? 0) === 0
    const request: ConsumerGroupHeartbeatRequest = {
      groupId: 'fleet',
      memberEpoch: 0,
      instanceId: null,
      rackId: null,
      rebalanceTimeoutMs: joins ? 60_000 : -1,
      subscribedTopicNames: joins ? ['cars'] : null,
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: joins ? [] : null,
      ...fields
    }
    return this.consumerGroups.heartbeat(request, context(1))
  }

  /** Type and state of a group, as ListGroups shows them. */
  async listed(groupId = 'fleet'): Promise<string | undefined> {
    const { groups } = await this.coordinator.listGroups({ statesFilter: [], typesFilter: [] })
    const group = groups.find((one) => one.groupId === groupId)
    return group && `${group.groupType} ${group.groupState}`
  }

  commitRequest(offset: number, fields: Partial<OffsetCommitRequest> = {}): OffsetCommitRequest {
    const partition = { committedLeaderEpoch: 4, committedMetadata: 'note', committedOffset: offset }
    return {
      groupId: 'fleet',
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      retentionTimeMs: -1,
      topics: [{ name: 'cars', topicId: ZERO_UUID, partitions: [{ partitionIndex: 0, ...partition }] }],
      ...fields
    }
  }

  /** Commits one offset of partition 0 of `cars` and returns the error code. */
  async commit(offset: number, fields: Partial<OffsetCommitRequest> = {}, apiVersion = 9): Promise<number | undefined> {
    const answer = await this.coordinator.offsetCommit(this.commitRequest(offset, fields), context(apiVersion))
    return answer.topics[0]?.partitions[0]?.errorCode
  }

  fetchRequest(fields: Partial<OffsetFetchRequest['groups'][number]> = {}, requireStable = false): OffsetFetchRequest {
    const topics = [{ name: 'cars', topicId: ZERO_UUID, partitionIndexes: [0] }]
    const group = { groupId: 'fleet', memberId: null, memberEpoch: -1, topics, ...fields }
    return { groupId: '', topics: [], groups: [group], requireStable }
  }

  /** The committed offset of partition 0 of `cars`; -1 when there is none. */
  async committed(requireStable = false): Promise<number | undefined> {
    const answer = await this.coordinator.offsetFetch(this.fetchRequest({}, requireStable), context(9))
    return answer.groups[0]?.topics[0]?.partitions[0]?.committedOffset
  }
}

/** Whether a promise is still open once everything that could happen has happened. */
export async function isOpen(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol()
  const turn = new Promise((resolve) => setImmediate(() => resolve(open)))
  return (await Promise.race([promise, turn])) === open
}
