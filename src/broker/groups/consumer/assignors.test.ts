import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Assignment, type Assignments, countPartitions, noPartitions } from './assignment.ts'
import { assignRanges } from './range-assignor.ts'
import { assignUniformly } from './uniform-assignor.ts'

interface MemberFields {
  readonly topics: readonly string[]
  readonly target?: Record<string, readonly number[]>
  readonly instanceId?: string
}

function input(partitions: Record<string, number>, members: Record<string, MemberFields>) {
  return {
    partitionCounts: new Map(Object.entries(partitions)),
    members: new Map(
      Object.entries(members).map(([memberId, { topics, target = {}, instanceId = null }]) => [
        memberId,
        {
          instanceId,
          topicIds: new Set(topics),
          target: new Map(Object.entries(target).map(([id, list]) => [id, new Set(list)])) as Assignment
        }
      ])
    )
  }
}

function shown(assignments: Assignments): Record<string, Record<string, number[]>> {
  const sorted = (set: ReadonlySet<number>) => [...set].sort((a, b) => a - b)
  return Object.fromEntries(
    [...assignments].map(([memberId, assignment]) => [
      memberId,
      Object.fromEntries([...assignment].map(([id, set]) => [id, sorted(set)]))
    ])
  )
}

test('uniform: the first assignment fills one member after the other', () => {
  const members = { a: { topics: ['t'] }, b: { topics: ['t'] } }
  assert.deepEqual(shown(assignUniformly(input({ t: 5 }, members))), { a: { t: [0, 1, 2] }, b: { t: [3, 4] } })
})

test('uniform: a member that joins gets its share, and the others keep the rest', () => {
  const members = {
    a: { topics: ['t'], target: { t: [0, 1, 2] } },
    b: { topics: ['t'], target: { t: [3, 4, 5] } },
    c: { topics: ['t'] }
  }
  const assigned = shown(assignUniformly(input({ t: 6 }, members)))
  assert.deepEqual(assigned, { a: { t: [0, 1] }, b: { t: [3, 4] }, c: { t: [2, 5] } })
})

test('uniform: what nobody has any more goes to those with the least, and nobody else moves', () => {
  const members = { a: { topics: ['t'], target: { t: [0, 1] } }, b: { topics: ['t'], target: { t: [2, 3] } } }
  const assigned = shown(assignUniformly(input({ t: 6 }, members)))
  assert.deepEqual(assigned, { a: { t: [0, 1, 4] }, b: { t: [2, 3, 5] } })
})

test('uniform: who has one more than the others keeps it', () => {
  const members = { a: { topics: ['t'], target: { t: [0] } }, b: { topics: ['t'], target: { t: [1, 2] } } }
  assert.deepEqual(shown(assignUniformly(input({ t: 3 }, members))), { a: { t: [0] }, b: { t: [1, 2] } })
})

test('uniform: members of different subscriptions are balanced as far as these allow', () => {
  const members = { a: { topics: ['t', 'u'] }, b: { topics: ['u'] }, c: { topics: ['t', 'u'] } }
  const assigned = assignUniformly(input({ t: 4, u: 4 }, members))
  const sizes = [...assigned.values()].map(countPartitions).sort()
  assert.deepEqual(sizes, [2, 3, 3])
  assert.equal(assigned.get('b')?.get('t'), undefined)
})

test('range: each topic is cut into runs in the order of the members, static ones first', () => {
  const members = { b: { topics: ['t'] }, a: { topics: ['t'] }, c: { topics: ['t'], instanceId: 'truck' } }
  const assigned = shown(assignRanges(input({ t: 7 }, members)))
  assert.deepEqual(assigned, { c: { t: [0, 1, 2] }, a: { t: [3, 4] }, b: { t: [5, 6] } })
})

test('range: topics with as many partitions are assigned alike', () => {
  const members = { a: { topics: ['t', 'u'] }, b: { topics: ['t', 'u'] } }
  for (const assignment of assignRanges(input({ t: 5, u: 5 }, members)).values()) {
    assert.deepEqual(assignment.get('t'), assignment.get('u'))
  }
})

test('range: more members than partitions leave some with nothing', () => {
  const members = { a: { topics: ['t'] }, b: { topics: ['t'] }, c: { topics: ['t'] } }
  assert.deepEqual(shown(assignRanges(input({ t: 2 }, members))), { a: { t: [0] }, b: { t: [1] }, c: {} })
})

const groupArbitrary = fc.record({
  counts: fc.array(fc.nat(12), { minLength: 1, maxLength: 4 }),
  masks: fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 1, maxLength: 7 }),
  same: fc.boolean()
})

function generated({ counts, masks, same }: { counts: number[]; masks: number[]; same: boolean }) {
  const partitions = Object.fromEntries(counts.map((count, i) => [`topic-${i}`, count]))
  const names = Object.keys(partitions)
  const members: Record<string, MemberFields> = Object.fromEntries(
    masks.map((mask, i) => [`member-${i}`, { topics: same ? names : names.filter((_, bit) => mask & (1 << bit)) }])
  )
  return { partitions, members }
}

test('every partition with a subscriber goes to exactly one of them, by either assignor', () => {
  const property = fc.property(groupArbitrary, fc.constantFrom(assignUniformly, assignRanges), (group, assign) => {
    const { partitions, members } = generated(group)
    const assigned = assign(input(partitions, members))
    for (const [topic, count] of Object.entries(partitions)) {
      const isWanted = Object.values(members).some((member) => member.topics.includes(topic))
      const owned = [...assigned.values()].flatMap((assignment) => [...(assignment.get(topic) ?? [])])
      const all = Array.from({ length: isWanted ? count : 0 }, (_, i) => i)
      assert.deepEqual(
        owned.sort((a, b) => a - b),
        all
      )
    }
    for (const [memberId, assignment] of assigned) {
      for (const topic of assignment.keys()) assert.ok(members[memberId]?.topics.includes(topic))
    }
  })
  fc.assert(property, { numRuns: 300 })
})

test('uniform: a balanced group stays as it is, one more member takes no more than its share, and all are balanced', () => {
  const property = fc.property(groupArbitrary, (group) => {
    const { partitions, members } = generated({ ...group, same: true })
    const before = assignUniformly(input(partitions, members))
    const sticky = input(partitions, { ...members, zulu: { topics: Object.keys(partitions) } })
    const withTargets = (base: ReturnType<typeof input>) => ({
      ...base,
      members: new Map(
        [...base.members].map(([id, member]) => [id, { ...member, target: before.get(id) ?? noPartitions }])
      )
    })
    assert.deepEqual(shown(assignUniformly(withTargets(input(partitions, members)))), shown(before))
    const after = assignUniformly(withTargets(sticky))
    const sizes = [...after.values()].map(countPartitions)
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1)
    const moved = [...after].flatMap(([id, assignment]) =>
      [...assignment].flatMap(([topic, set]) => [...set].filter((p) => !before.get(id)?.get(topic)?.has(p)))
    )
    assert.equal(moved.length, countPartitions(after.get('zulu') ?? noPartitions))
  })
  fc.assert(property, { numRuns: 300 })
})
