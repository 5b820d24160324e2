import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { countPartitions } from './assignment.ts'
import { converge, SimulatedConsumer, SimulatedConsumerGroup } from './simulated-consumer-group.ts'

type Step =
  | { readonly do: 'join'; readonly instance: number | null; readonly subscription: number }
  | { readonly do: 'beat' | 'follow' | 'leave' | 'crash'; readonly who: number }
  | { readonly do: 'subscribe'; readonly who: number; readonly subscription: number }
  | { readonly do: 'topic'; readonly topic: number; readonly partitions: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'restart' }

const who = fc.nat(7)
const subscription = fc.nat(4)
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('join' as const), instance: fc.option(fc.nat(2)), subscription })
  },
  { weight: 14, arbitrary: fc.record({ do: fc.constantFrom('beat' as const, 'follow' as const), who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('leave' as const, 'crash' as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('subscribe' as const), who, subscription }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('topic' as const), topic: fc.nat(2), partitions: fc.nat(7) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(500, 5_000, 46_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) }
)

const topicNames = ['cars', 'boats', 'vans']
const subscriptions = [
  { topicNames: ['cars'] },
  { topicNames: ['cars', 'boats'] },
  { topicNames: ['boats', 'vans', 'missing'] },
  { topicRegex: '.*s' },
  { topicNames: [] }
]
const subscriptionAt = (index: number) => subscriptions[index] ?? { topicNames: ['cars'] }

/** What consumers work on: nobody may work on what another works on, unless the group has given it up as dead. */
function assertDisjoint(group: SimulatedConsumerGroup, consumers: readonly SimulatedConsumer[]): void {
  const owners = new Map<string, string>()
  for (const consumer of consumers) {
    if (!group.state?.members.has(consumer.memberId)) continue
    for (const [topicId, partitions] of consumer.owned) {
      for (const partition of partitions) {
        const name = `${topicId}-${partition}`
        const other = owners.get(name)
        assert.equal(other, undefined, `${name} is consumed by ${other} and ${consumer.memberId}`)
        owners.set(name, consumer.memberId)
      }
    }
  }
}

function run(steps: readonly Step[], assignmentIntervalMs: number): void {
  const group = new SimulatedConsumerGroup({ assignmentIntervalMs })
  for (const name of topicNames) group.topics.set(name, 3)
  let consumers: SimulatedConsumer[] = []
  let joined = 0
  for (const step of steps) {
    const consumer = 'who' in step ? consumers[step.who % Math.max(consumers.length, 1)] : undefined
    if (step.do === 'join' && consumers.length < 6) {
      const instance = step.instance === null ? null : `instance-${step.instance}`
      if (instance !== null && consumers.some((one) => one.instanceId === instance)) continue
      consumers.push(new SimulatedConsumer(group, `member-${joined++}`, subscriptionAt(step.subscription), instance))
    } else if (step.do === 'topic') {
      const name = topicNames[step.topic] ?? 'cars'
      const grown = Math.max(step.partitions, group.topics.partitionCount(name) ?? 0)
      if (step.partitions === 0) group.topics.delete(name)
      else group.topics.set(name, grown)
    } else if (step.do === 'advance') group.advance(step.ms)
    else if (step.do === 'restart') group.restart()
    else if (step.do === 'beat') consumer?.beat()
    else if (step.do === 'follow') consumer?.follow()
    else if (step.do === 'subscribe') consumer?.subscribe(subscriptionAt(step.subscription))
    else if (step.do === 'leave' || step.do === 'crash') {
      if (step.do === 'leave') consumer?.leave()
      consumers = consumers.filter((one) => one !== consumer)
    }
    group.check()
    assertDisjoint(group, consumers)
  }
  assertConverges(group, consumers)
}

/** Left alone, the group comes to rest: every partition has one consumer, and nobody more than its share. */
function assertConverges(group: SimulatedConsumerGroup, consumers: readonly SimulatedConsumer[]): void {
  // Dead members go, and static ones that do not come back.
  for (let i = 0; i < 12; i++) {
    for (const consumer of consumers) {
      consumer.beat()
      consumer.follow()
    }
    group.advance(10_000)
  }
  converge(group, consumers)
  assertDisjoint(group, consumers)
  assert.deepEqual(new Set(group.state?.members.keys()), new Set(consumers.map((one) => one.memberId)))
  for (const topic of topicNames) {
    const id = group.topics.topicId(topic)
    if (id === undefined) continue
    const subscribers = consumers.filter(({ subscription: wanted }) =>
      'topicRegex' in wanted ? true : wanted.topicNames.includes(topic)
    )
    const owned = subscribers.flatMap((one) => [...(one.owned.get(id) ?? [])])
    const all = Array.from({ length: group.topics.partitionCount(topic) ?? 0 }, (_, i) => i)
    assert.deepEqual(
      owned.sort((a, b) => a - b),
      subscribers.length === 0 ? [] : all,
      topic
    )
  }
  for (const consumer of consumers) assert.ok(countPartitions(consumer.owned) <= 3 * 7)
}

test('whatever members do: no partition has two owners, epochs only rise, records make the state, and all comes to rest', () => {
  const property = fc.property(
    fc.array(stepArbitrary, { maxLength: 70 }),
    fc.constantFrom(0, 1_000),
    (steps, intervalMs) => run(steps, intervalMs)
  )
  fc.assert(property, { numRuns: 300 })
})
