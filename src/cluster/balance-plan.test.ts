import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { NodeState } from '../metadata/schema.ts'
import type { BalanceNode, BalancePartition } from './balance-input.ts'
import { type BalanceLimits, type BalancePlan, planBalance, planDraining } from './balance-plan.ts'
import { BrokerLoads } from './broker-loads.ts'

const LIMITS: BalanceLimits = { movesMax: 30, drainedMax: 500, bytesMax: 1e9 }

function node(id: number, changes: Partial<BalanceNode> = {}): BalanceNode {
  return { id, rack: null, state: 'running', slow: false, excluded: false, ...changes }
}

function partition(index: number, leader: number, changes: Partial<BalancePartition> = {}): BalancePartition {
  const load = changes.load
  return { topicId: 'T', topic: 't', index, leader, target: null, load, pins: [], settling: false, ...changes }
}

const load = (bytesIn: number) => ({ bytesIn, bytesOut: 0, requests: 0 })
const spread = (counts: readonly number[]): BalancePartition[] => {
  const leaders = counts.flatMap((count, at) => Array.from({ length: count }, () => at + 1))
  return leaders.map((leader, index) => partition(index, leader))
}
const destinations = ({ moves }: BalancePlan) => moves.map(({ index, to }) => [index, to])

/** The partitions once the plan has been carried out. */
function after(partitions: readonly BalancePartition[], { moves }: BalancePlan): BalancePartition[] {
  return partitions.map((one) => {
    const move = moves.find(({ topic, index }) => topic === one.topic && index === one.index)
    return move === undefined ? one : { ...one, leader: move.to ?? one.leader, target: null }
  })
}

function ledBy(partitions: readonly BalancePartition[], id: number): number {
  return partitions.filter(({ leader }) => leader === id).length
}

describe('a plan', () => {
  test('is empty while brokers differ little from the mean', () => {
    assert.deepEqual(planBalance([node(1), node(2)], spread([11, 9]), LIMITS), { moves: [], cutBy: undefined })
    assert.ok(planBalance([node(1), node(2)], spread([13, 7]), LIMITS).moves.length > 0)
  })

  test('gives a new broker its part by counting, where nothing was measured', () => {
    const partitions = spread([30, 30, 0])
    const plan = planBalance([node(1), node(2), node(3)], partitions, LIMITS)
    const later = after(partitions, plan)
    for (const id of [1, 2, 3])
      assert.ok(ledBy(later, id) >= 18 && ledBy(later, id) <= 22, `${id}: ${ledBy(later, id)}`)
    assert.match(plan.moves[0]?.reason ?? '', /^broker 1 carries 150 % of the mean, broker 3 0 %$/)
  })

  test('goes by what was measured, not by counts alone', () => {
    const partitions = [0, 1, 2, 3].map((index) =>
      partition(index, index < 2 ? 1 : 2, { load: load(index < 2 ? 1000 : 10) })
    )
    const later = after(partitions, planBalance([node(1), node(2)], partitions, LIMITS))
    assert.equal(
      later.slice(0, 2).filter(({ leader }) => leader === 2).length,
      1,
      'the two busy ones are at two brokers'
    )
  })

  test('leaves one large partition where it is: moving it would only turn things round', () => {
    const partitions = [partition(0, 1, { load: load(1000) }), partition(1, 2, { load: load(1) })]
    assert.deepEqual(planBalance([node(1), node(2)], partitions, LIMITS).moves, [])
  })

  test('moves nothing that has just moved, or is moving, but off a draining broker', () => {
    const held = spread([10, 0]).map((one) => ({ ...one, settling: true }))
    assert.deepEqual(planBalance([node(1), node(2)], held, LIMITS).moves, [])
    assert.equal(planBalance([node(1, { state: 'draining' }), node(2)], held, LIMITS).moves.length, 10)
    const moving = spread([10, 0]).map((one) => ({ ...one, target: one.index < 5 ? 2 : null }))
    assert.deepEqual(
      planBalance([node(1), node(2)], moving, LIMITS).moves,
      [],
      'what is on its way counts where it goes'
    )
  })

  test('gives nothing to brokers that are slow, excluded, draining, stopped or fenced', () => {
    const shunned = [
      node(2, { slow: true }),
      node(3, { excluded: true }),
      ...(['draining', 'stopped', 'fenced'] as const).map((state, at) => node(4 + at, { state }))
    ]
    assert.deepEqual(planBalance([node(1), ...shunned], spread([50]), LIMITS).moves, [])
    const plan = planBalance([node(1), ...shunned, node(7)], spread([50]), LIMITS)
    assert.deepEqual([...new Set(plan.moves.map(({ to }) => to))], [7])
  })

  test('spreads what a draining broker leads, at once, and near to it if it can', () => {
    const nodes = [
      node(1, { state: 'draining', rack: 'a' }),
      node(2, { rack: 'b' }),
      node(3, { rack: 'a' }),
      node(4, { rack: 'b' })
    ]
    const partitions = spread([90])
    const plan = planDraining(nodes, partitions, LIMITS)
    assert.equal(plan.moves[0]?.to, 3)
    for (const id of [2, 3, 4]) assert.equal(ledBy(after(partitions, plan), id), 30)
    assert.equal(plan.moves[0]?.reason, 'broker 1 is draining')
    const cut = planDraining(nodes, partitions, { ...LIMITS, drainedMax: 40 })
    assert.deepEqual([cut.moves.length, cut.cutBy], [40, 'moves'])
    const going = partitions.map((one) => ({ ...one, target: 2 }))
    assert.deepEqual(planDraining(nodes, going, LIMITS).moves, [], 'they are on their way')
  })

  test('empties a draining broker onto slow and excluded ones when there is nobody else, and waits when nobody runs', () => {
    const draining = node(1, { state: 'draining' })
    const plan = planDraining([draining, node(2, { slow: true }), node(3, { excluded: true })], spread([4]), LIMITS)
    assert.deepEqual(plan.moves.map(({ to }) => to).toSorted(), [2, 2, 3, 3])
    assert.deepEqual(planDraining([draining, node(2, { state: 'stopped' })], spread([4]), LIMITS).moves, [])
  })

  test('brings pinned partitions to their brokers, slow or excluded or not, and leaves them there', () => {
    const nodes = [node(1), node(2, { excluded: true }), node(3, { slow: true })]
    const pinned = (pins: number[], leader = 1) => [partition(0, leader, { pins })]
    const plan = planBalance(nodes, pinned([2]), LIMITS)
    assert.deepEqual(destinations(plan), [[0, 2]])
    assert.equal(plan.moves[0]?.reason, 'topic t is pinned to 2')
    assert.deepEqual(destinations(planBalance(nodes, pinned([3]), LIMITS)), [[0, 3]])
    assert.deepEqual(destinations(planBalance(nodes, pinned([3, 2]), LIMITS)), [[0, 2]])
    assert.deepEqual(planBalance(nodes, pinned([9]), LIMITS).moves, [], 'none of those is there')
    const all = spread([0, 20]).map((one) => ({ ...one, pins: [2] }))
    assert.deepEqual(planBalance(nodes, all, LIMITS).moves, [])
    assert.ok(planBalance([node(1), node(2)], spread([0, 20]), LIMITS).moves.length > 0, 'unlike others')
  })

  test('takes a pinned partition off a draining broker even when none of its own runs', () => {
    const nodes = [node(1, { state: 'draining' }), node(2)]
    const plan = planBalance(nodes, [partition(0, 1, { pins: [1] })], LIMITS)
    assert.deepEqual(destinations(plan), [[0, 2]])
    assert.match(plan.moves[0]?.reason ?? '', /draining, and of those it is pinned to none runs/)
  })

  test('takes back targets that are dead or draining, and leaves those that only stopped', () => {
    const nodes = [node(1), node(2, { state: 'fenced' }), node(3, { state: 'stopped' }), node(4, { state: 'draining' })]
    const partitions = [2, 3, 4, 5].map((target, index) => partition(index, 1, { target }))
    const { moves } = planBalance(nodes, partitions, LIMITS)
    assert.deepEqual(moves.map(({ index, to, reason }) => [index, to, reason.split(' ').at(-1)]), [[0, null, 'fenced'], [2, null, 'draining'], [3, null, 'gone']]) // biome-ignore format: a table
  })

  test('keeps to its limits, counts what is under way, and says which limit cut it', () => {
    const nodes = [node(1), node(2)]
    const few = planBalance(nodes, spread([100]), { ...LIMITS, movesMax: 7 })
    assert.deepEqual([few.moves.length, few.cutBy], [7, 'moves'])
    const underWay = spread([100]).map((one) => ({ ...one, target: one.index < 3 ? 2 : null }))
    assert.equal(planBalance(nodes, underWay, { ...LIMITS, movesMax: 7 }).moves.length, 4)
    const heavy = spread([100]).map((one) => ({ ...one, load: { bytesIn: 60, bytesOut: 40, requests: 1 } }))
    const light = planBalance(nodes, heavy, { ...LIMITS, bytesMax: 550 })
    assert.deepEqual([light.moves.length, light.cutBy], [5, 'bytes'])
    assert.equal(planBalance(nodes, heavy, { ...LIMITS, bytesMax: 1 }).moves.length, 1, 'one at least')
  })

  test('counts what nobody has measured as one of the middle', () => {
    const partitions = Array.from({ length: 20 }, (_, at) =>
      partition(at, 1 + (at % 2), at < 2 ? {} : { load: load(100) })
    )
    assert.deepEqual(planBalance([node(1), node(2)], partitions, LIMITS).moves, [])
  })

  test('leaves what a dead broker leads to its failover', () => {
    const nodes = [node(1, { state: 'fenced' }), node(2), node(3)]
    assert.deepEqual(planBalance(nodes, spread([50]), LIMITS).moves, [])
  })

  test('of ten thousand partitions is made in a moment', () => {
    const partitions = Array.from({ length: 10_000 }, (_, at) => partition(at, 1 + (at % 9), { load: load(at % 97) }))
    const startMs = performance.now()
    planBalance(
      Array.from({ length: 10 }, (_, at) => node(at + 1)),
      partitions,
      LIMITS
    )
    assert.ok(performance.now() - startMs < 2000, `${performance.now() - startMs} ms`)
  })
})

const states: readonly NodeState[] = ['running', 'running', 'running', 'draining', 'stopped', 'fenced']
const anyCluster = fc.integer({ min: 1, max: 6 }).chain((count) => {
  const id = fc.integer({ min: 1, max: count })
  const rate = fc.oneof(fc.constant(0), fc.nat({ max: 1000 }), fc.nat({ max: 1_000_000 }))
  const nodes = fc.tuple(
    ...Array.from({ length: count }, (_, at) =>
      fc.record({
        id: fc.constant(at + 1),
        rack: fc.constantFrom(null, 'a', 'b'),
        state: fc.constantFrom(...states),
        slow: fc.boolean().map((slow) => slow && at % 2 === 0),
        excluded: fc.boolean().map((excluded) => excluded && at % 3 === 0)
      })
    )
  )
  const rates = fc.option(fc.record({ bytesIn: rate, bytesOut: rate, requests: rate }), { nil: undefined })
  const one = fc.record({
    leader: id,
    target: fc.option(id, { nil: null, freq: 8 }),
    load: rates,
    pins: fc.oneof(
      { weight: 4, arbitrary: fc.constant<number[]>([]) },
      { weight: 1, arbitrary: fc.uniqueArray(id, { minLength: 1, maxLength: 2 }) }
    ),
    settling: fc.boolean().map(() => false)
  })
  const partitions = fc
    .array(one, { maxLength: 60 })
    .map((all) => all.map((fields, index): BalancePartition => ({ topicId: 'T', topic: 't', index, ...fields })))
  return fc.record({ nodes, partitions })
})

type AnyCluster = { nodes: BalanceNode[]; partitions: BalancePartition[] }

/** Carries plans out until there is nothing to do; the states in between. */
function carriedOut({ nodes, partitions }: AnyCluster, limits = LIMITS): BalancePartition[][] {
  const steps = [partitions]
  for (let last = partitions; steps.length < 300; ) {
    const plan = planBalance(nodes, last, limits)
    if (plan.moves.length === 0) return steps
    last = after(last, plan)
    steps.push(last)
  }
  return assert.fail('the plans come to no end')
}

function costs({ nodes }: AnyCluster, partitions: readonly BalancePartition[]): number[] {
  return new BrokerLoads(nodes, partitions).running.map(({ cost }) => cost)
}

describe('plans of any cluster', () => {
  test('move nothing to where it must not go', () => {
    fc.assert(
      fc.property(anyCluster, ({ nodes, partitions }) => {
        for (const { index, to, from } of planBalance(nodes, partitions, LIMITS).moves) {
          const [target, source, moved] = [nodes[(to ?? 0) - 1], nodes[from - 1], partitions[index]]
          assert.ok(moved !== undefined && source !== undefined)
          if (to === null) continue
          assert.ok(target?.state === 'running' && to !== from)
          const canLead = moved.pins.filter((pin) => nodes[pin - 1]?.state === 'running')
          if (canLead.length > 0) assert.ok(canLead.includes(to), 'it is pinned elsewhere')
          else if (source.state === 'running') assert.ok(!target.slow && !target.excluded && moved.pins.length === 0)
        }
      }),
      { numRuns: 400 }
    )
  })

  test('come to an end, never come back to where they were, and leave nothing at draining brokers', () => {
    fc.assert(
      fc.property(anyCluster, fc.integer({ min: 1, max: 10 }), (cluster, movesMax) => {
        // What is under way would stay so for ever here.
        const partitions = cluster.partitions.map((one) => ({ ...one, target: null }))
        const steps = carriedOut({ ...cluster, partitions }, { ...LIMITS, movesMax })
        const seen = new Set(steps.map((step) => step.map(({ leader }) => leader).join()))
        assert.equal(seen.size, steps.length)
        if (!cluster.nodes.some(({ state }) => state === 'running')) return
        for (const { leader } of steps.at(-1) ?? []) assert.notEqual(cluster.nodes[leader - 1]?.state, 'draining')
      }),
      { numRuns: 300 }
    )
  })

  test('make the load of no cluster less even', () => {
    fc.assert(
      fc.property(anyCluster, (cluster) => {
        const nodes = cluster.nodes.map((one) => ({ ...one, state: 'running' as const }))
        const partitions = cluster.partitions.map((one) => ({ ...one, pins: [], target: null }))
        const steps = carriedOut({ nodes, partitions })
        const squares = steps.map((step) =>
          costs({ nodes, partitions }, step).reduce((sum, cost) => sum + cost ** 2, 0)
        )
        const largest = steps.map((step) => Math.max(...costs({ nodes, partitions }, step)))
        for (let at = 1; at < steps.length; at++) {
          assert.ok((squares[at] ?? 0) < (squares[at - 1] ?? 0))
          assert.ok((largest[at] ?? 0) <= (largest[at - 1] ?? 0) + 1e-9)
        }
      }),
      { numRuns: 300 }
    )
  })

  test('end with brokers alike where partitions are small', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 5 }),
        fc.array(fc.nat({ max: 1 }), { minLength: 200, maxLength: 300 }),
        (count, ones) => {
          const nodes = Array.from({ length: count }, (_, at) => node(at + 1))
          const partitions = ones.map((one, index) => partition(index, 1 + (one % count), { load: load(100 + index) }))
          const end = carriedOut({ nodes, partitions }).at(-1) ?? []
          const found = costs({ nodes, partitions }, end)
          for (const cost of found) assert.ok(Math.abs(cost * count - 1) <= 0.15, found.join(' '))
        }
      ),
      { numRuns: 30 }
    )
  })

  test('are the same for the same cluster, in whatever order it is told', () => {
    fc.assert(
      fc.property(anyCluster, ({ nodes, partitions }) => {
        const plan = planBalance(nodes, partitions, LIMITS)
        assert.deepEqual(planBalance(nodes.toReversed(), partitions.toReversed(), LIMITS), plan)
      }),
      { numRuns: 200 }
    )
  })
})
