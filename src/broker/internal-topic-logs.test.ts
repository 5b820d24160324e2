import assert from 'node:assert/strict'
import { it } from 'node:test'
import { BrokerFixture } from './broker-fixture.ts'
import { InternalTopicLogs } from './internal-topic-logs.ts'

it('an internal topic is read with what an owner before still had on its way to the disk', async () => {
  const broker = await BrokerFixture.start()
  const { clock, topics, device } = broker
  const logs = new InternalTopicLogs({ topic: '__things', partitions: 1, topics, clock })
  await broker.run(logs.partitionCount())
  const before = await logs.open(0)
  const after = await logs.open(0)
  assert.ok(before !== undefined && after !== undefined)
  device.faults.syncMs = 40
  const appending = before.append([{ key: Buffer.from('a'), value: null }])
  const keys: string[] = []
  const reading = after.readAll({
    records: (records) => keys.push(...records.map(({ key }) => String(key))),
    end: () => assert.fail('nothing ended')
  })
  await clock.advance(200)
  await Promise.all([appending, reading])
  assert.deepEqual(keys, ['a'])
  device.faults.syncMs = 0
  await broker.close()
})
