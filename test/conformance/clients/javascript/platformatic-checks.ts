/** @platformatic/kafka of this repository's own dependencies: what the client contract covers, and what is its own. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import * as kafka from '@platformatic/kafka'
import type { Finding } from '../../compatibility.ts'
import { platformaticClient } from '../../platformatic.ts'
import { eventually, unique } from '../../waiting.ts'
import { contractChecks, runChecks } from './checks.ts'

const manifest = new URL('../package.json', import.meta.resolve('@platformatic/kafka'))
const { version } = JSON.parse(readFileSync(manifest, 'utf8'))
/** `isolation.level` of Kafka's protocol. */
const ISOLATION = { read_uncommitted: 0, read_committed: 1 } as const

export async function platformaticFindings(bootstrap: string): Promise<Finding[]> {
  const client = await platformaticClient(kafka, bootstrap)
  const create = async (): Promise<string> => {
    const topic = unique('platformatic')
    await client.createTopic(topic, 1)
    return topic
  }
  try {
    return await runChecks('@platformatic/kafka', version, {
      ...contractChecks(client),
      'consumer group (KIP-848)': async () => consumerGroup(bootstrap, await create()),
      transactions: async () => transactions(bootstrap, await create())
    })
  } finally {
    await client.close()
  }
}

const base = (bootstrap: string) => ({
  clientId: 'conformance-platformatic',
  bootstrapBrokers: [bootstrap],
  timeout: 15_000,
  retries: 5,
  retryDelay: 200
})

async function consumerGroup(bootstrap: string, topic: string): Promise<void> {
  const producer = new kafka.Producer({ ...base(bootstrap), serializers: kafka.stringSerializers })
  await producer.send({ messages: ['a', 'b'].map((value) => ({ topic, value, partition: 0 })), acks: -1 })
  await producer.close()
  const consumer = new kafka.Consumer({
    ...base(bootstrap),
    groupId: unique('group'),
    groupProtocol: 'consumer',
    deserializers: kafka.stringDeserializers,
    maxWaitTime: 200
  })
  const found: string[] = []
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false })
  stream.on('data', ({ value }) => found.push(value))
  await eventually('both records', () => found.length === 2)
  await consumer.close(true)
}

async function transactions(bootstrap: string, topic: string): Promise<void> {
  const producer = new kafka.Producer({
    ...base(bootstrap),
    serializers: kafka.stringSerializers,
    transactionalId: unique('tx'),
    idempotent: true
  })
  for (const value of ['c1', 'a1', 'c2']) {
    const transaction = await producer.beginTransaction()
    await transaction.send({ messages: [{ topic, value, partition: 0 }], acks: -1 })
    await (value === 'a1' ? transaction.abort() : transaction.commit())
  }
  await producer.close()
  assert.deepEqual(await read(bootstrap, topic, 2, 'read_committed'), ['c1', 'c2'])
  assert.deepEqual(await read(bootstrap, topic, 3, 'read_uncommitted'), ['c1', 'a1', 'c2'])
}

async function read(bootstrap: string, topic: string, count: number, isolation: keyof typeof ISOLATION) {
  const consumer = new kafka.Consumer({
    ...base(bootstrap),
    groupId: unique('reader'),
    deserializers: kafka.stringDeserializers,
    maxWaitTime: 200,
    isolationLevel: ISOLATION[isolation]
  })
  const found: string[] = []
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false })
  stream.on('data', ({ value }) => found.push(value))
  await eventually(`${count} records`, () => found.length >= count)
  await consumer.close(true)
  return found
}
