import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import {
  ConsumerGroupDescribeRequest,
  ConsumerGroupDescribeResponse
} from '../../wire/messages/consumer-group-describe.ts'
import {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse
} from '../../wire/messages/consumer-group-heartbeat.ts'
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../wire/messages/delete-topics.ts'
import { EndTxnRequest, EndTxnResponse } from '../../wire/messages/end-txn.ts'
import { InitProducerIdRequest, InitProducerIdResponse } from '../../wire/messages/init-producer-id.ts'
import { JoinGroupRequest, JoinGroupResponse } from '../../wire/messages/join-group.ts'
import { ListGroupsRequest, ListGroupsResponse } from '../../wire/messages/list-groups.ts'
import { OffsetFetchRequest, OffsetFetchResponse } from '../../wire/messages/offset-fetch.ts'
import { ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse } from '../../wire/messages/share-group-heartbeat.ts'
import { TxnOffsetCommitRequest, TxnOffsetCommitResponse } from '../../wire/messages/txn-offset-commit.ts'
import type { InferInput } from '../../wire/schema.ts'
import { BrokerFixture, pair } from '../broker-fixture.ts'

const HEARTBEAT = pair(ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse)
const DESCRIBE = pair(ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse)
const DELETE_TOPICS = pair(DeleteTopicsRequest, DeleteTopicsResponse)
const INIT = pair(InitProducerIdRequest, InitProducerIdResponse)
const TXN_COMMIT = pair(TxnOffsetCommitRequest, TxnOffsetCommitResponse)
const END_TXN = pair(EndTxnRequest, EndTxnResponse)
const SHARE_HEARTBEAT = pair(ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse)
const JOIN_GROUP = pair(JoinGroupRequest, JoinGroupResponse)
const LIST_GROUPS = pair(ListGroupsRequest, ListGroupsResponse)
const OFFSET_FETCH = pair(OffsetFetchRequest, OffsetFetchResponse)

type Beat = Partial<InferInput<typeof ConsumerGroupHeartbeatRequest>>

const join = { memberEpoch: 0, rebalanceTimeoutMs: 60_000, topicPartitions: [] }

function beat(fixture: BrokerFixture, fields: Beat, version = 1) {
  return fixture.call(HEARTBEAT, version, { groupId: 'fleet', memberId: 'a', memberEpoch: 0, ...fields })
}

async function withFixture(run: (fixture: BrokerFixture) => Promise<void>): Promise<void> {
  const fixture = await BrokerFixture.start()
  try {
    await run(fixture)
  } finally {
    await fixture.close()
  }
}

test('a consumer joins over the wire, gets partitions by topic id, and is still there after a restart', () =>
  withFixture(async (fixture) => {
    await fixture.createTopic('cars', 3)
    const joined = await beat(fixture, { ...join, subscribedTopicNames: ['cars'] })
    assert.equal(joined.errorCode, ErrorCode.NONE)
    const topicId = fixture.topics.get('cars')?.id
    assert.deepEqual(joined.assignment, { topicPartitions: [{ topicId, partitions: [0, 1, 2] }] })
    await fixture.restart()
    const next = await beat(fixture, { memberEpoch: joined.memberEpoch })
    assert.deepEqual([next.errorCode, next.memberEpoch, next.assignment], [ErrorCode.NONE, 2, null])
    for (const version of [0, 1]) {
      const { groups } = await fixture.call(DESCRIBE, version, {
        groupIds: ['fleet'],
        includeAuthorizedOperations: true
      })
      assert.equal(groups[0]?.members[0]?.memberId, 'a')
      assert.equal(groups[0]?.members[0]?.memberType, version === 0 ? -1 : 1)
    }
  }))

test('a consumer of v0 is given an id by the broker', () =>
  withFixture(async (fixture) => {
    await fixture.createTopic('cars')
    const joined = await beat(fixture, { ...join, memberId: '', subscribedTopicNames: ['cars'] }, 0)
    assert.equal(joined.errorCode, ErrorCode.NONE)
    assert.match(joined.memberId ?? '', /^[0-9a-f-]{36}$/)
  }))

test('topics that appear, grow and go are noticed by the next heartbeat', () =>
  withFixture(async (fixture) => {
    const shown = async (memberEpoch: number) => {
      await fixture.clock.advance(1_000)
      const answer = await beat(fixture, { memberEpoch })
      assert.equal(answer.errorCode, ErrorCode.NONE)
      return { epoch: answer.memberEpoch, partitions: answer.assignment?.topicPartitions[0]?.partitions }
    }
    const joined = await beat(fixture, { ...join, subscribedTopicRegex: 'car.?' })
    assert.deepEqual(joined.assignment, { topicPartitions: [] })
    await fixture.createTopic('cars', 2)
    assert.deepEqual(await shown(2), { epoch: 3, partitions: [0, 1] })
    const topic = fixture.topics.get('cars')
    assert.ok(topic !== undefined)
    await fixture.run(fixture.topics.grow(topic, 3))
    assert.deepEqual(await shown(3), { epoch: 4, partitions: [0, 1, 2] })
    await fixture.call(DELETE_TOPICS, 4, { topicNames: ['cars'], timeoutMs: 1_000 })
    await fixture.clock.advance(1_000)
    const revoked = await beat(fixture, { memberEpoch: 4, topicPartitions: [] })
    assert.deepEqual(revoked.assignment, { topicPartitions: [] })
    assert.equal(revoked.memberEpoch, 5)
  }))

async function offset(fixture: BrokerFixture): Promise<number | undefined> {
  const topics = [{ name: 'cars', partitionIndexes: [0] }]
  const request = { groups: [{ groupId: 'fleet', topics }], requireStable: true }
  const answer = await fixture.call(OFFSET_FETCH, 9, request)
  const found = answer.groups[0]?.topics[0]?.partitions[0]
  return found?.errorCode === ErrorCode.NONE ? found.committedOffset : found?.errorCode
}

test('a transaction commits offsets with its end, across restarts, and an aborted one does not', () =>
  withFixture(async (fixture) => {
    await fixture.createTopic('cars')
    const transactionalId = 'payments'
    const init = await fixture.call(INIT, 5, { transactionalId, transactionTimeoutMs: 60_000 })
    assert.equal(init.errorCode, ErrorCode.NONE)
    let { producerId, producerEpoch } = init
    const commit = async (committedOffset: number) => {
      const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: null }]
      const topics = [{ name: 'cars', partitions }]
      const request = { transactionalId, groupId: 'fleet', producerId, producerEpoch, topics }
      const answer = await fixture.call(TXN_COMMIT, 5, request)
      return answer.topics[0]?.partitions[0]?.errorCode
    }
    const end = async (committed: boolean) => {
      const answer = await fixture.call(END_TXN, 5, { transactionalId, producerId, producerEpoch, committed })
      assert.equal(answer.errorCode, ErrorCode.NONE)
      await fixture.clock.advance(100)
      producerId = answer.producerId
      producerEpoch = answer.producerEpoch
    }
    assert.equal(await commit(10), ErrorCode.NONE)
    assert.equal(await offset(fixture), ErrorCode.UNSTABLE_OFFSET_COMMIT)
    await fixture.restart()
    assert.equal(await offset(fixture), ErrorCode.UNSTABLE_OFFSET_COMMIT)
    await end(true)
    assert.equal(await offset(fixture), 10)
    assert.equal(await commit(20), ErrorCode.NONE)
    await end(false)
    assert.equal(await offset(fixture), 10)
    await fixture.restart()
    assert.equal(await offset(fixture), 10)
  }))

test('a group id names one group, whatever its type', () =>
  withFixture(async (fixture) => {
    await fixture.createTopic('cars')
    const share = (groupId: string) =>
      fixture.call(SHARE_HEARTBEAT, 1, { groupId, memberId: 'a', memberEpoch: 0, subscribedTopicNames: ['cars'] })
    assert.equal((await share('shared')).errorCode, ErrorCode.NONE)
    await beat(fixture, { ...join, subscribedTopicNames: ['cars'] })
    assert.equal((await share('fleet')).errorCode, ErrorCode.GROUP_ID_NOT_FOUND)
    const refused = await beat(fixture, { ...join, groupId: 'shared', subscribedTopicNames: ['cars'] })
    assert.equal(refused.errorCode, ErrorCode.GROUP_ID_NOT_FOUND)
    const classic = await fixture.call(JOIN_GROUP, 9, {
      groupId: 'shared',
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.alloc(0) }]
    })
    assert.equal(classic.errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    const { groups } = await fixture.call(LIST_GROUPS, 5, { statesFilter: [], typesFilter: [] })
    assert.deepEqual(
      groups.map((group) => [group.groupId, group.groupType, group.groupState, group.protocolType]).sort(),
      [
        ['fleet', 'consumer', 'Stable', 'consumer'],
        ['shared', 'share', 'Stable', 'share']
      ]
    )
    const shared = await fixture.call(LIST_GROUPS, 5, { statesFilter: ['stable'], typesFilter: ['Share'] })
    assert.deepEqual(
      shared.groups.map((group) => group.groupId),
      ['shared']
    )
  }))
