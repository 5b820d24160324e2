import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fault } from '../runtime/fault.ts'
import { silentLog } from '../runtime/log.ts'
import { buildBatch } from '../wire/records/batch-builder.ts'
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

  it('what has no timestamp goes with old records behind it', () => {
    const ranges = [range(0, 10, 0, -1), range(10, 20, 100, 5), range(20, 30, 61, -1), range(30, 40, 100, 9999)]
    assert.equal(plan({ 'retention.ms': '5000' }, { ranges }), 20)
    assert.equal(plan({ 'retention.bytes': '100' }, { ranges }), 30)
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
  it('leaves a topic alone that is only compacted, and trims one that is both', async () => {
    const broker = await BrokerFixture.start()
    const { clock, metadata, topics } = broker
    for (const policy of ['compact', 'delete', 'compact,delete', '']) {
      await broker.createTopic(`p${policy.replace(',', '-')}`, 1, { 'cleanup.policy': policy, 'retention.ms': '1' })
    }
    const keyed = () => buildBatch([{ key: Buffer.from('k'), value: Buffer.from('v'), timestamp: clock.now() }])
    for (const name of topics.names()) await broker.produce(name, keyed())
    await broker.upload()
    await clock.advance(1000)
    await broker.run(new Retention({ clock, log: silentLog, topics, metadata }).enforce())
    const starts = [...topics.names()].map((name) => [name, broker.partition(name).startOffset])
    assert.deepEqual(Object.fromEntries(starts), { pcompact: 0, pdelete: 1, 'pcompact-delete': 1, p: 0 })
    await broker.close()
  })

  it('closing waits for the trim under way', async () => {
    const broker = await BrokerFixture.start()
    const { clock, metadata, topics } = broker
    await broker.createTopic('slow', 1, { 'retention.ms': '60000' })
    await broker.produce('slow', batch(3, { timestamps: [clock.now()] }))
    await broker.upload()
    const { stream } = broker.partition('slow')
    let release = (): void => assert.fail('nothing is trimmed')
    stream.trim = () =>
      new Promise((resolve) => {
        release = resolve
      })
    const retention = new Retention({ clock, log: silentLog, topics, metadata })
    retention.start()
    await clock.advance(301_000)
    let closed = false
    const closing = retention.close().then(() => {
      closed = true
    })
    await clock.advance(0)
    assert.equal(closed, false)
    release()
    await closing
    await broker.close()
  })

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
    await retention.close()
    const timers = clock.sleeping
    await clock.advance(301_000)
    assert.ok(clock.sleeping <= timers)
    await broker.close()
  })
})
