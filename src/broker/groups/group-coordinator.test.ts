import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import { MemoryRecordLogs } from '../memory-record-logs.ts'
import { coordinatorPartition } from '../record-log.ts'
import { CoordinatorFixture, context, isOpen } from './coordinator-fixture.ts'
import { decodeRecord } from './group-records.ts'

test('a group lives in the partition that Java computes from its name', () => {
  // Values of Math.abs(s.hashCode()) % 50 and their edge: the one hash without a positive counterpart.
  assert.equal(coordinatorPartition('', 50), 0)
  assert.equal(coordinatorPartition('console-consumer-1', 1), 0)
  assert.equal(coordinatorPartition('abc', 50), 96_354 % 50)
  assert.equal(coordinatorPartition('hello world', 50), 1_794_106_052 % 50)
  assert.equal(coordinatorPartition('polygenelubricants', 50), 0)
})

test('a sync is answered only once the assignment is durable', async () => {
  const fixture = new CoordinatorFixture()
  const joining = fixture.join({}, 3)
  await fixture.clock.advance(0)
  const { memberId, generationId } = await joining
  fixture.logs.hold()
  const syncing = fixture.sync(memberId, generationId)
  assert.ok(await isOpen(syncing))
  const describing = fixture.coordinator.describeGroups(
    { groups: ['fleet'], includeAuthorizedOperations: false },
    context(5)
  )
  assert.ok(await isOpen(describing), 'nobody is told that the group is stable either')
  fixture.logs.release()
  assert.equal((await syncing).errorCode, ErrorCode.NONE)
  assert.equal((await syncing).assignment.toString(), 'everything')
  assert.equal((await describing).groups[0]?.groupState, 'Stable')
})

test('a commit is answered, and seen by others, only once it is durable', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.commit(1)
  fixture.logs.hold()
  const committing = fixture.commit(2)
  assert.ok(await isOpen(committing))
  assert.equal(await fixture.committed(), 1)
  const stable = fixture.committed(true)
  assert.ok(await isOpen(stable), 'who requires stable offsets waits for the commit under way')
  fixture.logs.release()
  assert.equal(await committing, ErrorCode.NONE)
  assert.equal(await stable, 2)
})

test('a leave that empties the group is answered only once that is durable', async () => {
  const fixture = new CoordinatorFixture()
  const memberId = await fixture.stable()
  fixture.logs.hold()
  const member = { memberId, groupInstanceId: null, reason: null }
  const leaving = fixture.coordinator.leaveGroup({ groupId: 'fleet', memberId: '', members: [member] }, context(5))
  assert.ok(await isOpen(leaving))
  fixture.logs.release()
  assert.equal((await leaving).members[0]?.errorCode, ErrorCode.NONE)
})

test('a restart brings back generation, members, assignments and offsets', async () => {
  const fixture = new CoordinatorFixture()
  const memberId = await fixture.stable()
  assert.equal(await fixture.commit(42, { memberId, generationIdOrMemberEpoch: 1 }), ErrorCode.NONE)
  fixture.restart()
  assert.equal(await fixture.heartbeat(memberId, 1), ErrorCode.NONE)
  assert.equal((await fixture.sync(memberId, 1)).assignment.toString(), 'everything')
  assert.equal(await fixture.committed(), 42)
  assert.equal(await fixture.commit(43, { memberId, generationIdOrMemberEpoch: 0 }), ErrorCode.ILLEGAL_GENERATION)
  assert.equal(await fixture.commit(43, { memberId, generationIdOrMemberEpoch: 1 }), ErrorCode.NONE)
})

test('after a restart sessions start anew, and who does not come back is removed', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.stable()
  await fixture.clock.advance(9_000)
  fixture.restart()
  await fixture.shards.load(coordinatorPartition('fleet', 4))
  const state = async () => {
    const request = { groups: ['fleet'], includeAuthorizedOperations: false }
    return (await fixture.coordinator.describeGroups(request, context(5))).groups[0]?.groupState
  }
  await fixture.clock.advance(9_999)
  assert.equal(await state(), 'Stable')
  await fixture.clock.advance(1)
  assert.equal(await state(), 'Empty')
})

test('a static member survives a restart of the coordinator under its instance id', async () => {
  const fixture = new CoordinatorFixture()
  const memberId = await fixture.stable({ groupInstanceId: 'truck-7' })
  fixture.restart()
  const back = await fixture.join({ groupInstanceId: 'truck-7' })
  assert.equal(back.errorCode, ErrorCode.NONE)
  assert.equal(back.generationId, 1)
  assert.ok(back.memberId.startsWith('truck-7-'))
  assert.equal(await fixture.heartbeat(memberId, 1, 'truck-7'), ErrorCode.FENCED_INSTANCE_ID)
})

test('a dynamic member is told its id first, which starts with the name of its client', async () => {
  const fixture = new CoordinatorFixture()
  const told = await fixture.join()
  assert.equal(told.errorCode, ErrorCode.MEMBER_ID_REQUIRED)
  assert.match(told.memberId, /^truck-[0-9a-f-]{36}$/)
  const joining = fixture.join({ memberId: told.memberId })
  await fixture.clock.advance(0)
  assert.equal((await joining).generationId, 1)
})

test('while a partition loads, requests hear of it after a moment and heartbeats succeed', async () => {
  const fixture = new CoordinatorFixture()
  const loading = fixture.logs.delayLoading()
  const joining = fixture.join()
  const beating = fixture.heartbeat('any', 1)
  assert.ok(await isOpen(joining))
  await fixture.clock.advance(fixture.settings.loadGraceMs)
  assert.equal((await joining).errorCode, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
  assert.equal(await beating, ErrorCode.NONE)
  const patient = fixture.join()
  loading.finish()
  assert.equal((await patient).errorCode, ErrorCode.MEMBER_ID_REQUIRED)
  assert.equal(fixture.logs.opened, 1)
})

test('a group that another broker coordinates is refused, until this broker leads its partition', async () => {
  const fixture = new CoordinatorFixture()
  const partition = coordinatorPartition('fleet', 4)
  fixture.logs.elsewhere.add(partition)
  assert.equal((await fixture.join()).errorCode, ErrorCode.NOT_COORDINATOR)
  assert.equal(await fixture.commit(1), ErrorCode.NOT_COORDINATOR)
  fixture.logs.elsewhere.delete(partition)
  assert.equal(await fixture.commit(1), ErrorCode.NONE)
})

test('giving a partition up refuses whoever waits there and cancels its deadlines', async () => {
  const fixture = new CoordinatorFixture({ initialRebalanceDelayMs: 3_000 })
  const joining = fixture.join({}, 3)
  await fixture.clock.advance(10)
  assert.ok(fixture.clock.sleeping > 0)
  fixture.shards.unload(coordinatorPartition('fleet', 4))
  assert.equal((await joining).errorCode, ErrorCode.NOT_COORDINATOR)
  assert.equal(fixture.clock.sleeping, 0)
})

test('a closed coordinator refuses whoever waits, leaves no timer, and takes nothing more', async () => {
  const fixture = new CoordinatorFixture({ initialRebalanceDelayMs: 3_000 })
  const joining = fixture.join({}, 3)
  await fixture.clock.advance(10)
  fixture.shards.close()
  assert.equal((await joining).errorCode, ErrorCode.NOT_COORDINATOR)
  assert.equal((await fixture.join()).errorCode, ErrorCode.COORDINATOR_NOT_AVAILABLE)
  assert.equal(fixture.clock.sleeping, 0)
})

test('when an append fails, nothing that rests on it is confirmed, and the group is read again from the log', async () => {
  const fixture = new CoordinatorFixture()
  const memberId = await fixture.stable()
  await fixture.commit(1, { memberId, generationIdOrMemberEpoch: 1 })
  fixture.logs.failWith('unavailable')
  fixture.logs.hold()
  const committing = fixture.commit(2, { memberId, generationIdOrMemberEpoch: 1 })
  await isOpen(committing)
  fixture.logs.failure = undefined
  // Appended after the failed one: it must not be confirmed either, or the log would have a hole.
  const later = fixture.commit(3, { memberId, generationIdOrMemberEpoch: 1 })
  await isOpen(later)
  fixture.logs.release()
  assert.equal(await committing, ErrorCode.COORDINATOR_NOT_AVAILABLE)
  assert.equal(await later, ErrorCode.COORDINATOR_NOT_AVAILABLE)
  assert.equal(await fixture.heartbeat(memberId, 1), ErrorCode.NONE)
  assert.equal(fixture.logs.opened, 2)
})

test('an assignment whose record is fenced off is given to nobody', async () => {
  const fixture = new CoordinatorFixture()
  const joining = fixture.join({}, 3)
  await fixture.clock.advance(0)
  const { memberId, generationId } = await joining
  fixture.logs.failWith('fenced')
  assert.equal((await fixture.sync(memberId, generationId)).errorCode, ErrorCode.NOT_COORDINATOR)
})

test('groups are listed by state and type, from all partitions', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.stable()
  for (const groupId of ['a', 'b', 'c']) await fixture.commit(1, { groupId })
  fixture.restart()
  const list = async (statesFilter: string[], typesFilter: string[]) => {
    const { groups } = await fixture.coordinator.listGroups({ statesFilter, typesFilter })
    return groups.map((group) => group.groupId).toSorted()
  }
  assert.deepEqual(await list([], []), ['a', 'b', 'c', 'fleet'])
  assert.deepEqual(await list([' stable '], []), ['fleet'])
  assert.deepEqual(await list(['Empty', 'Dead'], ['Classic']), ['a', 'b', 'c'])
  assert.deepEqual(await list([], ['consumer']), [])
})

test('a description shows members while stable; an unknown group is Dead, and not found from v6 on', async () => {
  const fixture = new CoordinatorFixture()
  const memberId = await fixture.stable()
  const request = { groups: ['fleet', 'nobody'], includeAuthorizedOperations: true }
  const [known, unknown] = (await fixture.coordinator.describeGroups(request, context(5))).groups
  assert.equal(known?.protocolData, 'range')
  assert.equal(known?.members[0]?.memberId, memberId)
  assert.equal(known?.members[0]?.clientHost, '/127.0.0.1')
  assert.equal(known?.members[0]?.memberAssignment.toString(), 'everything')
  assert.deepEqual([unknown?.groupState, unknown?.errorCode], ['Dead', ErrorCode.NONE])
  const modern = (await fixture.coordinator.describeGroups(request, context(6))).groups[1]
  assert.deepEqual([modern?.groupState, modern?.errorCode], ['Dead', ErrorCode.GROUP_ID_NOT_FOUND])
})

test('only a group without members can be deleted, and it takes its offsets along, for good', async () => {
  const fixture = new CoordinatorFixture()
  const memberId = await fixture.stable()
  await fixture.commit(7, { memberId, generationIdOrMemberEpoch: 1 })
  const remove = async () => (await fixture.coordinator.deleteGroups({ groupsNames: ['fleet', 'fleet'] })).results
  assert.deepEqual(await remove(), [{ groupId: 'fleet', errorCode: ErrorCode.NON_EMPTY_GROUP }])
  await fixture.clock.advance(10_000)
  assert.deepEqual(await remove(), [{ groupId: 'fleet', errorCode: ErrorCode.NONE }])
  assert.deepEqual(await remove(), [{ groupId: 'fleet', errorCode: ErrorCode.GROUP_ID_NOT_FOUND }])
  assert.equal(await fixture.committed(), -1)
  fixture.restart()
  assert.equal(await fixture.committed(), -1)
  assert.deepEqual((await fixture.coordinator.listGroups({ statesFilter: [], typesFilter: [] })).groups, [])
})

test('the records are those of Kafka: the last one of a key tells all', async () => {
  const logs = new MemoryRecordLogs(1)
  const fixture = new CoordinatorFixture({}, logs)
  const memberId = await fixture.stable()
  const last = logs.records(0).at(-1)
  assert.equal(last?.key.toString('hex'), `00020005${Buffer.from('fleet').toString('hex')}`)
  assert.equal(last?.value?.readInt16BE(0), 3)
  const record = decodeRecord(last?.key ?? Buffer.alloc(0), last?.value ?? null)
  assert.equal(record?.kind === 'group' && record.group?.leader, memberId)
})

test('nonsense in the topic is passed over and does not hide what follows', async () => {
  const fixture = new CoordinatorFixture({}, new MemoryRecordLogs(1))
  const unreadable = { key: Buffer.from('0001ffff', 'hex'), value: Buffer.alloc(3) }
  const blank = { key: Buffer.alloc(0), value: null }
  const ofNoKind = { key: Buffer.from('0003000561', 'hex'), value: null }
  fixture.logs.entries[0]?.push({ records: [unreadable, blank, ofNoKind], transaction: undefined })
  await fixture.commit(5)
  fixture.restart()
  assert.equal(await fixture.committed(), 5)
})

test('requests that failed leave nothing behind in memory', async () => {
  const fixture = new CoordinatorFixture()
  await fixture.heartbeat('stranger', 3)
  await fixture.join({ protocols: [] })
  await fixture.join({ sessionTimeoutMs: 1 })
  assert.deepEqual((await fixture.coordinator.listGroups({ statesFilter: [], typesFilter: [] })).groups, [])
})

test('before v3 a member leaves alone and its error stands at the top', async () => {
  const fixture = new CoordinatorFixture()
  const memberId = await fixture.stable()
  const leave = (id: string) =>
    fixture.coordinator.leaveGroup({ groupId: 'fleet', memberId: id, members: [] }, context(2))
  assert.deepEqual(await leave('stranger'), { throttleTimeMs: 0, errorCode: ErrorCode.UNKNOWN_MEMBER_ID, members: [] })
  assert.deepEqual(await leave(memberId), { throttleTimeMs: 0, errorCode: ErrorCode.NONE, members: [] })
})

test('an empty group id is refused where it must name a group', async () => {
  const fixture = new CoordinatorFixture()
  assert.equal((await fixture.join({ groupId: '' })).errorCode, ErrorCode.INVALID_GROUP_ID)
  assert.equal(await fixture.commit(1, { groupId: '' }), ErrorCode.NONE)
})
