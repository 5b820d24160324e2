import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { errorName } from '../../wire/error-codes.ts'
import { DeleteGroupsRequest, DeleteGroupsResponse } from '../../wire/messages/delete-groups.ts'
import { JoinGroupRequest, JoinGroupResponse } from '../../wire/messages/join-group.ts'
import { ListGroupsRequest, ListGroupsResponse } from '../../wire/messages/list-groups.ts'
import { OffsetCommitRequest, OffsetCommitResponse } from '../../wire/messages/offset-commit.ts'
import {
  StreamsGroupDescribeRequest,
  StreamsGroupDescribeResponse
} from '../../wire/messages/streams-group-describe.ts'
import {
  StreamsGroupHeartbeatRequest,
  StreamsGroupHeartbeatResponse
} from '../../wire/messages/streams-group-heartbeat.ts'
import { BrokerFixture, pair } from '../broker-fixture.ts'
import {
  GROUP,
  heartbeatRequest,
  internalTopic,
  joinRequest,
  wordCount
} from '../groups/streams/simulated-application.ts'
import { StatusCode } from '../groups/streams/topology-configuration.ts'

const HEARTBEAT = pair(StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse)
const DESCRIBE = pair(StreamsGroupDescribeRequest, StreamsGroupDescribeResponse)
const LIST = pair(ListGroupsRequest, ListGroupsResponse)
const DELETE = pair(DeleteGroupsRequest, DeleteGroupsResponse)
const COMMIT = pair(OffsetCommitRequest, OffsetCommitResponse)
const JOIN = pair(JoinGroupRequest, JoinGroupResponse)

const allTasks = [
  { subtopologyId: '0', partitions: [0, 1] },
  { subtopologyId: '1', partitions: [0, 1] }
]

describe('Streams groups over the wire', () => {
  let broker: BrokerFixture
  beforeEach(async () => {
    broker = await BrokerFixture.start()
  })
  afterEach(() => broker.close())

  const heartbeat = (request: StreamsGroupHeartbeatRequest) => broker.call(HEARTBEAT, 0, request)

  async function describeOne(groupId = GROUP) {
    const { groups } = await broker.call(DESCRIBE, 0, { groupIds: [groupId], includeAuthorizedOperations: false })
    const [group] = groups
    assert.ok(group !== undefined)
    return group
  }

  /** A group of one member that has all tasks; its epoch. */
  async function running(): Promise<number> {
    await broker.createTopic('lines', 2)
    const joined = await heartbeat(joinRequest())
    await broker.clock.advance(3_000)
    const assigned = await heartbeat(heartbeatRequest({ memberEpoch: joined.memberEpoch }))
    assert.deepEqual(assigned.activeTasks, allTasks)
    return assigned.memberEpoch
  }

  it('create the internal topics, with the settings that the application names', async () => {
    await broker.createTopic('lines', 2)
    const joined = await heartbeat(joinRequest())
    const codes = joined.status?.map(({ statusCode }) => statusCode)
    assert.deepEqual(codes, [StatusCode.ASSIGNMENT_DELAYED, StatusCode.MISSING_INTERNAL_TOPICS])
    await broker.clock.advance(0)
    assert.equal(broker.topics.get('words')?.partitions.length, 2)
    assert.deepEqual(broker.topics.get('counts')?.configs, { 'cleanup.policy': 'compact' })
    const later = await heartbeat(heartbeatRequest({ memberEpoch: joined.memberEpoch }))
    assert.deepEqual(
      later.status?.map(({ statusCode }) => statusCode),
      [StatusCode.ASSIGNMENT_DELAYED]
    )
  })

  it('are told why an internal topic could not be created, until it is tried again', async () => {
    await broker.createTopic('lines', 2)
    const wrong = { ...internalTopic('counts'), topicConfigs: [{ key: 'cleanup.policy', value: 'shrink' }] }
    const [first, second] = wordCount.subtopologies
    assert.ok(first !== undefined && second !== undefined)
    const topology = { epoch: 0, subtopologies: [first, { ...second, stateChangelogTopics: [wrong] }] }
    const joined = await heartbeat(joinRequest({ topology }))
    await broker.clock.advance(0)
    const { status } = await heartbeat(heartbeatRequest({ memberEpoch: joined.memberEpoch }))
    const missing = status?.find(({ statusCode }) => statusCode === StatusCode.MISSING_INTERNAL_TOPICS)
    assert.match(missing?.statusDetail ?? '', /counts.*failed.*shrink/)
    await broker.clock.advance(10_000)
    const retried = await heartbeat(heartbeatRequest({ memberEpoch: joined.memberEpoch }))
    assert.doesNotMatch(retried.status?.at(-1)?.statusDetail ?? '', /failed/)
  })

  it('survive a restart of the broker', async () => {
    const memberEpoch = await running()
    const before = await describeOne()
    await broker.restart()
    assert.deepEqual(await describeOne(), before)
    const answer = await heartbeat(heartbeatRequest({ memberEpoch }))
    assert.equal(answer.memberEpoch, memberEpoch)
    await broker.clock.advance(46_000)
    assert.equal((await describeOne()).groupState, 'Empty', 'sessions run again')
  })

  it('are described with topology, members and tasks', async () => {
    await running()
    const group = await describeOne()
    assert.equal(group.groupState, 'Stable')
    assert.equal(group.groupEpoch, group.assignmentEpoch)
    assert.deepEqual(
      group.topology?.subtopologies?.map(({ subtopologyId, stateChangelogTopics }) => [
        subtopologyId,
        stateChangelogTopics.map(({ name, partitions }) => `${name} ${partitions}`)
      ]),
      [
        ['0', []],
        ['1', ['counts 2']]
      ]
    )
    const [member] = group.members
    assert.deepEqual(member?.assignment.activeTasks, allTasks)
    assert.deepEqual(member?.targetAssignment.activeTasks, allTasks)
    assert.deepEqual([member?.processId, member?.clientId], ['process-a', 'test'])
  })

  it('tell all members when one asks the application to stop, although nothing is stored of that', async () => {
    const memberEpoch = await running()
    await heartbeat(heartbeatRequest({ memberEpoch, shutdownApplication: true }))
    const { status } = await heartbeat(heartbeatRequest({ memberEpoch }))
    assert.deepEqual(
      status?.map(({ statusCode }) => statusCode),
      [StatusCode.SHUTDOWN_APPLICATION]
    )
  })

  it('that are not there, or are of another type, are not described', async () => {
    assert.equal(errorName((await describeOne('nobody')).errorCode), 'GROUP_ID_NOT_FOUND')
    assert.equal(errorName((await describeOne('')).errorCode), 'INVALID_GROUP_ID')
  })

  it('are listed as groups of type streams', async () => {
    await running()
    const { groups } = await broker.call(LIST, 5, { statesFilter: [], typesFilter: ['streams'] })
    assert.deepEqual(groups, [{ groupId: GROUP, protocolType: 'streams', groupState: 'Stable', groupType: 'streams' }])
    const classic = await broker.call(LIST, 5, { statesFilter: [], typesFilter: ['classic'] })
    assert.deepEqual(classic.groups, [])
  })

  it('are deleted once nobody is in them', async () => {
    await running()
    const remove = async () => {
      const { results } = await broker.call(DELETE, 2, { groupsNames: [GROUP] })
      return errorName(results[0]?.errorCode ?? -1)
    }
    assert.equal(await remove(), 'NON_EMPTY_GROUP')
    await heartbeat(heartbeatRequest({ memberEpoch: -1 }))
    assert.equal(await remove(), 'NONE')
    assert.equal(errorName((await describeOne()).errorCode), 'GROUP_ID_NOT_FOUND')
    await broker.restart()
    assert.equal(errorName((await describeOne()).errorCode), 'GROUP_ID_NOT_FOUND')
  })

  it('commit offsets in the epoch of the member', async () => {
    const epoch = await running()
    const commit = async (fields: { memberId: string; generationIdOrMemberEpoch: number }) => {
      const partitions = [{ partitionIndex: 0, committedOffset: 0, committedLeaderEpoch: -1, committedMetadata: null }]
      const request = { groupId: GROUP, groupInstanceId: null, topics: [{ name: 'lines', partitions }], ...fields }
      const { topics } = await broker.call(COMMIT, 9, request)
      return errorName(topics[0]?.partitions[0]?.errorCode ?? -1)
    }
    assert.equal(await commit({ memberId: 'a', generationIdOrMemberEpoch: epoch }), 'NONE')
    assert.equal(await commit({ memberId: 'a', generationIdOrMemberEpoch: epoch + 1 }), 'STALE_MEMBER_EPOCH')
    assert.equal(await commit({ memberId: 'a', generationIdOrMemberEpoch: 1 }), 'STALE_MEMBER_EPOCH')
    assert.equal(await commit({ memberId: 'b', generationIdOrMemberEpoch: epoch }), 'UNKNOWN_MEMBER_ID')
  })

  it('do not let members of the classic protocol in, until they are empty', async () => {
    await running()
    const join = async () => {
      const answer = await broker.call(JOIN, 4, {
        groupId: GROUP,
        sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: 10_000,
        memberId: '',
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: Buffer.alloc(0) }]
      })
      return errorName(answer.errorCode)
    }
    assert.equal(await join(), 'INCONSISTENT_GROUP_PROTOCOL')
    await heartbeat(heartbeatRequest({ memberEpoch: -1 }))
    assert.equal(await join(), 'MEMBER_ID_REQUIRED')
  })
})
