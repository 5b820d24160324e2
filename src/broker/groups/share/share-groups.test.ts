import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { ErrorCode } from '../../../wire/error-codes.ts'
import { DeleteGroupsRequest, DeleteGroupsResponse } from '../../../wire/messages/delete-groups.ts'
import {
  DeleteShareGroupOffsetsRequest,
  DeleteShareGroupOffsetsResponse
} from '../../../wire/messages/delete-share-group-offsets.ts'
import { ListGroupsRequest, ListGroupsResponse } from '../../../wire/messages/list-groups.ts'
import {
  ReadShareGroupStateSummaryRequest,
  ReadShareGroupStateSummaryResponse
} from '../../../wire/messages/read-share-group-state-summary.ts'
import { ShareGroupDescribeRequest, ShareGroupDescribeResponse } from '../../../wire/messages/share-group-describe.ts'
import { BrokerFixture, batch, pair } from '../../broker-fixture.ts'
import {
  ALTER_SHARE_OFFSETS,
  configureGroup,
  DESCRIBE_SHARE_OFFSETS,
  SHARE_HEARTBEAT,
  ShareClient,
  standing
} from '../../shares/share-client-fixture.ts'

const DESCRIBE = pair(ShareGroupDescribeRequest, ShareGroupDescribeResponse)
const LIST = pair(ListGroupsRequest, ListGroupsResponse)
const DELETE = pair(DeleteGroupsRequest, DeleteGroupsResponse)
const DELETE_OFFSETS = pair(DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse)
const SUMMARY = pair(ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse)

describe('share groups', () => {
  let fixture: BrokerFixture
  let one: ShareClient
  let two: ShareClient

  beforeEach(async () => {
    fixture = await BrokerFixture.start()
    await fixture.createTopic('t', 2)
    await configureGroup(fixture, 'g', { 'share.auto.offset.reset': 'earliest' })
    one = new ShareClient(fixture, 'g', 'one')
    two = new ShareClient(fixture, 'g', 'two')
  })
  afterEach(() => fixture.close())

  const describeGroup = async (groupId = 'g') => {
    const { groups } = await fixture.call(DESCRIBE, 1, { groupIds: [groupId], includeAuthorizedOperations: false })
    assert.ok(groups[0] !== undefined)
    return groups[0]
  }

  const alter = (starts: [string, number, number][], groupId = 'g') =>
    fixture.call(ALTER_SHARE_OFFSETS, 0, {
      groupId,
      topics: starts.map(([topicName, partitionIndex, startOffset]) => ({
        topicName,
        partitions: [{ partitionIndex, startOffset }]
      }))
    })

  const remove = async (groupId = 'g') =>
    (await fixture.call(DELETE, 2, { groupsNames: [groupId] })).results[0]?.errorCode

  /** The start offset that is stored, whatever the group says. */
  const stored = async (partition: number) => {
    const topicId = fixture.topics.get('t')?.id ?? ''
    const topics = [{ topicId, partitions: [{ partition, leaderEpoch: 0 }] }]
    const { results } = await fixture.call(SUMMARY, 1, { groupId: 'g', topics })
    return results[0]?.partitions[0]?.startOffset
  }

  it('refuses requests that cannot be meant', async () => {
    const heartbeat = async (request: object) =>
      (
        await fixture.call(SHARE_HEARTBEAT, 1, {
          groupId: 'g',
          memberId: 'm',
          memberEpoch: 0,
          subscribedTopicNames: ['t'],
          ...request
        })
      ).errorCode
    assert.equal(await heartbeat({ memberId: '' }), ErrorCode.INVALID_REQUEST)
    assert.equal(await heartbeat({ groupId: '' }), ErrorCode.INVALID_REQUEST)
    assert.equal(await heartbeat({ rackId: ' ' }), ErrorCode.INVALID_REQUEST)
    assert.equal(await heartbeat({ memberEpoch: -2 }), ErrorCode.INVALID_REQUEST)
    assert.equal(await heartbeat({ subscribedTopicNames: [] }), ErrorCode.INVALID_REQUEST)
    assert.equal(await heartbeat({ subscribedTopicNames: null }), ErrorCode.INVALID_REQUEST)
    assert.equal(await heartbeat({ memberEpoch: 1 }), ErrorCode.GROUP_ID_NOT_FOUND)
    assert.equal(await heartbeat({ memberEpoch: -1 }), ErrorCode.GROUP_ID_NOT_FOUND)
    assert.equal(await heartbeat({}), 0)
    assert.equal(await heartbeat({ memberId: 'n', memberEpoch: 1 }), ErrorCode.UNKNOWN_MEMBER_ID)
    assert.equal(await heartbeat({ memberId: 'n', memberEpoch: -1 }), ErrorCode.UNKNOWN_MEMBER_ID)
    assert.equal(await heartbeat({ memberEpoch: 9 }), ErrorCode.FENCED_MEMBER_EPOCH)
  })

  it('shares partitions out, to all members when there are more of them', async () => {
    assert.deepEqual(await one.join('t'), ['t-0', 't-1'])
    await fixture.clock.advance(1_000)
    assert.equal((await two.join('t')).length, 1)
    const answer = await one.heartbeat()
    assert.equal(answer.assignment?.topicPartitions[0]?.partitions.length, 1)
    assert.equal((await one.heartbeat()).assignment, null, 'what has not changed is not told again')
    const three = new ShareClient(fixture, 'g', 'three')
    await fixture.clock.advance(1_000)
    assert.equal((await three.join('t')).length, 1)
    const group = await describeGroup()
    assert.equal(group.groupState, 'Stable')
    assert.equal(group.assignorName, 'simple')
    assert.deepEqual(
      group.members.map(({ memberId }) => memberId),
      ['one', 'two', 'three']
    )
    assert.equal(group.assignmentEpoch, group.groupEpoch)
  })

  it('a member may come with the epoch before, and with none older', async () => {
    await one.join('t')
    await fixture.clock.advance(1_000)
    await two.join('t')
    const old = one.memberEpoch
    await one.heartbeat()
    assert.ok(one.memberEpoch > old)
    one.memberEpoch = old
    assert.equal((await one.heartbeat()).errorCode, 0)
    one.memberEpoch = old - 1
    if (old - 1 > 0) assert.equal((await one.heartbeat()).errorCode, ErrorCode.FENCED_MEMBER_EPOCH)
  })

  it('finds a topic that comes, and one that grows', async () => {
    assert.deepEqual(await one.join('t', 'u'), ['t-0', 't-1'])
    await fixture.createTopic('u')
    await fixture.clock.advance(5_000)
    const found = await one.heartbeat()
    assert.equal(found.assignment?.topicPartitions.length, 2)
    const topic = fixture.topics.get('t')
    assert.ok(topic !== undefined)
    await fixture.run(fixture.topics.grow(topic, 3))
    await fixture.clock.advance(5_000)
    const grown = await one.heartbeat()
    const partitions = grown.assignment?.topicPartitions.find(({ topicId }) => topicId === topic.id)?.partitions
    assert.deepEqual(partitions, [0, 1, 2])
  })

  it('is as it was after a restart, and ends the sessions of those who do not come back', async () => {
    await one.join('t')
    const before = await describeGroup()
    await fixture.restart()
    assert.deepEqual(await describeGroup(), before)
    await fixture.clock.advance(44_000)
    assert.equal((await describeGroup()).members.length, 1)
    await fixture.clock.advance(2_000)
    const after = await describeGroup()
    assert.deepEqual([after.groupState, after.members], ['Empty', []])
  })

  it('is listed and described as what it is, and as nothing else', async () => {
    await one.join('t')
    const { groups } = await fixture.call(LIST, 5, { statesFilter: [], typesFilter: ['share'] })
    assert.deepEqual(groups, [{ groupId: 'g', protocolType: 'share', groupState: 'Stable', groupType: 'share' }])
    assert.equal((await describeGroup('other')).errorCode, ErrorCode.GROUP_ID_NOT_FOUND)
  })

  it('offsets are altered while nobody is in the group, also of one that is new', async () => {
    for (let i = 0; i < 2; i++) await fixture.produce('t', batch(10))
    await one.join('t')
    await one.fetch('t')
    assert.equal((await alter([['t', 0, 5]])).errorCode, ErrorCode.NON_EMPTY_GROUP)
    await one.leave()
    const altered = await alter([
      ['t', 0, 5],
      ['t', 7, 5],
      ['nothing', 0, 5]
    ])
    const codes = altered.responses.map(({ partitions }) => partitions[0]?.errorCode)
    assert.deepEqual(codes, [0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION])
    assert.deepEqual(await standing(fixture, 'g', 't'), { startOffset: 5, lag: 15 })
    await two.join('t')
    assert.deepEqual((await two.fetch('t')).acquired, [[5, 19, 1]])
    assert.equal((await alter([['t', 1, 3]], 'new')).errorCode, 0)
    assert.equal((await describeGroup('new')).groupState, 'Empty')
    assert.deepEqual(await standing(fixture, 'new', 't', 1), { startOffset: 3, lag: -3 })
    assert.equal((await alter([], '')).errorCode, ErrorCode.INVALID_GROUP_ID)
  })

  it('tells where it stands in everything it reads', async () => {
    await fixture.produce('t', batch(4), 1)
    await one.join('t')
    await one.fetch('t', { index: 1 })
    const { groups } = await fixture.call(DESCRIBE_SHARE_OFFSETS, 1, { groups: [{ groupId: 'g', topics: null }] })
    const told = groups[0]?.topics[0]?.partitions.map(({ partitionIndex, startOffset, lag }) => [
      partitionIndex,
      startOffset,
      lag
    ])
    assert.deepEqual(told, [
      [0, -1, -1],
      [1, 0, 4]
    ])
    const unknown = await fixture.call(DESCRIBE_SHARE_OFFSETS, 1, { groups: [{ groupId: 'x', topics: null }] })
    assert.deepEqual([unknown.groups[0]?.errorCode, unknown.groups[0]?.topics], [0, []])
    assert.deepEqual(await standing(fixture, 'g', 'nothing'), { startOffset: -1, lag: -1 })
  })

  it('forgets a topic when it is told to', async () => {
    await fixture.produce('t', batch(4))
    await one.join('t')
    await one.fetch('t')
    const forget = (...names: string[]) =>
      fixture.call(DELETE_OFFSETS, 0, { groupId: 'g', topics: names.map((topicName) => ({ topicName })) })
    assert.equal((await forget('t')).errorCode, ErrorCode.NON_EMPTY_GROUP)
    await one.leave()
    const { responses } = await forget('t', 'nothing')
    assert.deepEqual(
      responses.map(({ errorCode }) => errorCode),
      [0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    )
    assert.equal(await stored(0), -1)
    assert.equal((await forget('t')).responses[0]?.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    await two.join('t')
    assert.deepEqual((await two.fetch('t')).acquired, [[0, 3, 1]], 'it begins anew')
  })

  it('takes its states along when it is deleted, and not before it is empty', async () => {
    await fixture.produce('t', batch(4))
    await one.join('t')
    await one.fetch('t')
    assert.equal(await stored(0), 0)
    assert.equal(await remove(), ErrorCode.NON_EMPTY_GROUP)
    await one.leave()
    assert.equal(await remove(), 0)
    assert.equal(await stored(0), -1)
    assert.equal((await describeGroup()).errorCode, ErrorCode.GROUP_ID_NOT_FOUND)
    await fixture.restart()
    assert.equal((await describeGroup()).errorCode, ErrorCode.GROUP_ID_NOT_FOUND)
    assert.equal(await stored(0), -1)
  })

  it('a topic that was deleted and made anew begins anew', async () => {
    await fixture.produce('t', batch(4))
    await one.join('t')
    await one.fetch('t')
    await one.acknowledge('t', [{ first: 0, last: 3, types: [1] }])
    const topic = fixture.topics.get('t')
    assert.ok(topic !== undefined)
    await fixture.run(fixture.topics.delete(topic))
    await fixture.createTopic('t')
    await fixture.produce('t', batch(2))
    await fixture.clock.advance(5_000)
    const answer = await one.heartbeat()
    assert.deepEqual(answer.assignment?.topicPartitions[0]?.partitions, [0])
    assert.deepEqual((await one.fetch('t')).acquired, [[0, 1, 1]])
  })
})
