import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import type { ClientMetricsSubscription, ClientProperty } from '../client-metrics-settings.ts'
import { TopicPattern } from '../groups/consumer/topic-pattern.ts'
import { ClientInstances, orderFor } from './client-instances.ts'

const ID = 'f3KXyZJtQJS2n0cBvdCqzQ'
const INTERVAL_MS = 10_000
const BYTES_MAX = 100

function subscription(
  metrics: string[],
  intervalMs = INTERVAL_MS,
  match: [ClientProperty, string][] = []
): ClientMetricsSubscription {
  const patterns = match.map(([property, pattern]) => [property, new TopicPattern(pattern)] as const)
  return { metrics, intervalMs, match: new Map(patterns) }
}

const subscriptions = new Map([['s', subscription(['a.'])]])
const properties = new Map<ClientProperty, string>([['client_id', 'pump-7']])

/** A client that has asked at time 0. */
function asked() {
  const instances = new ClientInstances(BYTES_MAX)
  const { order } = instances.meet(ID, properties, subscriptions, 0)
  assert.equal(instances.ask(ID, 0), ErrorCode.NONE)
  const push = (nowMs: number, changes: object = {}) => {
    instances.meet(ID, properties, subscriptions, nowMs)
    const plain = { subscriptionId: order.subscriptionId, terminating: false, compressionType: 0, bytes: 10 }
    return instances.push(ID, { ...plain, ...changes }, nowMs)
  }
  return { instances, order, push }
}

describe('client instances', () => {
  it('a client is asked for what all its subscriptions want, as often as the most eager one', () => {
    const all = new Map([
      ['one', subscription(['b.', 'a.'], 5000)],
      ['two', subscription(['b.', 'c.'], 9000, [['client_id', 'pump-\\d']])],
      ['not ours', subscription(['d.'], 100, [['client_id', 'valve']])],
      ['not told', subscription(['e.'], 100, [['client_software_name', '.*']])]
    ])
    const order = orderFor(ID, properties, all)
    assert.deepEqual([order.metrics, order.pushIntervalMs], [['a.', 'b.', 'c.'], 5000])
    assert.deepEqual(orderFor(ID, properties, new Map([...all, ['all', subscription(['*'])]])).metrics, ['*'])
    const none = orderFor(ID, properties, new Map())
    assert.deepEqual([none.metrics, none.pushIntervalMs], [[], 300_000])
  })

  it('the subscription id is the same for the same order and client, and another for others', () => {
    const { subscriptionId } = orderFor(ID, properties, subscriptions)
    assert.equal(orderFor(ID, new Map(), new Map(subscriptions)).subscriptionId, subscriptionId)
    assert.notEqual(orderFor('other', properties, subscriptions).subscriptionId, subscriptionId)
    const faster = new Map([['s', subscription(['a.'], 9999)]])
    assert.notEqual(orderFor(ID, properties, faster).subscriptionId, subscriptionId)
    assert.ok(Number.isInteger(subscriptionId) && Math.abs(subscriptionId) <= 2 ** 31)
  })

  it('asking again before the interval is over is throttled', () => {
    const { instances } = asked()
    assert.equal(instances.ask(ID, INTERVAL_MS - 1), ErrorCode.THROTTLING_QUOTA_EXCEEDED)
    assert.equal(instances.ask(ID, INTERVAL_MS), ErrorCode.NONE)
  })

  it('the first push after asking may come at any time, the next one an interval later', () => {
    const { push } = asked()
    assert.equal(push(1), ErrorCode.NONE)
    assert.equal(push(INTERVAL_MS), ErrorCode.THROTTLING_QUOTA_EXCEEDED)
    assert.equal(push(INTERVAL_MS + 1), ErrorCode.NONE)
  })

  it('a terminating push may come early, and nothing may come after it', () => {
    const { push } = asked()
    assert.equal(push(1), ErrorCode.NONE)
    assert.equal(push(2, { terminating: true }), ErrorCode.NONE)
    assert.equal(push(INTERVAL_MS * 2), ErrorCode.INVALID_REQUEST)
  })

  it('an unknown subscription, an unknown compression and too many bytes have errors of their own', () => {
    assert.equal(asked().push(1, { subscriptionId: 0 }), ErrorCode.UNKNOWN_SUBSCRIPTION_ID)
    assert.equal(asked().push(1, { compressionType: 5 }), ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
    assert.equal(asked().push(1, { compressionType: -1 }), ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
    assert.equal(asked().push(1, { bytes: BYTES_MAX + 1 }), ErrorCode.TELEMETRY_TOO_LARGE)
    assert.equal(asked().push(1, { bytes: BYTES_MAX, compressionType: 4 }), ErrorCode.NONE)
  })

  it('whoever is sent back to ask again may do so at once', () => {
    const { instances, push } = asked()
    push(1, { subscriptionId: 0 })
    assert.equal(instances.ask(ID, 2), ErrorCode.NONE)
    assert.equal(instances.ask(ID, 3), ErrorCode.THROTTLING_QUOTA_EXCEEDED)
    const large = asked()
    large.push(1, { bytes: BYTES_MAX + 1 })
    assert.equal(large.instances.ask(ID, 2), ErrorCode.THROTTLING_QUOTA_EXCEEDED)
  })

  it('when subscriptions change, the old order is not known any more and the client may ask at once', () => {
    const { instances, order } = asked()
    const changed = new Map([['s', subscription(['b.'])]])
    const { order: fresh } = instances.meet(ID, properties, changed, 1)
    assert.notEqual(fresh.subscriptionId, order.subscriptionId)
    const push = { subscriptionId: order.subscriptionId, terminating: false, compressionType: 0, bytes: 1 }
    assert.equal(instances.push(ID, push, 1), ErrorCode.UNKNOWN_SUBSCRIPTION_ID)
    assert.equal(instances.ask(ID, 2), ErrorCode.NONE)
  })

  it('clients are forgotten after a minute of silence, and the most silent one when there are too many', () => {
    const instances = new ClientInstances(BYTES_MAX)
    instances.meet('first', properties, subscriptions, 0)
    instances.meet('second', properties, subscriptions, 59_999)
    assert.equal(instances.has('first'), true)
    instances.meet('second', properties, subscriptions, 60_000)
    assert.equal(instances.has('first'), false)
    for (let i = 0; i < 16_384; i++) instances.meet(`c${i}`, properties, subscriptions, 60_001)
    assert.equal(instances.has('second'), false)
    assert.equal(instances.has('c0'), true)
  })
})
