import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { ZERO_UUID } from '../../wire/buffers.ts'
import { errorName } from '../../wire/error-codes.ts'
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../wire/messages/delete-topics.ts'
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../../wire/messages/find-coordinator.ts'
import { HeartbeatRequest, HeartbeatResponse } from '../../wire/messages/heartbeat.ts'
import { JoinGroupRequest, JoinGroupResponse } from '../../wire/messages/join-group.ts'
import { OffsetCommitRequest, OffsetCommitResponse } from '../../wire/messages/offset-commit.ts'
import { OffsetFetchRequest, OffsetFetchResponse } from '../../wire/messages/offset-fetch.ts'
import { SyncGroupRequest, SyncGroupResponse } from '../../wire/messages/sync-group.ts'
import { type BrokerFixture, pair } from '../broker-fixture.ts'
import { ClusterFixture } from '../cluster-fixture.ts'
import { coordinatorPartition } from '../record-log.ts'
import { OFFSETS_TOPIC } from '../topic-names.ts'

const FIND = pair(FindCoordinatorRequest, FindCoordinatorResponse)
const JOIN = pair(JoinGroupRequest, JoinGroupResponse)
const SYNC = pair(SyncGroupRequest, SyncGroupResponse)
const HEARTBEAT = pair(HeartbeatRequest, HeartbeatResponse)
const COMMIT = pair(OffsetCommitRequest, OffsetCommitResponse)
const OFFSETS = pair(OffsetFetchRequest, OffsetFetchResponse)
const DELETE_TOPICS = pair(DeleteTopicsRequest, DeleteTopicsResponse)
const GROUP = 'fleet'

describe('groups in a cluster', () => {
  let cluster: ClusterFixture
  beforeEach(async () => {
    cluster = await ClusterFixture.start(2)
    await cluster.at(1).createTopic('cars', 2)
    await cluster.settle()
  })
  afterEach(() => cluster.close())

  const coordinator = async (): Promise<BrokerFixture> => {
    const { coordinators } = await cluster.at(1).call(FIND, 4, { keyType: 0, coordinatorKeys: [GROUP] })
    await cluster.settle()
    return cluster.at(coordinators[0]?.nodeId ?? -1)
  }
  const other = (broker: BrokerFixture) => cluster.at(broker.nodeId === 1 ? 2 : 1)
  const moveTo = (broker: BrokerFixture) => cluster.move(OFFSETS_TOPIC, coordinatorPartition(GROUP, 2), broker.nodeId)
  const join = (broker: BrokerFixture, memberId = '') =>
    broker.send(JOIN, 3, {
      groupId: GROUP,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      memberId,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.alloc(0) }]
    })
  const commit = async (broker: BrokerFixture, partitionIndex: number, committedOffset: number, member = {}) => {
    const partitions = [{ partitionIndex, committedOffset, committedMetadata: null }]
    const request = { groupId: GROUP, memberId: '', ...member, topics: [{ name: 'cars', partitions }] }
    const answer = await broker.call(COMMIT, 8, request)
    return errorName(answer.topics[0]?.partitions[0]?.errorCode ?? -1)
  }
  const offsets = async (broker: BrokerFixture) => {
    const answer = await broker.call(OFFSETS, 8, { groups: [{ groupId: GROUP, topics: null }], requireStable: false })
    const { errorCode = -1, topics = [] } = answer.groups[0] ?? {}
    if (errorCode !== 0) return errorName(errorCode)
    return topics.flatMap(({ partitions }) => partitions.map((p) => [p.partitionIndex, p.committedOffset]))
  }
  const stable = async (broker: BrokerFixture) => {
    const joining = join(broker)
    await broker.clock.advance(3_000)
    const { memberId, generationId, errorCode } = await joining
    assert.equal(errorCode, 0)
    const assignments = [{ memberId, assignment: Buffer.from('all') }]
    const synced = await broker.call(SYNC, 3, { groupId: GROUP, generationId, memberId, assignments })
    assert.equal(synced.errorCode, 0)
    return { memberId, generationId }
  }
  const beat = async (broker: BrokerFixture, member: { memberId: string; generationId: number }) =>
    errorName((await broker.call(HEARTBEAT, 3, { groupId: GROUP, ...member })).errorCode)

  it('commit offsets of partitions that any broker leads, and know them at the next coordinator', async () => {
    const before = await coordinator()
    assert.deepEqual([await commit(before, 0, 5), await commit(before, 1, 6)], ['NONE', 'NONE'])
    assert.equal(await commit(other(before), 0, 9), 'NOT_COORDINATOR')
    await moveTo(other(before))
    assert.equal(await coordinator(), other(before))
    assert.deepEqual(await offsets(other(before)), [
      [0, 5],
      [1, 6]
    ])
    assert.equal(await offsets(before), 'NOT_COORDINATOR')
    assert.equal(await commit(before, 0, 9), 'NOT_COORDINATOR')
    await moveTo(before)
    assert.deepEqual(await offsets(before), [
      [0, 5],
      [1, 6]
    ])
  })

  it('keep their members and generation when their coordinator moves', async () => {
    const before = await coordinator()
    const member = await stable(before)
    await moveTo(other(before))
    assert.deepEqual([await beat(before, member), await beat(other(before), member)], ['NOT_COORDINATOR', 'NONE'])
    const { memberId, generationId } = member
    const claim = { memberId, generationIdOrMemberEpoch: generationId }
    assert.equal(await commit(other(before), 0, 7, claim), 'NONE')
    assert.equal(await commit(before, 0, 8, claim), 'NOT_COORDINATOR')
  })

  it('lose members at the new coordinator although nobody has asked for the group there', async () => {
    const before = await coordinator()
    const member = await stable(before)
    await moveTo(other(before))
    await before.clock.advance(10_001)
    assert.equal(await beat(other(before), member), 'UNKNOWN_MEMBER_ID')
  })

  it('refuse whoever waits when their coordinator moves', async () => {
    const before = await coordinator()
    await stable(before)
    const joining = join(before)
    await cluster.settle()
    await moveTo(other(before))
    assert.equal(errorName((await joining).errorCode), 'NOT_COORDINATOR')
  })

  it('are not served from memory by a broker that may no longer speak for them', async () => {
    const holder = await coordinator()
    await commit(holder, 0, 5)
    const partition = holder.topics.partition
    holder.topics.partition = () => undefined
    assert.equal(await offsets(holder), 'NOT_COORDINATOR')
    holder.topics.partition = partition
    assert.deepEqual(await offsets(holder), [[0, 5]])
  })

  it('forget the offsets of a topic that another broker deletes', async () => {
    const holder = await coordinator()
    await commit(holder, 0, 5)
    const topics = [{ name: 'cars', topicId: ZERO_UUID }]
    const deleted = await other(holder).call(DELETE_TOPICS, 6, { topics, timeoutMs: 1_000 })
    assert.equal(deleted.responses[0]?.errorCode, 0)
    await cluster.settle()
    assert.deepEqual(await offsets(holder), [])
  })
})
