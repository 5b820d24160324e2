import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../wire/error-codes.ts'
import { ConsumerProtocolAssignment, ConsumerProtocolSubscription } from '../../../wire/messages/consumer-protocol.ts'
import { decodeVersioned, encodeVersioned } from '../../../wire/versioned.ts'
import { CoordinatorFixture, context } from '../coordinator-fixture.ts'

const carsId = 'carsAAAAAAAAAAAAAAAAAA'

function protocols(owned: readonly number[] = [], topics = ['cars']) {
  const ownedPartitions = owned.length === 0 ? [] : [{ topic: 'cars', partitions: [...owned] }]
  const subscription = { topics, userData: null, ownedPartitions, generationId: -1, rackId: null }
  return [{ name: 'cooperative-sticky', metadata: encodeVersioned(ConsumerProtocolSubscription, 3, subscription) }]
}

/** A classic consumer that is the only one: it leads and gives itself everything. */
async function classicAlone(fixture: CoordinatorFixture, fields = {}): Promise<string> {
  const { memberId } = await fixture.join({ protocols: protocols(), ...fields })
  const joining = fixture.join({ memberId, protocols: protocols(), ...fields })
  await fixture.clock.advance(0)
  const { memberId: id, generationId } = await joining
  const everything = { assignedPartitions: [{ topic: 'cars', partitions: [0, 1, 2] }], userData: null }
  await fixture.coordinator.syncGroup({
    ...sync(id, generationId),
    assignments: [{ memberId: id, assignment: encodeVersioned(ConsumerProtocolAssignment, 1, everything) }]
  })
  return id
}

const sync = (memberId: string, generationId: number, groupInstanceId: string | null = null) => ({
  groupId: 'fleet',
  generationId,
  memberId,
  groupInstanceId,
  protocolType: 'consumer',
  protocolName: 'cooperative-sticky',
  assignments: []
})

function partitionsOf(assignment: Buffer): number[] {
  return decodeVersioned(ConsumerProtocolAssignment, assignment).assignedPartitions.flatMap((one) => one.partitions)
}

async function assigned(fixture: CoordinatorFixture, memberId: string, generationId: number) {
  const answer = await fixture.coordinator.syncGroup(sync(memberId, generationId))
  assert.equal(answer.errorCode, ErrorCode.NONE)
  return partitionsOf(answer.assignment)
}

test('the first consumer of the newer protocol turns a classic group into a consumer group, and both share the work', async () => {
  const fixture = new CoordinatorFixture()
  const classic = await classicAlone(fixture)
  await fixture.commit(7, { memberId: classic, generationIdOrMemberEpoch: 1 })
  const joined = await fixture.consumerHeartbeat({ memberId: 'modern' })
  assert.equal(joined.errorCode, ErrorCode.NONE)
  assert.equal(joined.memberEpoch, 2)
  assert.deepEqual(joined.assignment, { topicPartitions: [] }, 'the classic member still has everything')
  assert.equal(await fixture.listed(), 'consumer Reconciling')
  assert.equal(await fixture.committed(), 7, 'offsets stay')

  assert.equal(await fixture.heartbeat(classic, 1), ErrorCode.REBALANCE_IN_PROGRESS)
  const rejoined = await fixture.join({ memberId: classic, protocols: protocols([0, 1, 2]) })
  assert.equal(rejoined.errorCode, ErrorCode.NONE)
  assert.equal(rejoined.leader, '')
  assert.deepEqual(await assigned(fixture, classic, rejoined.generationId), [0, 1])
  // It revokes and joins again; what it gave up is free then.
  assert.equal(await fixture.heartbeat(classic, rejoined.generationId), ErrorCode.REBALANCE_IN_PROGRESS)
  const again = await fixture.join({ memberId: classic, protocols: protocols([0, 1]) })
  assert.equal(again.generationId, 2)
  assert.deepEqual(await assigned(fixture, classic, 2), [0, 1])
  assert.equal(await fixture.heartbeat(classic, 2), ErrorCode.NONE)

  const beat = await fixture.consumerHeartbeat({ memberId: 'modern', memberEpoch: 2 })
  assert.deepEqual(beat.assignment, { topicPartitions: [{ topicId: carsId, partitions: [2] }] })
  assert.equal(await fixture.listed(), 'consumer Stable')
  fixture.restart()
  assert.equal(await fixture.listed(), 'consumer Stable')
  assert.equal(await fixture.heartbeat(classic, 2), ErrorCode.NONE)
  const members = await fixture.consumerGroups.describe({ groupIds: ['fleet'], includeAuthorizedOperations: false })
  assert.deepEqual(
    members.groups[0]?.members.map((member) => [member.memberId, member.memberType]),
    [
      [classic, 0],
      ['modern', 1]
    ]
  )
})

test('the last consumer of the newer protocol leaves a classic group behind, which rebalances', async () => {
  const fixture = new CoordinatorFixture()
  const classic = await classicAlone(fixture)
  await fixture.consumerHeartbeat({ memberId: 'modern' })
  const left = await fixture.consumerHeartbeat({ memberId: 'modern', memberEpoch: -1 })
  assert.deepEqual([left.errorCode, left.memberEpoch], [ErrorCode.NONE, -1])
  assert.equal(await fixture.listed(), 'classic PreparingRebalance')
  assert.equal(await fixture.heartbeat(classic, 2), ErrorCode.REBALANCE_IN_PROGRESS)
  const joining = fixture.join({ memberId: classic, protocols: protocols([0, 1, 2]) })
  await fixture.clock.advance(0)
  assert.deepEqual([(await joining).errorCode, (await joining).leader], [ErrorCode.NONE, classic])
  fixture.restart()
  assert.equal((await fixture.listed())?.startsWith('classic'), true)
})

test('a session that runs out downgrades just the same', async () => {
  const fixture = new CoordinatorFixture()
  const classic = await classicAlone(fixture, { sessionTimeoutMs: 300_000 })
  await fixture.consumerHeartbeat({ memberId: 'modern' })
  // Not rebalancing in time would cost it its place.
  await fixture.join({ memberId: classic, protocols: protocols([0, 1]), sessionTimeoutMs: 300_000 })
  await fixture.clock.advance(45_000)
  assert.equal(await fixture.listed(), 'classic PreparingRebalance')
})

test('a group whose leader had an assignor of its own is not upgraded', async () => {
  const fixture = new CoordinatorFixture()
  const { memberId } = await fixture.join({ protocols: protocols() })
  const joining = fixture.join({ memberId, protocols: protocols() })
  await fixture.clock.advance(0)
  const { generationId } = await joining
  const custom = { assignedPartitions: [], userData: Buffer.from('mine') }
  const assignment = encodeVersioned(ConsumerProtocolAssignment, 1, custom)
  await fixture.coordinator.syncGroup({ ...sync(memberId, generationId), assignments: [{ memberId, assignment }] })
  const refused = await fixture.consumerHeartbeat({ memberId: 'modern' })
  assert.equal(refused.errorCode, ErrorCode.GROUP_ID_NOT_FOUND)
  assert.equal(await fixture.listed(), 'classic Stable')
})

test('the migration policy decides in which direction groups may change', async () => {
  for (const policy of ['downgrade', 'disabled'] as const) {
    const fixture = new CoordinatorFixture({ migrationPolicy: policy })
    await classicAlone(fixture)
    const refused = await fixture.consumerHeartbeat({ memberId: 'modern' })
    assert.equal(refused.errorCode, ErrorCode.GROUP_ID_NOT_FOUND, policy)
  }
  const upgrading = new CoordinatorFixture({ migrationPolicy: 'upgrade' })
  await classicAlone(upgrading)
  await upgrading.consumerHeartbeat({ memberId: 'modern' })
  await upgrading.consumerHeartbeat({ memberId: 'modern', memberEpoch: -1 })
  assert.equal((await upgrading.listed())?.split(' ')[0], 'consumer')
  const disabled = new CoordinatorFixture({ migrationPolicy: 'disabled' })
  await disabled.consumerHeartbeat({ memberId: 'modern' })
  const refused = await disabled.join({ protocols: protocols() })
  assert.equal(refused.errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
})

test('an empty group of either protocol makes room for the other, and keeps its offsets', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.commit(5)
  assert.equal(await fixture.listed(), 'classic Empty')
  await fixture.consumerHeartbeat({ memberId: 'modern' })
  assert.equal(await fixture.listed(), 'consumer Stable')
  assert.equal(await fixture.committed(), 5)
  await fixture.consumerHeartbeat({ memberId: 'modern', memberEpoch: -1 })
  assert.equal(await fixture.listed(), 'consumer Empty')
  await classicAlone(fixture)
  assert.equal(await fixture.listed(), 'classic Stable')
  fixture.restart()
  assert.equal(await fixture.listed(), 'classic Stable')
  assert.equal(await fixture.committed(), 5)
})

test('a classic member that joins a consumer group of others learns its id first, and gets its share', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.consumerHeartbeat({ memberId: 'modern' })
  const toldId = await fixture.join({ protocols: protocols() })
  assert.equal(toldId.errorCode, ErrorCode.MEMBER_ID_REQUIRED)
  const joined = await fixture.join({ memberId: toldId.memberId, protocols: protocols() })
  assert.equal(joined.errorCode, ErrorCode.NONE)
  assert.equal(await fixture.heartbeat(toldId.memberId, 99), ErrorCode.ILLEGAL_GENERATION)
  assert.equal(await fixture.heartbeat('modern', 1), ErrorCode.UNKNOWN_MEMBER_ID, 'it speaks the other protocol')
  const unsupported = await fixture.join({
    protocols: [{ name: 'other', metadata: protocols()[0]?.metadata ?? Buffer.alloc(0) }]
  })
  assert.equal(unsupported.errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
  const connect = await fixture.join({ protocolType: 'connect', protocols: protocols() })
  assert.equal(connect.errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
})

test('a classic member that does not sync in time is thrown out of a consumer group', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.consumerHeartbeat({ memberId: 'modern' })
  const { memberId } = await fixture.join({ protocols: protocols() })
  const fields = { memberId, protocols: protocols(), rebalanceTimeoutMs: 5_000, sessionTimeoutMs: 30_000 }
  await fixture.join(fields)
  await fixture.clock.advance(5_000)
  assert.equal(await fixture.heartbeat(memberId, 1), ErrorCode.UNKNOWN_MEMBER_ID)
})

test('a static member comes back in the classic protocol, and the group with it', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.consumerHeartbeat({ memberId: 'modern', instanceId: 'truck' })
  const { groups } = await fixture.consumerGroups.describe({ groupIds: ['fleet'], includeAuthorizedOperations: false })
  assert.equal(groups[0]?.members[0]?.instanceId, 'truck')
  const back = await fixture.join({ groupInstanceId: 'truck', protocols: protocols() })
  assert.equal(back.errorCode, ErrorCode.NONE)
  assert.equal(await fixture.listed(), 'classic Stable')
  const synced = await fixture.coordinator.syncGroup(sync(back.memberId, back.generationId, 'truck'))
  assert.deepEqual(partitionsOf(synced.assignment), [0, 1, 2], 'it has what it had')
})

test('members of the classic protocol leave a consumer group by LeaveGroup', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.consumerHeartbeat({ memberId: 'modern' })
  const { memberId } = await fixture.join({ protocols: protocols() })
  await fixture.join({ memberId, protocols: protocols() })
  const members = ['stranger', memberId].map((id) => ({ memberId: id, groupInstanceId: null, reason: null }))
  const left = await fixture.coordinator.leaveGroup({ groupId: 'fleet', memberId: '', members }, context(5))
  assert.deepEqual(
    left.members.map((member) => member.errorCode),
    [ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.NONE]
  )
  assert.equal(await fixture.heartbeat(memberId, 1), ErrorCode.UNKNOWN_MEMBER_ID)
})
