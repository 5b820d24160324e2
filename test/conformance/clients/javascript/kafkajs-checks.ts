/** kafkajs: what the client contract covers, and transactions. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import type { Kafka } from 'kafkajs'
import type { Finding } from '../../compatibility.ts'
import { kafkaJs, kafkaJsClient } from '../../kafkajs.ts'
import { eventually, unique } from '../../waiting.ts'
import { type Checks, contractChecks, NotOffered, runChecks } from './checks.ts'

const { version } = createRequire(import.meta.url)('kafkajs/package.json')

export async function kafkaJsFindings(bootstrap: string): Promise<Finding[]> {
  const client = await kafkaJsClient(bootstrap)
  try {
    const checks = contractChecks(client, { staticMembership: 'kafkajs has no group instance id' })
    return await runChecks('kafkajs', version, { ...checks, ...furtherChecks(kafkaJs(bootstrap)) })
  } finally {
    await client.close()
  }
}

function furtherChecks(kafka: Kafka): Checks {
  return {
    'consumer group (KIP-848)': async () => {
      throw new NotOffered('kafkajs speaks the classic protocol only')
    },
    transactions: () => transactions(kafka),
    'offsets in transactions': () => offsetsInTransactions(kafka),
    configs: () => configs(kafka),
    'delete records': () => deleteRecords(kafka),
    'group administration': () => groupAdministration(kafka)
  }
}

async function create(kafka: Kafka): Promise<string> {
  const topic = unique('kafkajs')
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true })
  await admin.disconnect()
  return topic
}

async function transactions(kafka: Kafka): Promise<void> {
  const topic = await create(kafka)
  const producer = kafka.producer({ transactionalId: unique('tx'), idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  for (const value of ['c1', 'a1', 'c2']) {
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: [{ value, partition: 0 }] })
    await (value === 'a1' ? transaction.abort() : transaction.commit())
  }
  await producer.disconnect()
  assert.deepEqual(await read(kafka, topic, 2, false), ['c1', 'c2'])
  assert.deepEqual(await read(kafka, topic, 3, true), ['c1', 'a1', 'c2'])
}

async function offsetsInTransactions(kafka: Kafka): Promise<void> {
  const [source, target, group] = [await create(kafka), await create(kafka), unique('group')]
  const producer = kafka.producer({ transactionalId: unique('tx'), idempotent: true, maxInFlightRequests: 1 })
  const admin = kafka.admin()
  await Promise.all([producer.connect(), admin.connect()])
  const committed = async (): Promise<string | undefined> => {
    const [found] = await admin.fetchOffsets({ groupId: group, topics: [source] })
    return found?.partitions[0]?.offset
  }
  for (const outcome of ['abort', 'commit'] as const) {
    const transaction = await producer.transaction()
    await transaction.send({ topic: target, messages: [{ value: outcome, partition: 0 }] })
    const topics = [{ topic: source, partitions: [{ partition: 0, offset: '6' }] }]
    await transaction.sendOffsets({ consumerGroupId: group, topics })
    await transaction[outcome]()
    if (outcome === 'abort') assert.equal(await committed(), '-1')
  }
  await eventually('the offset is committed', async () => (await committed()) === '6')
  await Promise.all([producer.disconnect(), admin.disconnect()])
  assert.deepEqual(await read(kafka, target, 1, false), ['commit'])
}

async function configs(kafka: Kafka): Promise<void> {
  const topic = await create(kafka)
  const admin = kafka.admin()
  await admin.connect()
  // ConfigResourceTypes.TOPIC
  const type = 2
  const configEntries = [{ name: 'retention.ms', value: '1000000' }]
  await admin.alterConfigs({ validateOnly: false, resources: [{ type, name: topic, configEntries }] })
  const shown = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type, name: topic }] })
  await admin.disconnect()
  const found = shown.resources[0]?.configEntries.find(({ configName }) => configName === 'retention.ms')
  assert.equal(found?.configValue, '1000000')
}

async function deleteRecords(kafka: Kafka): Promise<void> {
  const topic = await create(kafka)
  const [admin, producer] = [kafka.admin(), kafka.producer()]
  await Promise.all([admin.connect(), producer.connect()])
  await producer.send({ topic, messages: ['a', 'b', 'c'].map((value) => ({ value, partition: 0 })) })
  await admin.fetchTopicMetadata({ topics: [topic] })
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] })
  const [offsets] = await admin.fetchTopicOffsets(topic)
  await Promise.all([admin.disconnect(), producer.disconnect()])
  assert.equal(offsets?.low, '2')
}

async function groupAdministration(kafka: Kafka): Promise<void> {
  const [topic, group] = [await create(kafka), unique('group')]
  const [admin, producer] = [kafka.admin(), kafka.producer()]
  await Promise.all([admin.connect(), producer.connect()])
  await producer.send({ topic, messages: [{ value: 'a', partition: 0 }] })
  const consumer = kafka.consumer({ groupId: group })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async () => undefined })
  await eventually('the group has its member', async () => {
    const described = await admin.describeGroups([group])
    return described.groups[0]?.state === 'Stable' && described.groups[0].members.length === 1
  })
  await consumer.disconnect()
  await admin.setOffsets({ groupId: group, topic, partitions: [{ partition: 0, offset: '0' }] })
  assert.ok((await admin.listGroups()).groups.some(({ groupId }) => groupId === group))
  await admin.deleteGroups([group])
  await Promise.all([admin.disconnect(), producer.disconnect()])
}

async function read(kafka: Kafka, topic: string, count: number, readUncommitted: boolean): Promise<string[]> {
  const consumer = kafka.consumer({ groupId: unique('reader'), readUncommitted, maxWaitTimeInMs: 200 })
  const found: string[] = []
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => void found.push(String(message.value)) })
  await eventually(`${count} records`, () => found.length >= count)
  await consumer.disconnect()
  return found
}
