import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Heartbeat, HeartbeatAnswer } from './consumer-heartbeat.ts'
import { converge, SimulatedConsumer, SimulatedConsumerGroup } from './simulated-consumer-group.ts'

function groupWith(topics: Record<string, number> = { cars: 6 }, options = {}) {
  const group = new SimulatedConsumerGroup(options)
  for (const [name, partitions] of Object.entries(topics)) group.topics.set(name, partitions)
  return group
}

type Fields = Partial<Heartbeat> & { memberId: string }

const join = (group: SimulatedConsumerGroup, fields: Fields) =>
  group.heartbeat({ memberEpoch: 0, rebalanceTimeoutMs: 60_000, topicNames: ['cars'], owned: new Map(), ...fields })

function told(answer: HeartbeatAnswer, topic: string, group: SimulatedConsumerGroup): number[] | undefined {
  assert.equal(answer.error, 'NONE')
  if (!('assignment' in answer) || answer.assignment === null) return undefined
  return [...(answer.assignment.get(group.topics.topicId(topic) ?? '') ?? [])].sort((a, b) => a - b)
}

test('the first member gets everything at once, at epoch 2, for a group begins at 1', () => {
  const group = groupWith()
  const answer = join(group, { memberId: 'a' })
  assert.deepEqual(told(answer, 'cars', group), [0, 1, 2, 3, 4, 5])
  assert.equal(group.member('a').epoch, 2)
  assert.equal(group.stateName, 'Stable')
})

test('a second member waits until the first has revoked, and says so', () => {
  const group = groupWith()
  join(group, { memberId: 'a' })
  assert.deepEqual(told(join(group, { memberId: 'b' }), 'cars', group), [])
  assert.equal(group.member('b').state, 'unreleased')
  assert.equal(group.stateName, 'Reconciling')

  const carsId = group.topics.topicId('cars') ?? ''
  const all = new Map([[carsId, new Set([0, 1, 2, 3, 4, 5])]])
  assert.deepEqual(told(group.heartbeat({ memberId: 'a', memberEpoch: 2, owned: all }), 'cars', group), [0, 1, 2])
  assert.equal(group.member('a').state, 'unrevoked')
  assert.equal(group.member('a').epoch, 2, 'it keeps its epoch until it has revoked')
  assert.equal(told(group.heartbeat({ memberId: 'b', memberEpoch: 3 }), 'cars', group), undefined)

  const kept = new Map([[carsId, new Set([0, 1, 2])]])
  group.heartbeat({ memberId: 'a', memberEpoch: 2, owned: kept })
  assert.equal(group.member('a').epoch, 3)
  assert.deepEqual(told(group.heartbeat({ memberId: 'b', memberEpoch: 3 }), 'cars', group), [3, 4, 5])
  assert.equal(group.stateName, 'Stable')
})

test('a heartbeat that changes nothing writes nothing', () => {
  const group = groupWith()
  join(group, { memberId: 'a' })
  const records = group.log.length
  assert.equal(told(group.heartbeat({ memberId: 'a', memberEpoch: 2 }), 'cars', group), undefined)
  assert.equal(group.log.length, records)
})

test('a member that does not revoke in time is thrown out, and its partitions go to the others', () => {
  const group = groupWith()
  join(group, { memberId: 'a', rebalanceTimeoutMs: 20_000 })
  join(group, { memberId: 'b' })
  group.heartbeat({ memberId: 'a', memberEpoch: 2 })
  for (let i = 0; i < 3; i++) {
    group.advance(6_000)
    group.heartbeat({ memberId: 'a', memberEpoch: 2 })
    group.heartbeat({ memberId: 'b', memberEpoch: 3 })
  }
  group.advance(2_000)
  assert.deepEqual([...(group.state?.members.keys() ?? [])], ['b'])
  assert.equal(group.heartbeat({ memberId: 'a', memberEpoch: 2 }).error, 'UNKNOWN_MEMBER_ID')
  group.heartbeat({ memberId: 'b', memberEpoch: 3 })
  assert.deepEqual(group.assigned('b'), [0, 1, 2, 3, 4, 5])
})

test('a member that is not heard of for its session is thrown out', () => {
  const group = groupWith()
  join(group, { memberId: 'a' })
  group.advance(44_999)
  assert.equal(group.stateName, 'Stable')
  group.advance(1)
  assert.equal(group.stateName, 'Empty')
  assert.equal(group.state?.epoch, 3)
})

test('epochs that are not the current one are fenced, except for the one before whose answer may be lost', () => {
  const group = groupWith()
  const cars = group.topics.topicId('cars') ?? ''
  join(group, { memberId: 'a' })
  join(group, { memberId: 'b' })
  const owning = (...partitions: number[]) => new Map([[cars, new Set(partitions)]])
  group.heartbeat({ memberId: 'a', memberEpoch: 2, owned: owning(0, 1, 2) })
  assert.equal(group.member('a').epoch, 3)
  assert.equal(group.heartbeat({ memberId: 'a', memberEpoch: 4 }).error, 'FENCED_MEMBER_EPOCH')
  assert.equal(group.heartbeat({ memberId: 'a', memberEpoch: 2, owned: owning(0, 1) }).error, 'NONE')
  assert.equal(group.heartbeat({ memberId: 'a', memberEpoch: 2, owned: owning(0, 5) }).error, 'FENCED_MEMBER_EPOCH')
  assert.equal(group.heartbeat({ memberId: 'a', memberEpoch: 2 }).error, 'FENCED_MEMBER_EPOCH')
  assert.equal(group.heartbeat({ memberId: 'stranger', memberEpoch: 2 }).error, 'UNKNOWN_MEMBER_ID')
})

test('only who joins makes a group', () => {
  const group = groupWith()
  assert.equal(group.heartbeat({ memberId: 'a', memberEpoch: 2 }).error, 'GROUP_ID_NOT_FOUND')
  assert.equal(group.heartbeat({ memberId: 'a', memberEpoch: -1 }).error, 'GROUP_ID_NOT_FOUND')
  assert.equal(group.state, undefined)
})

test('a group that is full lets nobody else in', () => {
  const group = groupWith({ cars: 6 }, { maxSize: 1 })
  join(group, { memberId: 'a' })
  assert.equal(join(group, { memberId: 'b' }).error, 'GROUP_MAX_SIZE_REACHED')
  assert.equal(join(group, { memberId: 'a' }).error, 'NONE')
})

test('leaving gives the partitions to the others', () => {
  const group = groupWith()
  const consumers = ['a', 'b'].map((id) => new SimulatedConsumer(group, id))
  converge(group, consumers)
  consumers[0]?.leave()
  assert.equal(group.state?.members.size, 1)
  converge(group, consumers.slice(1))
  assert.deepEqual(group.assigned('b'), [0, 1, 2, 3, 4, 5])
})

test('a static member that leaves for a while keeps its partitions for its successor', () => {
  const group = groupWith()
  const [a, b] = [
    new SimulatedConsumer(group, 'a', { topicNames: ['cars'] }, 'truck'),
    new SimulatedConsumer(group, 'b')
  ]
  converge(group, [a, b])
  const mine = group.assigned('a')
  a.leave()
  assert.equal(group.member('a').epoch, -2)
  b.beat()
  assert.deepEqual(group.assigned('b').length, 3, 'nobody else gets them')
  const epoch = group.state?.epoch
  const successor = new SimulatedConsumer(group, 'a2', { topicNames: ['cars'] }, 'truck')
  assert.ok(successor.beat())
  assert.deepEqual(group.assigned('a2'), mine)
  assert.equal(group.state?.members.has('a'), false)
  assert.equal(group.state?.epoch, epoch, 'nothing has to be assigned anew')
  assert.equal(group.heartbeat({ memberId: 'a', memberEpoch: 3, instanceId: 'truck' }).error, 'FENCED_INSTANCE_ID')
})

test('a static member that is still there lets nobody take its instance', () => {
  const group = groupWith()
  join(group, { memberId: 'a', instanceId: 'truck' })
  assert.equal(join(group, { memberId: 'b', instanceId: 'truck' }).error, 'UNRELEASED_INSTANCE_ID')
  assert.equal(group.heartbeat({ memberId: 'b', memberEpoch: 2, instanceId: 'truck' }).error, 'FENCED_INSTANCE_ID')
  assert.equal(group.heartbeat({ memberId: 'a', memberEpoch: 2, instanceId: 'bus' }).error, 'UNKNOWN_MEMBER_ID')
  assert.equal(group.heartbeat({ memberId: 'b', memberEpoch: -2, instanceId: 'truck' }).error, 'FENCED_INSTANCE_ID')
})

test('a static member that does not come back is thrown out when its session ends', () => {
  const group = groupWith()
  const consumer = new SimulatedConsumer(group, 'a', { topicNames: ['cars'] }, 'truck')
  converge(group, [consumer])
  consumer.leave()
  group.advance(45_000)
  assert.equal(group.stateName, 'Empty')
})

test('partitions that are added are noticed at the next heartbeat', () => {
  const group = groupWith({ cars: 2 })
  join(group, { memberId: 'a' })
  group.topics.set('cars', 4)
  assert.deepEqual(told(group.heartbeat({ memberId: 'a', memberEpoch: 2 }), 'cars', group), [0, 1, 2, 3])
  assert.equal(group.member('a').epoch, 3)
})

test('a topic that appears is noticed by who subscribed to its name, and by expressions that match it', () => {
  const group = groupWith({ cars: 1 })
  join(group, { memberId: 'a', topicNames: ['cars', 'boats'] })
  join(group, { memberId: 'b', topicNames: null, topicRegex: 'v.*' })
  group.topics.set('boats', 1)
  group.topics.set('vans', 1)
  const { epoch } = group.member('a')
  assert.deepEqual(told(group.heartbeat({ memberId: 'a', memberEpoch: epoch }), 'boats', group), [0])
  const bEpoch = group.member('b').epoch
  assert.deepEqual(told(group.heartbeat({ memberId: 'b', memberEpoch: bEpoch }), 'vans', group), [0])
})

test('a topic that is deleted is revoked', () => {
  const group = groupWith({ cars: 1, boats: 1 })
  const consumer = new SimulatedConsumer(group, 'a', { topicNames: ['cars', 'boats'] })
  converge(group, [consumer])
  group.topics.delete('boats')
  converge(group, [consumer])
  assert.equal(consumer.owned.size, 1)
})

test('a change of subscription revokes at once what is not wanted any more', () => {
  const group = groupWith({ cars: 1, boats: 1 })
  const both = { topicNames: ['cars', 'boats'] }
  const [a, b] = [new SimulatedConsumer(group, 'a', both), new SimulatedConsumer(group, 'b', both)]
  converge(group, [a, b])
  const had = [...a.owned.keys()].map((id) => group.topics.topicName(id) ?? '')
  a.subscribe({ topicNames: ['cars', 'boats'].filter((name) => !had.includes(name)) })
  a.beat()
  a.follow()
  assert.equal(a.owned.size, 0)
  converge(group, [a, b])
  assert.equal(group.stateName, 'Stable')
})

test('an invalid regular expression is refused and changes nothing', () => {
  const group = groupWith()
  const answer = join(group, { memberId: 'a', topicNames: null, topicRegex: '(' })
  assert.equal(answer.error, 'INVALID_REGULAR_EXPRESSION')
  assert.equal(group.state, undefined)
})

test('what an expression matched is forgotten with the last member that subscribes with it', () => {
  const group = groupWith()
  join(group, { memberId: 'a', topicNames: null, topicRegex: 'c.*' })
  assert.deepEqual(group.state?.regexes.get('c.*')?.topics, ['cars'])
  assert.deepEqual(group.assigned('a'), [0, 1, 2, 3, 4, 5])
  group.heartbeat({ memberId: 'a', memberEpoch: 2, topicRegex: '', topicNames: ['cars'] })
  assert.equal(group.state?.regexes.size, 0)
})

test('most votes choose the assignor', () => {
  const group = groupWith({ cars: 4, boats: 4 })
  const topicNames = ['cars', 'boats']
  for (const memberId of ['a', 'b']) join(group, { memberId, topicNames, assignor: 'range' })
  join(group, { memberId: 'c', topicNames, assignor: 'uniform' })
  const targets = [...(group.state?.targets.values() ?? [])]
  const isRange = targets.every((target) => {
    const [one, other] = ['cars', 'boats'].map((name) => target.get(group.topics.topicId(name) ?? ''))
    assert.deepEqual(one, other)
    return true
  })
  assert.ok(isRange)
})

test('targets are made no more often than the group says', () => {
  const group = groupWith({ cars: 6 }, { assignmentIntervalMs: 1_000 })
  join(group, { memberId: 'a' })
  join(group, { memberId: 'b' })
  assert.equal(group.state?.assignmentEpoch, 2)
  assert.equal(group.stateName, 'Assigning')
  group.advance(1_000)
  group.heartbeat({ memberId: 'b', memberEpoch: group.member('b').epoch })
  assert.equal(group.state?.assignmentEpoch, 3)
})

test('few partitions move when members come and go', () => {
  const group = groupWith({ cars: 12 })
  const consumers = ['a', 'b', 'c'].map((id) => new SimulatedConsumer(group, id))
  converge(group, consumers)
  const before = new Map(consumers.map(({ memberId }) => [memberId, group.assigned(memberId)]))
  const more = [...consumers, new SimulatedConsumer(group, 'd')]
  converge(group, more)
  const kept = consumers.flatMap(({ memberId }) =>
    group.assigned(memberId).filter((p) => before.get(memberId)?.includes(p))
  )
  assert.equal(kept.length, 9)
  assert.equal(group.assigned('d').length, 3)
})

test('who joins without a subscription raises no epoch', () => {
  const group = groupWith()
  join(group, { memberId: 'a', topicNames: [] })
  join(group, { memberId: 'b', topicNames: [] })
  assert.deepEqual([group.member('a').epoch, group.member('b').epoch], [1, 1])
})

test('commits and fetches of offsets are judged by member and epoch', () => {
  const group = groupWith()
  const cars = group.topics.topicId('cars') ?? ''
  const commit = (fields: object) => {
    const claim = { memberId: 'a', instanceId: null, epoch: 2, transactional: false, apiVersion: 9, ...fields }
    const state = group.state
    assert.ok(state !== undefined)
    const verdict = group.rules.commitVerdict(state, claim)
    return verdict.error === 'NONE' ? (verdict.partition?.(cars, 0) ?? 'NONE') : verdict.error
  }
  join(group, { memberId: 'a' })
  assert.equal(commit({}), 'NONE')
  assert.equal(commit({ apiVersion: 8 }), 'UNSUPPORTED_VERSION')
  assert.equal(commit({ epoch: 3 }), 'STALE_MEMBER_EPOCH')
  assert.equal(commit({ epoch: 0 }), 'STALE_MEMBER_EPOCH')
  assert.equal(commit({ memberId: 'b' }), 'UNKNOWN_MEMBER_ID')
  assert.equal(commit({ memberId: '', epoch: -1 }), 'UNKNOWN_MEMBER_ID')
  assert.equal(commit({ memberId: '', epoch: -1, transactional: true }), 'NONE')
  join(group, { memberId: 'b' })
  group.heartbeat({ memberId: 'a', memberEpoch: 2, owned: new Map([[cars, new Set([0, 1, 2])]]) })
  assert.equal(group.member('a').epoch, 3)
  assert.equal(commit({ epoch: 2 }), 'NONE', 'it has had the partition since epoch 2')
  const state = group.state
  assert.ok(state !== undefined)
  assert.equal(group.rules.fetchError(state, 'a', 3), 'NONE')
  assert.equal(group.rules.fetchError(state, 'a', 2), 'STALE_MEMBER_EPOCH')
  assert.equal(group.rules.fetchError(state, 'x', 2), 'UNKNOWN_MEMBER_ID')
  assert.equal(group.rules.fetchError(state, null, -1), 'NONE')
})

test('a group is read back from its records, and its sessions begin anew', () => {
  const group = groupWith()
  const consumers = ['a', 'b'].map((id) => new SimulatedConsumer(group, id, { topicRegex: 'c.*' }))
  converge(group, consumers)
  const before = group.assigned('a')
  group.advance(40_000)
  group.restart()
  assert.deepEqual(group.assigned('a'), before)
  group.advance(44_000)
  assert.equal(group.state?.members.size, 2)
  assert.ok(consumers[0]?.beat())
  group.advance(1_000)
  assert.deepEqual([...(group.state?.members.keys() ?? [])], ['a'])
})

test('the tombstones of a group leave nothing of it', () => {
  const group = groupWith()
  converge(group, [new SimulatedConsumer(group, 'a', { topicRegex: 'c.*' })])
  assert.ok(group.state !== undefined)
  group.log.push(...group.rules.tombstones(group.state))
  group.restart()
  assert.equal(group.state, undefined)
})
