/** The tools that measure, and the verifiable producer. */
import assert from 'node:assert/strict'
import { unique } from '../../waiting.ts'
import { events, found, type KafkaTools } from './kafka-tools.ts'

export async function trafficTools(tools: KafkaTools): Promise<void> {
  const topic = unique('traffic')
  const produce = (...args: string[]): Promise<string> =>
    tools.run('kafka-producer-perf-test', ['--topic', topic, '--record-size', '100', '--throughput', '-1', ...args])
  await tools.check('kafka-producer-perf-test', 'sends', async () => {
    await tools.createTopic(topic, 2)
    found(await produce('--num-records', '5000'), /^5000 records sent, .*50th/m)
    const count = /:(\d+)$/gm
    const offsets = await tools.run('kafka-get-offsets', ['--topic', topic])
    const ends = [...offsets.matchAll(count)].map((match) => Number(match[1]))
    assert.equal(
      ends.reduce((sum, end) => sum + end, 0),
      5000
    )
  })
  await tools.check('kafka-producer-perf-test', 'sends in transactions', async () => {
    const transaction = ['--transactional-id', unique('perf'), '--transaction-duration-ms', '100']
    found(await produce('--num-records', '1000', ...transaction), /^1000 records sent/m)
  })
  await tools.check('kafka-consumer-perf-test', 'reads what there is', async () => {
    const output = await tools.run('kafka-consumer-perf-test', [
      '--topic',
      topic,
      '--num-records',
      '5000',
      '--timeout',
      '30000'
    ])
    const read = Number(found(output, /^\d{4}-.*?, \d{4}-.*?, [\d.]+, [\d.]+, (\d+), /m)[1])
    assert.ok(read >= 5000, output)
  })
  await tools.check('kafka-e2e-latency', 'measures', async () => {
    const latency = unique('latency')
    await tools.createTopic(latency)
    const args = ['--topic', latency, '--num-records', '30', '--producer-acks', 'all', '--record-size', '20']
    const output = await tools.run('kafka-e2e-latency', args)
    found(output, /Avg latency: [\d.]+ ms/)
    found(output, /Percentiles: 50th = \d+, 99th = \d+/)
  })
  await tools.check('kafka-verifiable-producer', 'sends', async () => {
    const verified = unique('verified')
    await tools.createTopic(verified)
    const producer = tools.start('kafka-verifiable-producer', ['--topic', verified, '--max-messages', '25'])
    assert.equal(await producer.ended, 0, producer.lastOutput())
    const sent = events(producer.stdout).filter(({ name }) => name === 'producer_send_success')
    assert.deepEqual(
      sent.map(({ value, offset }) => `${value}@${offset}`),
      Array.from({ length: 25 }, (_, index) => `${index}@${index}`)
    )
  })
}
