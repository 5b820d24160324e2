import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { TopicPartitions } from './share-group-state.ts'
import { assignSimply, type Subscriber } from './simple-assignor.ts'

const NOTHING: TopicPartitions = new Map()

function subscriber(memberId: string, topicIds: string[], current: TopicPartitions = NOTHING): Subscriber {
  return { memberId, topicIds: new Set(topicIds), current }
}

const range = (count: number) => Array.from({ length: count }, (_, index) => index)

/** How many members read each partition, and how many partitions each member reads. */
function counts(assignment: ReadonlyMap<string, TopicPartitions>) {
  const readers = new Map<string, number>()
  const loads = new Map<string, number>()
  for (const [memberId, partitions] of assignment) {
    let load = 0
    for (const [topicId, indexes] of partitions) {
      load += indexes.length
      for (const index of indexes) readers.set(`${topicId}${index}`, (readers.get(`${topicId}${index}`) ?? 0) + 1)
    }
    loads.set(memberId, load)
  }
  return { readers, loads: [...loads.values()] }
}

it('members share partitions once there are more of them', () => {
  const members = ['a', 'b', 'c', 'd'].map((id) => subscriber(id, ['t']))
  const { readers, loads } = counts(assignSimply(members, new Map([['t', [0, 1]]])))
  assert.deepEqual([...readers.values()], [2, 2])
  assert.deepEqual(loads, [1, 1, 1, 1])
})

it('every partition has a reader, members have about as many as each other, and nobody reads what it did not ask for', () => {
  const topics = fc.dictionary(fc.constantFrom('s', 't', 'u'), fc.integer({ min: 1, max: 9 }), { minKeys: 1 })
  const wishes = fc.array(fc.subarray(['s', 't', 'u'], { minLength: 1 }), { minLength: 1, maxLength: 9 })
  fc.assert(
    fc.property(topics, wishes, fc.boolean(), wishes, (sizes, wanted, alike, later) => {
      const assignable = new Map(Object.entries(sizes).map(([topicId, size]) => [topicId, range(size)]))
      let current: ReadonlyMap<string, TopicPartitions> = new Map()
      for (const all of [wanted, later, later]) {
        const members = all.map((topicIds, i) =>
          subscriber(`m${i}`, alike ? (all[0] ?? []) : topicIds, current.get(`m${i}`) ?? NOTHING)
        )
        const before = current
        current = assignSimply(members, assignable)
        check(members, assignable, current)
        if (all === later && before.size === members.length) {
          const again = assignSimply(
            members.map((member) => ({ ...member, current: current.get(member.memberId) ?? NOTHING })),
            assignable
          )
          assert.deepEqual(again, current, 'what is right stays as it is')
        }
      }
    })
  )
})

function check(
  members: readonly Subscriber[],
  assignable: TopicPartitions,
  given: ReadonlyMap<string, TopicPartitions>
) {
  const { readers, loads } = counts(given)
  const wanted = new Set(members.flatMap(({ topicIds }) => [...topicIds]))
  for (const [topicId, indexes] of assignable) {
    for (const index of indexes)
      assert.equal(wanted.has(topicId), readers.has(`${topicId}${index}`), `${topicId}${index}`)
  }
  for (const { memberId, topicIds } of members) {
    for (const [topicId, indexes] of given.get(memberId) ?? NOTHING) {
      assert.ok(topicIds.has(topicId), `${memberId} does not subscribe to ${topicId}`)
      assert.deepEqual(
        [...new Set(indexes)].sort((a, b) => a - b),
        indexes
      )
    }
  }
  const alike = new Set(members.map(({ topicIds }) => [...topicIds].sort().join())).size === 1
  if (alike) assert.ok(Math.max(...loads) - Math.min(...loads) <= 1, `loads ${loads}`)
}

it('whoever reads a partition keeps it when another joins', () => {
  const assignable = new Map([['t', [0, 1, 2, 3]]])
  const first = assignSimply([subscriber('a', ['t'])], assignable)
  assert.deepEqual(first.get('a')?.get('t'), [0, 1, 2, 3])
  const second = assignSimply([subscriber('a', ['t'], first.get('a') ?? NOTHING), subscriber('b', ['t'])], assignable)
  assert.deepEqual(second.get('a')?.get('t'), [0, 1])
  assert.deepEqual(second.get('b')?.get('t'), [2, 3])
})
