import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fault } from '../runtime/fault.ts'
import { silentLog } from '../runtime/log.ts'
import { BrokerFixture, batch } from './broker-fixture.ts'
import { planRetention, Retention } from './retention.ts'
import { topicSettings } from './topic-settings.ts'

const range = (startOffset: number, endOffset: number, bytes: number, maxTimestamp: number) => ({
  objectId: startOffset,
  streamId: 1,
  startOffset,
  endOffset,
  bytes,
  maxTimestamp
})
const RANGES = [range(0, 10, 100, 1000), range(10, 20, 100, 2000), range(20, 30, 100, 3000)]

describe('retention planning', () => {
  const plan = (
    configs: Record<string, string>,
    options: { start?: number; now?: number; ranges?: typeof RANGES } = {}
  ) => {
    const { start = 0, now = 10_000, ranges = RANGES } = options
    return planRetention({ startOffset: start }, ranges, topicSettings({ 'retention.ms': '-1', ...configs }, {}), now)
  }

  it('a range goes when its newest record is older than retention.ms, not before', () => {
    assert.equal(plan({ 'retention.ms': '9000' }, { now: 10_000 }), 0)
    assert.equal(plan({ 'retention.ms': '9000' }, { now: 10_001 }), 10)
    assert.equal(plan({ 'retention.ms': '0' }), 30)
    assert.equal(plan({ 'retention.ms': '-1' }, { now: 1e15 }), 0)
  })

  it('an old range behind a young one stays until its turn comes', () => {
    const ranges = [range(0, 10, 100, 9999), range(10, 20, 100, 5)]
    assert.equal(plan({ 'retention.ms': '5000' }, { ranges }), 0)
  })

  it('records without timestamps do not age', () => {
    assert.equal(plan({ 'retention.ms': '0' }, { ranges: [range(0, 10, 100, -1)] }), 0)
  })

  it('whole ranges go while what stays is still at least retention.bytes', () => {
    assert.equal(plan({ 'retention.bytes': '300' }), 0)
    assert.equal(plan({ 'retention.bytes': '201' }), 0)
    assert.equal(plan({ 'retention.bytes': '200' }), 10)
    assert.equal(plan({ 'retention.bytes': '0' }), 30)
    assert.equal(plan({ 'retention.bytes': '-1' }), 0)
  })

  it('what was dropped before counts no more', () => {
    assert.equal(plan({ 'retention.bytes': '200' }, { start: 10 }), 10)
    assert.equal(plan({ 'retention.bytes': '100' }, { start: 10 }), 20)
    assert.equal(plan({}, { start: 15 }), 15)
  })
})

describe('retention', () => {
  it('drops old ranges of every partition, also when one cannot be trimmed', async () => {
    const broker = await BrokerFixture.start()
    const { clock, metadata, topics } = broker
    for (const name of ['broken', 'aging']) {
      await broker.createTopic(name, 1, { 'retention.ms': '60000' })
      await broker.produce(name, batch(3, { timestamps: [clock.now(), clock.now(), clock.now()] }))
    }
    await broker.upload()
    broker.partition('broken').stream.trim = () => Promise.reject(new Fault('unavailable', 'the database is away'))
    const retention = new Retention({ clock, log: silentLog, topics, metadata })
    retention.start()
    await clock.advance(301_000)
    assert.equal(broker.partition('aging').startOffset, 3)
    await broker.produce('aging', batch(1, { timestamps: [clock.now()] }))
    await broker.upload()
    await clock.advance(301_000)
    assert.equal(broker.partition('aging').startOffset, 4, 'it looks again and again')
    retention.stop()
    const timers = clock.sleeping
    await clock.advance(301_000)
    assert.ok(clock.sleeping <= timers)
    await broker.close()
  })
})
