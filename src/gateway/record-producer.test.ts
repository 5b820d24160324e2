/** Against a real Kafka or our own broker: give its address in LONGHAUL_TEST_BOOTSTRAP. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Consumer } from '@platformatic/kafka'
import { isFault } from '../runtime/fault.ts'
import { silentLog } from '../runtime/log.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { createRecordProducer } from './record-producer.ts'

const bootstrap = process.env.LONGHAUL_TEST_BOOTSTRAP
const skip = bootstrap === undefined ? 'LONGHAUL_TEST_BOOTSTRAP is not set' : false

async function countStored(topic: string): Promise<bigint> {
  const client = new Consumer({ clientId: 't', groupId: 't', bootstrapBrokers: [bootstrap ?? ''] })
  try {
    const ends = await client.listOffsets({ topics: [topic], timestamp: -1n })
    return (ends.get(topic) ?? []).reduce((sum, end) => sum + end, 0n)
  } finally {
    await client.close(true)
  }
}

test('many concurrent records are stored once each', { skip }, async () => {
  const topic = `producer-test-${Date.now()}`
  const options = { bootstrap: [bootstrap ?? ''], clock: systemClock, log: silentLog }
  const producer = await createRecordProducer({ ...options, topics: [{ name: topic, partitions: 3 }] })
  try {
    const produce = (index: number) =>
      producer.produce({
        topic,
        key: Buffer.from(`device-${index % 50}`),
        value: Buffer.from(String(index)),
        headers: [['longhaul.v', '1']],
        timestamp: Date.now()
      })
    for (let round = 0; round < 5; round++)
      await Promise.all(Array.from({ length: 1000 }, (_, index) => produce(index)))
    assert.equal(await countStored(topic), 5000n)
    assert.ok(producer.batches < 1000, `${producer.batches} batches`)
    await assert.rejects(
      producer.produce({ topic: 'other', key: Buffer.from('k'), value: Buffer.from('v'), headers: [], timestamp: 0 }),
      (error) => isFault(error, 'invalid')
    )
  } finally {
    await producer.close()
  }
})

test('without a broker the producer says so', async () => {
  const promise = createRecordProducer({
    bootstrap: ['127.0.0.1:1'],
    topics: [{ name: 't', partitions: 1 }],
    clock: systemClock,
    log: silentLog,
    settings: { retryDelayMs: 1, requestTimeoutMs: 500 }
  })
  await assert.rejects(promise, (error) => isFault(error, 'unavailable') && error.message.includes('127.0.0.1:1'))
})
