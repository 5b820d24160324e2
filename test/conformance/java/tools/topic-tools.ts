/** kafka-topics, kafka-delete-records, kafka-get-offsets, and the console clients. */
import assert from 'node:assert/strict'
import { eventually, unique } from '../../waiting.ts'
import { absent, found, type KafkaTools, once } from './kafka-tools.ts'

export async function topicTools(tools: KafkaTools): Promise<void> {
  await topics(tools)
  await records(tools)
  await consoleClients(tools)
}

async function topics(tools: KafkaTools): Promise<void> {
  const run = (...args: string[]): Promise<string> => tools.run('kafka-topics', args)
  const topic = unique('topics')
  await tools.check('kafka-topics', 'create', async () => {
    const shape = ['--partitions', '3', '--replication-factor', '1', '--config', 'retention.ms=7200000']
    found(await run('--create', '--topic', topic, ...shape), new RegExp(`Created topic ${topic}\\.`))
    const again = await tools.try('kafka-topics', ['--create', '--topic', topic])
    assert.equal(again.status, 1)
    found(again.output, /already exists/)
    await run('--create', '--topic', topic, '--if-not-exists')
  })
  await tools.check('kafka-topics', 'list', async () => {
    found(await run('--list'), new RegExp(`^${topic}$`, 'm'))
    absent(await run('--list', '--topic', `${topic}-other`), new RegExp(topic))
  })
  await tools.check('kafka-topics', 'describe', async () => {
    const output = await run('--describe', '--topic', topic)
    found(output, new RegExp(`Topic: ${topic}\\s+TopicId: \\S{22}\\s+PartitionCount: 3\\s+ReplicationFactor: 1`))
    found(output, /Configs: .*retention\.ms=7200000/)
    found(output, /Partition: 2\s+Leader: \d+\s+Replicas: \d+\s+Isr: \d+/)
    found(await run('--describe', '--topics-with-overrides'), new RegExp(topic))
    absent(await run('--describe', '--unavailable-partitions'), new RegExp(topic))
  })
  await tools.check('kafka-topics', 'alter partitions', async () => {
    await run('--alter', '--topic', topic, '--partitions', '5')
    await eventually('five partitions', async () => /PartitionCount: 5/.test(await run('--describe', '--topic', topic)))
  })
  await tools.check('kafka-topics', 'delete', async () => {
    await run('--delete', '--topic', topic)
    await eventually('it is gone', async () => !new RegExp(`^${topic}$`, 'm').test(await run('--list')))
    const again = await tools.try('kafka-topics', ['--delete', '--topic', topic])
    found(again.output, /does not exist as expected/)
  })
}

async function records(tools: KafkaTools): Promise<void> {
  const filled = once(async () => {
    const topic = unique('offsets')
    await tools.filledTopic(topic, 10)
    return topic
  })
  const offsets = async (...args: string[]): Promise<string> =>
    tools.run('kafka-get-offsets', ['--topic', await filled(), ...args])
  await tools.check('kafka-get-offsets', 'latest, earliest, by time', async () => {
    const topic = await filled()
    found(await offsets(), new RegExp(`^${topic}:0:10$`, 'm'))
    found(await offsets('--time', 'earliest'), new RegExp(`^${topic}:0:0$`, 'm'))
    found(await offsets('--time', '1000'), new RegExp(`^${topic}:0:0$`, 'm'))
    found(await offsets('--time', 'max-timestamp'), new RegExp(`^${topic}:0:\\d$`, 'm'))
  })
  await tools.check('kafka-delete-records', 'delete before an offset', async () => {
    const topic = await filled()
    const json = { partitions: [{ topic, partition: 0, offset: 4 }], version: 1 }
    const file = await tools.file('delete-records.json', JSON.stringify(json))
    const output = await tools.run('kafka-delete-records', ['--offset-json-file', file])
    found(output, new RegExp(`partition: ${topic}-0\\s+low_watermark: 4`))
    found(await offsets('--time', 'earliest'), new RegExp(`^${topic}:0:4$`, 'm'))
  })
}

async function consoleClients(tools: KafkaTools): Promise<void> {
  const filled = once(async () => {
    const topic = unique('console')
    await tools.filledTopic(topic, 20)
    return topic
  })
  const lines = (count: number): string => Array.from({ length: count }, (_, index) => `line-${index}`).join('\n')
  await tools.check('kafka-console-producer', 'keys and values', async () => {
    await filled()
  })
  await tools.check('kafka-console-consumer', 'from the beginning', async () => {
    const topic = await filled()
    const args = ['--topic', topic, '--from-beginning', '--max-messages', '20', '--timeout-ms', '30000']
    const output = await tools.run('kafka-console-consumer', args)
    assert.ok(output.startsWith(`${lines(20)}\n`), output)
    found(output, /Processed a total of 20 messages/)
  })
  await tools.check('kafka-console-share-consumer', 'records of a share group', async () => {
    const topic = await filled()
    const group = unique('console')
    const config = ['--entity-type', 'groups', '--entity-name', group, '--alter']
    await tools.run('kafka-configs', [...config, '--add-config', 'share.auto.offset.reset=earliest'])
    const args = ['--topic', topic, '--group', group, '--max-messages', '20', '--timeout-ms', '30000']
    const output = await tools.run('kafka-console-share-consumer', args)
    assert.ok(output.startsWith(`${lines(20)}\n`), output)
  })
}
