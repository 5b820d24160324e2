import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commitError } from './classic-commits.ts'
import { isSubscribed } from './group-state.ts'
import { SimulatedGroup } from './simulated-group.ts'

const protocols = (...names: string[]) => names.map((name) => ({ name, metadata: Buffer.from(name) }))

/** A stable group of dynamic members; the first is its leader. */
function stable(size: number, group = new SimulatedGroup()): { group: SimulatedGroup; members: string[] } {
  const joins = Array.from({ length: size }, () => group.join())
  group.advance(group.settings.initialRebalanceDelayMs)
  const members = joins.map((join) => group.joined(join).memberId)
  const assignments = new Map(members.map((member) => [member, Buffer.from(`for ${member}`)]))
  for (const member of members.toReversed()) group.sync(member, { assignments })
  assert.equal(group.group.state, 'Stable')
  return { group, members }
}

test('a lone consumer joins, leads itself, and gets the assignment it made', () => {
  const group = new SimulatedGroup()
  const join = group.join()
  assert.ok(group.isWaiting(join))
  group.advance(0)
  const joined = group.joined(join)
  assert.equal(joined.error, 'NONE')
  assert.equal(joined.generation, 1)
  assert.equal(joined.leader, joined.memberId)
  assert.equal(joined.protocol, 'range')
  assert.deepEqual(
    joined.members.map((member) => member.memberId),
    [joined.memberId]
  )
  const assignments = new Map([[joined.memberId, Buffer.from('all')]])
  const answer = group.synced(group.sync(joined.memberId, { assignments }))
  assert.equal(answer.error, 'NONE')
  assert.equal(answer.assignment.toString(), 'all')
  assert.equal(group.persisted?.generation, 1)
})

test('a dynamic member without an id is given one and has to come back with it', () => {
  const group = new SimulatedGroup()
  const told = group.joined(group.join({ requiresMemberId: true }))
  assert.equal(told.error, 'MEMBER_ID_REQUIRED')
  assert.equal(group.group.members.size, 0)
  const join = group.join({ memberId: told.memberId, requiresMemberId: true })
  group.advance(0)
  assert.equal(group.joined(join).memberId, told.memberId)
  assert.equal(group.joined(join).error, 'NONE')
})

test('an id that was given out and not used is forgotten after the session timeout', () => {
  const group = new SimulatedGroup()
  const told = group.joined(group.join({ requiresMemberId: true }))
  group.advance(10_000)
  assert.equal(group.joined(group.join({ memberId: told.memberId })).error, 'UNKNOWN_MEMBER_ID')
  assert.equal(group.deadlineCount, 0)
})

test('a rebalance waits for an id that was given out, until it is used or expires', () => {
  const { group, members } = stable(1)
  group.join({ requiresMemberId: true, sessionTimeoutMs: 6_000 })
  const [leader = ''] = members
  const join = group.join({ memberId: leader })
  assert.ok(group.isWaiting(join))
  group.advance(6_000)
  assert.equal(group.joined(join).generation, 2)
})

test('a member id that nobody gave out is unknown', () => {
  const group = new SimulatedGroup()
  assert.equal(group.joined(group.join({ memberId: 'invented' })).error, 'UNKNOWN_MEMBER_ID')
})

test('session timeouts outside the limits are refused', () => {
  const group = new SimulatedGroup()
  assert.equal(group.joined(group.join({ sessionTimeoutMs: 5_999 })).error, 'INVALID_SESSION_TIMEOUT')
  assert.equal(group.joined(group.join({ sessionTimeoutMs: 1_800_001 })).error, 'INVALID_SESSION_TIMEOUT')
  assert.equal(group.group.members.size, 0)
})

test('a member that shares no protocol with the others is refused, as is one without any', () => {
  const { group } = stable(1)
  assert.equal(group.joined(group.join({ protocols: protocols('sticky') })).error, 'INCONSISTENT_GROUP_PROTOCOL')
  assert.equal(group.joined(group.join({ protocolType: 'connect' })).error, 'INCONSISTENT_GROUP_PROTOCOL')
  const fresh = new SimulatedGroup()
  assert.equal(fresh.joined(fresh.join({ protocols: [] })).error, 'INCONSISTENT_GROUP_PROTOCOL')
  assert.equal(fresh.joined(fresh.join({ protocolType: '' })).error, 'INCONSISTENT_GROUP_PROTOCOL')
})

test('the protocol that all support and most prefer is chosen', () => {
  const group = new SimulatedGroup()
  group.join({ protocols: protocols('range', 'sticky', 'roundrobin') })
  group.join({ protocols: protocols('roundrobin', 'sticky') })
  const last = group.join({ protocols: protocols('sticky', 'roundrobin') })
  group.join({ protocols: protocols('sticky', 'roundrobin') })
  group.advance(0)
  assert.equal(group.joined(last).protocol, 'sticky')
})

test('the initial delay is extended while members keep coming, up to the rebalance timeout', () => {
  const group = new SimulatedGroup({ initialRebalanceDelayMs: 3_000 })
  const first = group.join({ rebalanceTimeoutMs: 8_000 })
  for (let elapsed = 0; elapsed < 7_500; elapsed += 2_500) {
    group.advance(2_500)
    group.join({ rebalanceTimeoutMs: 8_000 })
  }
  assert.ok(group.isWaiting(first))
  group.advance(500)
  assert.equal(group.joined(first).members.length, 4)
})

test('a second consumer makes the first rejoin, and both meet in the next generation', () => {
  const { group, members } = stable(1)
  const [first = ''] = members
  const second = group.join()
  assert.equal(group.heartbeat(first), 'REBALANCE_IN_PROGRESS')
  assert.ok(group.isWaiting(second))
  const rejoin = group.join({ memberId: first })
  assert.equal(group.joined(rejoin).generation, 2)
  assert.equal(group.joined(second).generation, 2)
  assert.equal(group.joined(second).leader, first)
  assert.equal(group.joined(second).members.length, 0)
  assert.equal(group.joined(rejoin).members.length, 2)
})

test('members that do not rejoin before the rebalance timeout are out', () => {
  const { group, members } = stable(3)
  const [first = '', second = '', third = ''] = members
  const rejoin = group.join({ memberId: second, protocols: protocols('range') })
  for (let i = 0; i < 12; i++) {
    group.heartbeat(first)
    group.advance(5_000)
  }
  const joined = group.joined(rejoin)
  assert.equal(joined.leader, second, 'the leader did not come, so another leads')
  assert.equal(group.heartbeat(first), 'UNKNOWN_MEMBER_ID')
  assert.equal(group.heartbeat(third), 'UNKNOWN_MEMBER_ID')
})

test('a member whose session expires is removed and the others rebalance', () => {
  const { group, members } = stable(2)
  const [first = '', second = ''] = members
  group.advance(9_000)
  assert.equal(group.heartbeat(first), 'NONE')
  group.advance(1_000)
  assert.equal(group.group.members.has(second), false)
  assert.equal(group.heartbeat(first), 'REBALANCE_IN_PROGRESS')
})

test('when the last member leaves, the group is empty and that is stored', () => {
  const { group, members } = stable(1)
  const [first = ''] = members
  assert.equal(group.leave({ memberId: first }).members[0]?.error, 'NONE')
  assert.equal(group.group.state, 'Empty')
  assert.equal(group.persisted?.state, 'Empty')
  assert.equal(group.persisted?.generation, 2)
  assert.equal(group.persisted?.protocolType, 'consumer')
  assert.equal(group.deadlineCount, 0)
})

test('several members leave in one request, each with an answer of its own', () => {
  const { group, members } = stable(3)
  const [first = '', second = ''] = members
  const answer = group.leave({ memberId: first }, { memberId: 'stranger' }, { memberId: second })
  assert.deepEqual(
    answer.members.map((member) => member.error),
    ['NONE', 'UNKNOWN_MEMBER_ID', 'NONE']
  )
  assert.equal(group.group.members.size, 1)
})

test('a follower that lost its answer and joins again is told of the generation it is in', () => {
  const { group, members } = stable(2)
  const [, follower = ''] = members
  const answer = group.joined(
    group.join({ memberId: follower, protocols: [{ name: 'range', metadata: Buffer.from('topics') }] })
  )
  assert.equal(answer.generation, 1)
  assert.equal(group.group.state, 'Stable')
})

test('a leader that joins again asks for a rebalance', () => {
  const { group, members } = stable(2)
  group.join({ memberId: members[0] ?? '' })
  assert.equal(group.group.state, 'PreparingRebalance')
})

test('a cooperative consumer that rejoins with other metadata starts the second rebalance', () => {
  const { group, members } = stable(2)
  const [, follower = ''] = members
  group.join({ memberId: follower, protocols: [{ name: 'range', metadata: Buffer.from('owns less now') }] })
  assert.equal(group.group.state, 'PreparingRebalance')
  const rejoin = group.join({ memberId: members[0] ?? '' })
  const roster = group.joined(rejoin).members
  assert.equal(roster.find((member) => member.memberId === follower)?.metadata.toString(), 'owns less now')
})

test('a sync of another generation, another protocol or by a stranger is refused', () => {
  const { group, members } = stable(1)
  const [first = ''] = members
  assert.equal(group.synced(group.sync(first, { generation: 7 })).error, 'ILLEGAL_GENERATION')
  assert.equal(group.synced(group.sync(first, { protocol: 'sticky' })).error, 'INCONSISTENT_GROUP_PROTOCOL')
  assert.equal(group.synced(group.sync(first, { protocolType: 'connect' })).error, 'INCONSISTENT_GROUP_PROTOCOL')
  assert.equal(group.synced(group.sync('stranger')).error, 'UNKNOWN_MEMBER_ID')
  assert.equal(group.synced(group.sync(first, { protocol: 'range', protocolType: 'consumer' })).error, 'NONE')
})

test('followers that wait for the assignment hear of a rebalance that comes first', () => {
  const group = new SimulatedGroup()
  const joins = [group.join(), group.join()]
  group.advance(0)
  const [leader = '', follower = ''] = joins.map((join) => group.joined(join).memberId)
  const waiting = group.sync(follower)
  assert.ok(group.isWaiting(waiting))
  group.leave({ memberId: leader })
  assert.equal(group.synced(waiting).error, 'REBALANCE_IN_PROGRESS')
})

test('a member the leader forgot gets an empty assignment', () => {
  const group = new SimulatedGroup()
  const joins = [group.join(), group.join()]
  group.advance(0)
  const [leader = '', follower = ''] = joins.map((join) => group.joined(join).memberId)
  const waiting = group.sync(follower)
  group.sync(leader, { assignments: new Map([[leader, Buffer.from('all')]]) })
  assert.equal(group.synced(waiting).error, 'NONE')
  assert.equal(group.synced(waiting).assignment.length, 0)
})

test('members that never sync are removed after the rebalance timeout, the leader included', () => {
  const group = new SimulatedGroup()
  const joins = [group.join(), group.join()]
  group.advance(0)
  const [leader = '', follower = ''] = joins.map((join) => group.joined(join).memberId)
  const waiting = group.sync(follower)
  for (let i = 0; i < 12; i++) {
    group.heartbeat(leader)
    group.advance(5_000)
  }
  assert.equal(group.synced(waiting).error, 'REBALANCE_IN_PROGRESS')
  assert.equal(group.group.members.has(leader), false)
  assert.equal(group.group.leader, follower)
})

test('a new member that waits too long for its first answer is given up', () => {
  const { group, members } = stable(1)
  const [first = ''] = members
  const waiting = group.join({ rebalanceTimeoutMs: 600_000 })
  for (let i = 0; i < 60; i++) {
    group.heartbeat(first)
    group.advance(5_000)
  }
  assert.equal(group.joined(waiting).error, 'UNKNOWN_MEMBER_ID')
})

test('a request that repeats one still waiting takes its place, and both are answered', () => {
  const { group, members } = stable(2)
  const [first = '', second = ''] = members
  const lost = group.join({ memberId: first })
  const again = group.join({ memberId: first })
  assert.equal(group.joined(lost).error, 'REBALANCE_IN_PROGRESS')
  group.join({ memberId: second })
  assert.equal(group.joined(again).error, 'NONE')
})

test('a sync that repeats one still waiting takes its place, and both are answered', () => {
  const group = new SimulatedGroup()
  const joins = [group.join(), group.join()]
  group.advance(0)
  const [leader = '', follower = ''] = joins.map((join) => group.joined(join).memberId)
  const lost = group.sync(follower)
  const again = group.sync(follower)
  assert.equal(group.synced(lost).error, 'REBALANCE_IN_PROGRESS')
  group.sync(leader)
  assert.equal(group.synced(again).error, 'NONE')
})

test('a session that ran out while its member waited for the assignment begins anew with the answer', () => {
  const group = new SimulatedGroup()
  const joins = [group.join(), group.join()]
  group.advance(0)
  const [leader = '', follower = ''] = joins.map((join) => group.joined(join).memberId)
  const waiting = group.sync(follower)
  const lead = (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      group.heartbeat(leader)
      group.advance(1_000)
    }
  }
  lead(20)
  group.sync(leader)
  assert.equal(group.synced(waiting).error, 'NONE')
  lead(9)
  assert.equal(group.group.members.has(follower), true)
  lead(1)
  assert.equal(group.group.members.has(follower), false)
})

test('a static member that returns before it synced still owes the sync, under its new id', () => {
  const group = new SimulatedGroup()
  const joins = ['a', 'b'].map((instanceId) => group.join({ instanceId }))
  group.advance(0)
  const [leader = ''] = joins.map((join) => group.joined(join).memberId)
  group.sync(leader, { instanceId: 'a' })
  assert.equal(group.group.state, 'Stable')
  const { memberId } = group.joined(group.join({ instanceId: 'b' }))
  assert.deepEqual([...group.group.pendingSync], [memberId])
  group.sync(memberId, { instanceId: 'b' })
  for (let i = 0; i < 20; i++) {
    group.advance(5_000)
    assert.equal(group.heartbeat(leader, { instanceId: 'a' }), 'NONE')
    assert.equal(group.heartbeat(memberId, { instanceId: 'b' }), 'NONE')
  }
})

test('a full group turns new members away', () => {
  const { group } = stable(2, new SimulatedGroup({ maxSize: 2 }))
  assert.equal(group.joined(group.join()).error, 'GROUP_MAX_SIZE_REACHED')
  assert.equal(group.group.state, 'Stable')
})

test('a group that is larger than the limit it is loaded under shrinks to it', () => {
  const { group, members } = stable(3)
  const smaller = new SimulatedGroup({ maxSize: 2 })
  smaller.persisted = group.persisted
  smaller.restart()
  assert.equal(smaller.group.state, 'PreparingRebalance')
  const answers = members.map((memberId) => smaller.join({ memberId }))
  assert.deepEqual(
    answers.map((join) => smaller.joined(join).error),
    ['NONE', 'NONE', 'GROUP_MAX_SIZE_REACHED']
  )
})

test('a static member that returns keeps its assignment without a rebalance, and its predecessor is fenced', () => {
  const group = new SimulatedGroup()
  const joins = ['a', 'b'].map((instanceId) => group.join({ instanceId }))
  group.advance(0)
  const [leader = '', follower = ''] = joins.map((join) => group.joined(join).memberId)
  group.sync(leader, { instanceId: 'a', assignments: new Map([[follower, Buffer.from('half')]]) })
  group.sync(follower, { instanceId: 'b' })
  const back = group.joined(group.join({ instanceId: 'b' }))
  assert.equal(back.error, 'NONE')
  assert.equal(back.generation, 1)
  assert.notEqual(back.memberId, follower)
  assert.equal(group.group.state, 'Stable')
  assert.equal(group.persisted?.members.has(back.memberId), true)
  assert.equal(group.synced(group.sync(back.memberId, { instanceId: 'b' })).assignment.toString(), 'half')
  assert.equal(group.heartbeat(follower, { instanceId: 'b' }), 'FENCED_INSTANCE_ID')
  assert.equal(group.heartbeat(back.memberId, { instanceId: 'b' }), 'NONE')
})

test('a static leader that returns is told to skip the assignment, or, when it cannot be, to take itself for a follower', () => {
  const group = new SimulatedGroup()
  const join = group.join({ instanceId: 'a' })
  group.advance(0)
  const { memberId } = group.joined(join)
  group.sync(memberId, { instanceId: 'a' })
  const modern = group.joined(group.join({ instanceId: 'a' }))
  assert.deepEqual([modern.leader, modern.skipAssignment, modern.members.length], [modern.memberId, true, 1])
  const old = group.joined(group.join({ instanceId: 'a', maySkipAssignment: false }))
  assert.deepEqual([old.leader, old.skipAssignment, old.members.length], [modern.memberId, false, 0])
  assert.equal(group.group.leader, old.memberId)
})

test('a static member that returns with a protocol that changes the choice makes the group rebalance', () => {
  const group = new SimulatedGroup()
  const join = group.join({ instanceId: 'a', protocols: protocols('range', 'sticky') })
  group.advance(0)
  group.sync(group.joined(join).memberId, { instanceId: 'a' })
  const back = group.joined(group.join({ instanceId: 'a', protocols: protocols('sticky') }))
  assert.equal(back.generation, 2)
  assert.equal(back.protocol, 'sticky')
})

test('two processes with one instance id: the later one wins, the earlier one hears that it is fenced', () => {
  const group = new SimulatedGroup()
  const join = group.join({ instanceId: 'a' })
  const rival = group.join({ instanceId: 'a' })
  assert.equal(group.joined(join).error, 'FENCED_INSTANCE_ID')
  group.advance(0)
  assert.equal(group.joined(rival).error, 'NONE')
  assert.equal(group.group.members.size, 1)
})

test('a static member does not lose its place by missing a rebalance, only by its session', () => {
  const group = new SimulatedGroup()
  const join = group.join({ instanceId: 'a', sessionTimeoutMs: 300_000, rebalanceTimeoutMs: 10_000 })
  group.advance(0)
  const { memberId } = group.joined(join)
  group.sync(memberId, { instanceId: 'a' })
  const other = group.join({ rebalanceTimeoutMs: 10_000 })
  group.advance(10_000)
  assert.equal(group.joined(other).generation, 2)
  assert.equal(group.group.members.has(memberId), true)
  group.sync(group.joined(other).memberId)
  assert.equal(group.group.state, 'Stable')
})

test('a static member can be removed by its instance id alone', () => {
  const group = new SimulatedGroup()
  const join = group.join({ instanceId: 'a' })
  group.advance(0)
  group.sync(group.joined(join).memberId, { instanceId: 'a' })
  const answer = group.leave({ memberId: '', instanceId: 'a' }, { memberId: '', instanceId: 'z' })
  assert.deepEqual(
    answer.members.map((member) => member.error),
    ['NONE', 'UNKNOWN_MEMBER_ID']
  )
  assert.equal(group.group.state, 'Empty')
})

test('a commit is accepted from a member of this generation, and from outside only while the group is empty', () => {
  const { group, members } = stable(1)
  const [memberId = ''] = members
  const commit = (fields: object) =>
    commitError(group.group, {
      memberId: '',
      instanceId: null,
      epoch: -1,
      transactional: false,
      apiVersion: 9,
      ...fields
    })
  assert.equal(commit({ memberId, epoch: 1 }), 'NONE')
  assert.equal(commit({ memberId, epoch: 0 }), 'ILLEGAL_GENERATION')
  assert.equal(commit({ memberId: 'stranger', epoch: 1 }), 'UNKNOWN_MEMBER_ID')
  assert.equal(commit({}), 'UNKNOWN_MEMBER_ID')
  group.join({ memberId })
  assert.equal(group.group.state, 'CompletingRebalance')
  assert.equal(commit({ memberId, epoch: 2 }), 'REBALANCE_IN_PROGRESS')
  group.leave({ memberId })
  assert.equal(commit({}), 'NONE')
})

test('a member of a rebalancing group may still commit what it read in its generation', () => {
  const { group, members } = stable(2)
  const [first = '', memberId = ''] = members
  group.join({ memberId: first })
  assert.equal(group.group.state, 'PreparingRebalance')
  assert.equal(
    commitError(group.group, { memberId, instanceId: null, epoch: 1, transactional: false, apiVersion: 9 }),
    'NONE'
  )
})

test('subscriptions are read from what consumers say, and assumed when it cannot be read', () => {
  const subscription = Buffer.from('000100000001000463617273ffffffff', 'hex')
  const group = new SimulatedGroup()
  group.join({ protocols: [{ name: 'range', metadata: subscription }] })
  group.advance(0)
  assert.equal(isSubscribed(group.group, 'cars'), true)
  assert.equal(isSubscribed(group.group, 'boats'), false)
  const { group: opaque } = stable(1)
  assert.equal(isSubscribed(opaque.group, 'boats'), true)
})

test('a closed group refuses whoever waits and whoever comes', () => {
  const { group, members } = stable(2)
  const waiting = group.join()
  group.send({ type: 'close', error: 'NOT_COORDINATOR' })
  assert.equal(group.joined(waiting).error, 'NOT_COORDINATOR')
  assert.equal(group.deadlineCount, 0)
  assert.equal(group.heartbeat(members[0] ?? ''), 'COORDINATOR_NOT_AVAILABLE')
  assert.equal(group.joined(group.join()).error, 'COORDINATOR_NOT_AVAILABLE')
  assert.equal(group.synced(group.sync(members[0] ?? '')).error, 'COORDINATOR_NOT_AVAILABLE')
  assert.equal(group.leave({ memberId: members[0] ?? '' }).error, 'COORDINATOR_NOT_AVAILABLE')
})
