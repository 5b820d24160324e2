/** Adapter of kafkajs to the client contract. kafkajs has gzip only; the other codecs are plugged in. */
import kafkajs, { type Consumer, type EachMessagePayload, type IHeaders, type Kafka } from 'kafkajs'
import { type Codec, compress, decompress } from '../../src/wire/records/compression.ts'
import type { Client, Member, ProduceOptions, ReadRecord, SentRecord } from './client-contract.ts'
import { unique, within } from './waiting.ts'

const { CompressionCodecs, CompressionTypes, logLevel, Partitioners } = kafkajs

/** Largest batch that a test writes, uncompressed. */
const PLAIN_BYTES_MAX = 16 * 1024 * 1024

const codecTypes: Readonly<Record<Codec, number>> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD
}

for (const codec of ['snappy', 'lz4', 'zstd'] as const) {
  Object.assign(CompressionCodecs, {
    [codecTypes[codec]]: () => ({
      compress: (encoder: { buffer: Buffer }) => compress(codec, encoder.buffer),
      decompress: (packed: Buffer) => decompress(codec, packed, PLAIN_BYTES_MAX)
    })
  })
}

/** Connected to `bootstrap`, silent, with few and quick retries. */
export function kafkaJs(bootstrap: string): Kafka {
  return new kafkajs.Kafka({
    clientId: 'conformance-kafkajs',
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 5000,
    requestTimeout: 15_000,
    retry: { initialRetryTime: 50, maxRetryTime: 1000, retries: 8 }
  })
}

export async function kafkaJsClient(bootstrap: string): Promise<Client> {
  const kafka = kafkaJs(bootstrap)
  const admin = kafka.admin()
  await admin.connect()
  return {
    codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
    async createTopic(topic, partitions) {
      const created = await admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: true })
      if (!created) throw new Error(`${topic} exists already`)
    },
    async partitionCount(topic) {
      const metadata = await admin.fetchTopicMetadata({ topics: [topic] })
      return metadata.topics[0]?.partitions.length ?? 0
    },
    produce: (topic, records, options) => produce(kafka, topic, records, options),
    read: (topic, from, count) => read(kafka, topic, from, count),
    readInGroup: (group, topic, count) => readInGroup(kafka, group, topic, count),
    join: (group, topic) => join(kafka, group, topic),
    close: () => admin.disconnect()
  }
}

async function produce(
  kafka: Kafka,
  topic: string,
  records: readonly SentRecord[],
  { codec = 'none', idempotent = false, headers = {} }: ProduceOptions = {}
): Promise<void> {
  const producer = kafka.producer({ idempotent, createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  try {
    const messages = records.map(({ key, value }) => ({ key, value, headers: { ...headers }, partition: 0 }))
    await producer.send({ topic, acks: -1, compression: codecTypes[codec], messages })
  } finally {
    await producer.disconnect()
  }
}

async function read(kafka: Kafka, topic: string, from: number | 'beginning', count: number): Promise<ReadRecord[]> {
  const consumer = kafka.consumer({ groupId: unique('reader'), maxWaitTimeInMs: 200 })
  return collect(consumer, topic, count, () => {
    if (from !== 'beginning') consumer.seek({ topic, partition: 0, offset: String(from) })
  })
}

async function readInGroup(kafka: Kafka, groupId: string, topic: string, count: number): Promise<ReadRecord[]> {
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 200 })
  return collect(
    consumer,
    topic,
    count,
    () => {},
    async (last) => {
      await consumer.commitOffsets([{ topic, partition: 0, offset: String(last.offset + 1) }])
    }
  )
}

async function collect(
  consumer: Consumer,
  topic: string,
  count: number,
  started: () => void,
  finished: (last: ReadRecord) => Promise<void> = async () => {}
): Promise<ReadRecord[]> {
  const records: ReadRecord[] = []
  await consumer.connect()
  try {
    await consumer.subscribe({ topic, fromBeginning: true })
    const all = new Promise<void>((resolve) => {
      const eachMessage = async ({ message }: EachMessagePayload): Promise<void> => {
        if (records.length < count) {
          const { key, value, offset } = message
          records.push({
            offset: Number(offset),
            key: String(key),
            value: String(value),
            headers: plainHeaders(message.headers)
          })
        }
        if (records.length >= count) resolve()
      }
      void consumer.run({ autoCommit: false, eachMessage })
      started()
    })
    await within(`${count} records of ${topic}`, all)
    const last = records.at(-1)
    if (last !== undefined) await finished(last)
  } finally {
    await consumer.disconnect()
  }
  return records
}

async function join(kafka: Kafka, groupId: string, topic: string): Promise<Member> {
  const consumer = kafka.consumer({
    groupId,
    maxWaitTimeInMs: 200,
    sessionTimeout: 10_000,
    heartbeatInterval: 500,
    rebalanceTimeout: 15_000
  })
  let owned: number[] = []
  let assignments = 0
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    owned = [...(payload.memberAssignment[topic] ?? [])].sort((a, b) => a - b)
    assignments++
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ autoCommit: false, eachMessage: async () => {} })
  return { partitions: () => owned, assignments: () => assignments, leave: () => consumer.disconnect() }
}

function plainHeaders(headers: IHeaders = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([key, value]) => [key, String(value)]))
}
