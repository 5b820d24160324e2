/** Adapter of @platformatic/kafka to the client contract; takes the module, since its major versions run apart. */
import type { Consumer, Message, MessagesStream } from '@platformatic/kafka'
import type { Client, Member, ProduceOptions, ReadRecord, SentRecord } from './client-contract.ts'
import { unique, within } from './waiting.ts'

export type Platformatic = Pick<
  typeof import('@platformatic/kafka'),
  'Admin' | 'Consumer' | 'Producer' | 'compressionsAlgorithms' | 'stringDeserializers' | 'stringSerializers'
>

type TextConsumer = Consumer<string, string, string, string>

export async function platformaticClient(kafka: Platformatic, bootstrap: string): Promise<Client> {
  const base = {
    clientId: 'conformance-platformatic',
    bootstrapBrokers: [bootstrap],
    timeout: 15_000,
    retries: 5,
    retryDelay: 200
  }
  const consumer = (groupId: string, groupInstanceId?: string): TextConsumer =>
    new kafka.Consumer({
      ...base,
      groupId,
      ...(groupInstanceId === undefined ? {} : { groupInstanceId }),
      deserializers: kafka.stringDeserializers,
      autocommit: false,
      maxWaitTime: 200,
      sessionTimeout: 10_000,
      rebalanceTimeout: 15_000,
      heartbeatInterval: 500
    })
  const admin = new kafka.Admin(base)

  return {
    codecs: (['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const).filter(
      (codec) => kafka.compressionsAlgorithms[codec].available
    ),
    async createTopic(topic, partitions) {
      await admin.createTopics({ topics: [topic], partitions, replicas: 1 })
    },
    async partitionCount(topic) {
      const metadata = await admin.metadata({ topics: [topic], forceUpdate: true })
      return metadata.topics.get(topic)?.partitionsCount ?? 0
    },
    produce: (topic, records, options) => produce(kafka, base, topic, records, options),
    read: (topic, from, count) => read(consumer(unique('reader')), topic, from, count),
    readInGroup: (group, topic, count) => readInGroup(consumer(group), topic, count),
    join: (group, topic, instanceId) => join(consumer(group, instanceId), topic),
    close: () => admin.close()
  }
}

async function produce(
  kafka: Platformatic,
  base: { clientId: string; bootstrapBrokers: string[] },
  topic: string,
  records: readonly SentRecord[],
  { codec = 'none', idempotent = false, headers = {} }: ProduceOptions = {}
): Promise<void> {
  const producer = new kafka.Producer({ ...base, serializers: kafka.stringSerializers, idempotent, acks: -1 })
  try {
    const messages = records.map(({ key, value }) => ({ topic, key, value, headers: { ...headers }, partition: 0 }))
    await producer.send({ messages, compression: codec, acks: -1 })
  } finally {
    await producer.close()
  }
}

async function read(
  consumer: TextConsumer,
  topic: string,
  from: number | 'beginning',
  count: number
): Promise<ReadRecord[]> {
  const topics = [topic]
  try {
    const stream =
      from === 'beginning'
        ? await consumer.consume({ topics, mode: 'earliest' })
        : await consumer.consume({ topics, mode: 'manual', offsets: [{ topic, partition: 0, offset: BigInt(from) }] })
    const messages = await take(stream, topic, count)
    return messages.map(plain)
  } finally {
    await consumer.close(true)
  }
}

async function readInGroup(consumer: TextConsumer, topic: string, count: number): Promise<ReadRecord[]> {
  try {
    const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' })
    const messages = await take(stream, topic, count)
    await messages.at(-1)?.commit()
    return messages.map(plain)
  } finally {
    await consumer.close(true)
  }
}

type TextMessage = Message<string, string, string, string>

function take(
  stream: MessagesStream<string, string, string, string>,
  topic: string,
  count: number
): Promise<TextMessage[]> {
  const messages: TextMessage[] = []
  const all = new Promise<TextMessage[]>((resolve, reject) => {
    stream.on('error', reject)
    stream.on('data', (message) => {
      if (messages.length < count) messages.push(message)
      if (messages.length === count) resolve(messages)
    })
  })
  return within(`${count} records of ${topic}`, all)
}

async function join(consumer: TextConsumer, topic: string): Promise<Member> {
  let assignments = 0
  consumer.on('consumer:group:join', () => {
    assignments++
  })
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest' })
  stream.on('data', () => {})
  stream.on('error', () => {})
  const partitions = (): number[] =>
    [...(consumer.assignments?.find((assignment) => assignment.topic === topic)?.partitions ?? [])].sort(
      (a, b) => a - b
    )
  return { partitions, assignments: () => assignments, leave: async () => consumer.close(true) }
}

function plain({ offset, key, value, headers }: TextMessage): ReadRecord {
  return { offset: Number(offset), key, value, headers: Object.fromEntries(headers) }
}
