import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../wire/error-codes.ts'
import { DEFAULT_GROUP_SETTINGS } from '../../group-settings.ts'
import { CoordinatorFixture, context, isOpen } from '../coordinator-fixture.ts'

const describe = async (fixture: CoordinatorFixture, groupId = 'fleet') => {
  const { groups } = await fixture.consumerGroups.describe({ groupIds: [groupId], includeAuthorizedOperations: false })
  const [group] = groups
  assert.ok(group !== undefined)
  return group
}

test('a heartbeat is answered only once what it changed is durable', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.commit(1)
  fixture.logs.hold()
  const joining = fixture.consumerHeartbeat({ memberId: 'a' })
  assert.ok(await isOpen(joining))
  fixture.logs.release()
  const joined = await joining
  assert.equal(joined.errorCode, ErrorCode.NONE)
  assert.equal(joined.heartbeatIntervalMs, 5_000)
  assert.deepEqual(
    joined.assignment?.topicPartitions.map(({ partitions }) => partitions),
    [[0, 1, 2]]
  )
})

test('a heartbeat whose records are lost is not confirmed, and the group is read anew', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.consumerHeartbeat({ memberId: 'a' })
  fixture.logs.failWith('unavailable')
  const failed = await fixture.consumerHeartbeat({ memberId: 'b' })
  assert.equal(failed.errorCode, ErrorCode.COORDINATOR_NOT_AVAILABLE)
  fixture.logs.failure = undefined
  assert.equal((await describe(fixture)).members.length, 1)
})

test('a description shows epochs, members, what they own, and what they are to own', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.consumerHeartbeat({ memberId: 'a' })
  const group = await describe(fixture)
  assert.deepEqual(
    [group.groupState, group.groupEpoch, group.assignmentEpoch, group.assignorName],
    ['Stable', 2, 2, 'uniform']
  )
  const [member] = group.members
  const everything = [{ topicId: fixture.topics.topicId('cars'), topicName: 'cars', partitions: [0, 1, 2] }]
  assert.deepEqual(member?.assignment.topicPartitions, everything)
  assert.deepEqual(member?.targetAssignment.topicPartitions, everything)
  assert.deepEqual([member?.clientId, member?.clientHost, member?.memberType], ['truck', '/127.0.0.1', 1])
})

test('only consumer groups are described, each with an error of its own', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.stable()
  assert.equal((await describe(fixture)).errorCode, ErrorCode.GROUP_ID_NOT_FOUND)
  assert.equal((await describe(fixture, 'nobody')).errorCode, ErrorCode.GROUP_ID_NOT_FOUND)
  assert.equal((await describe(fixture, '')).errorCode, ErrorCode.INVALID_GROUP_ID)
  await fixture.consumerHeartbeat({ memberId: 'a', groupId: 'other' })
  const request = { groups: ['other'], includeAuthorizedOperations: false }
  const [shown] = (await fixture.coordinator.describeGroups(request, context(6))).groups
  assert.deepEqual([shown?.groupState, shown?.errorCode], ['Dead', ErrorCode.GROUP_ID_NOT_FOUND])
})

test('requests that no client may send are refused before the group is asked', async () => {
  const fixture = new CoordinatorFixture()
  const refused = async (fields: object) => (await fixture.consumerHeartbeat({ memberId: 'a', ...fields })).errorCode
  for (const fields of [
    { memberId: '' },
    { groupId: '' },
    { instanceId: '' },
    { rackId: ' ' },
    { rebalanceTimeoutMs: -1 },
    { topicPartitions: null },
    { subscribedTopicNames: null },
    { memberEpoch: -2 },
    { memberEpoch: -3 }
  ]) {
    assert.equal(await refused(fields), ErrorCode.INVALID_REQUEST, JSON.stringify(fields))
  }
  assert.equal(await refused({ serverAssignor: 'mine' }), ErrorCode.UNSUPPORTED_ASSIGNOR)
  assert.deepEqual((await fixture.coordinator.listGroups({ statesFilter: [], typesFilter: [] })).groups, [])
})

test('an expression is matched with the topics of now, and an invalid one is named', async () => {
  const fixture = new CoordinatorFixture()
  const regex = { subscribedTopicNames: null, subscribedTopicRegex: '[cb].*s' }
  const joined = await fixture.consumerHeartbeat({ memberId: 'a', ...regex })
  assert.equal(joined.assignment?.topicPartitions.length, 2)
  fixture.topics.ids.set('buses', 'busesAAAAAAAAAAAAAAAAA')
  fixture.topics.changes++
  const { assignment } = await fixture.consumerHeartbeat({ memberId: 'a', memberEpoch: 2 })
  // The target that was made a moment ago holds for a second.
  assert.equal(assignment, null)
  await fixture.clock.advance(1_000)
  const later = await fixture.consumerHeartbeat({ memberId: 'a', memberEpoch: 2 })
  assert.equal(later.assignment?.topicPartitions.length, 3)
  const invalid = { subscribedTopicNames: null, subscribedTopicRegex: 'a**' }
  const refused = await fixture.consumerHeartbeat({ memberId: 'b', ...invalid })
  assert.equal(refused.errorCode, ErrorCode.INVALID_REGULAR_EXPRESSION)
  assert.match(refused.errorMessage ?? '', /a\*\*/)
})

test('offsets are committed and fetched by the member and its epoch', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.consumerHeartbeat({ memberId: 'a' })
  assert.equal(await fixture.commit(1, { memberId: 'a', generationIdOrMemberEpoch: 2 }), ErrorCode.NONE)
  assert.equal(await fixture.commit(2, { memberId: 'a', generationIdOrMemberEpoch: 8 }), ErrorCode.STALE_MEMBER_EPOCH)
  assert.equal(await fixture.commit(2, { memberId: 'b', generationIdOrMemberEpoch: 2 }), ErrorCode.UNKNOWN_MEMBER_ID)
  const old = await fixture.commit(2, { memberId: 'a', generationIdOrMemberEpoch: 2 }, 8)
  assert.equal(old, ErrorCode.UNSUPPORTED_VERSION)
  assert.equal(await fixture.commit(2), ErrorCode.UNKNOWN_MEMBER_ID)
  assert.equal(await fixture.committed(), 1)
  const fetched = async (memberId: string, memberEpoch: number) => {
    const request = fixture.fetchRequest({ memberId, memberEpoch })
    return (await fixture.coordinator.offsetFetch(request, context(9))).groups[0]?.errorCode
  }
  assert.equal(await fetched('a', 2), ErrorCode.NONE)
  assert.equal(await fetched('a', 3), ErrorCode.STALE_MEMBER_EPOCH)
  assert.equal(await fetched('b', 2), ErrorCode.UNKNOWN_MEMBER_ID)
})

test('settings of the group are asked at each heartbeat', async () => {
  const fixture = new CoordinatorFixture()
  fixture.groupSettings = {
    ...DEFAULT_GROUP_SETTINGS,
    consumerSessionTimeoutMs: 50_000,
    consumerHeartbeatIntervalMs: 7_000
  }
  assert.equal((await fixture.consumerHeartbeat({ memberId: 'a' })).heartbeatIntervalMs, 7_000)
  await fixture.clock.advance(49_999)
  assert.equal(await fixture.listed(), 'consumer Stable')
  await fixture.clock.advance(1)
  assert.equal(await fixture.listed(), 'consumer Empty')
})

test('a consumer group is deleted only when empty, for good, with its offsets', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.consumerHeartbeat({ memberId: 'a' })
  await fixture.commit(1, { memberId: 'a', generationIdOrMemberEpoch: 2 })
  const remove = async () => (await fixture.coordinator.deleteGroups({ groupsNames: ['fleet'] })).results[0]?.errorCode
  assert.equal(await remove(), ErrorCode.NON_EMPTY_GROUP)
  await fixture.consumerHeartbeat({ memberId: 'a', memberEpoch: -1 })
  assert.equal(await remove(), ErrorCode.NONE)
  fixture.restart()
  assert.equal(await fixture.listed(), undefined)
  assert.equal(await fixture.committed(), -1)
})

test('offsets of topics that a consumer group reads cannot be deleted, others can', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.consumerHeartbeat({ memberId: 'a' })
  const topics = ['cars', 'boats'].map((name) => ({ name, partitions: [{ partitionIndex: 0 }] }))
  const { topics: answered } = await fixture.coordinator.offsetDelete({ groupId: 'fleet', topics })
  assert.deepEqual(
    answered.map((topic) => topic.partitions[0]?.errorCode),
    [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode.NONE]
  )
})
