/**
 * Puts records into any Kafka: idempotent, acknowledged by all replicas, in order per device.
 *
 * Invariant: each idempotent client has at most one request under way. @platformatic/kafka 1.35 numbers a batch when
 * `send` is called and counts only after the answer, so two concurrent sends to a partition carry the same sequence:
 * the broker takes the second for a repetition, says yes, and drops it (measured: 19 of 20 lost). Hence `SendLane`, and
 * several clients for throughput. After an answer that never came, a client is thrown away before anything else is sent.
 * Partitions are Kafka's default for keys (murmur2). The number of partitions is read at start: a topic that grows while
 * the gateway runs keeps its devices where they are until the next start.
 */
import { Admin, compatibilityPartitioner, GenericError, Producer } from '@platformatic/kafka'
import type { Clock } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import type { RecordSink, SinkRecord } from './record-sink.ts'
import { type BatchSender, type SendFailure, SendLane, type SendLaneSettings } from './send-lane.ts'

export interface ProducedTopic {
  readonly name: string
  /** Used only when the topic is missing and must be created. */
  readonly partitions: number
}

export interface RecordProducerSettings extends SendLaneSettings {
  /** Idempotent clients, each with its own connection: requests under way at once. */
  readonly lanes: number
  /** Replicas of topics that are created; −1 is the broker's default. */
  readonly replicas: number
  /** How long one request may take. */
  readonly requestTimeoutMs: number
}

const defaultRecordProducerSettings: RecordProducerSettings = {
  lingerMs: 1,
  batchRecordsMax: 2_000,
  batchBytesMax: 512 * 1024,
  deliveryTimeoutMs: 30_000,
  retryDelayMs: 200,
  lanes: 4,
  replicas: -1,
  requestTimeoutMs: 10_000
}

export interface RecordProducerOptions {
  /** `host:port` of one or more brokers. */
  readonly bootstrap: readonly string[]
  readonly clientId?: string
  readonly topics: readonly ProducedTopic[]
  readonly clock: Clock
  readonly log: Log
  readonly settings?: Partial<RecordProducerSettings>
}

/** Creates the topics that are missing, then returns a sink for them. Fault `unavailable` when no broker answers. */
export async function createRecordProducer(options: RecordProducerOptions): Promise<RecordProducer> {
  const settings = { ...defaultRecordProducerSettings, ...options.settings }
  const partitions = await ensureTopics(options, settings)
  return new RecordProducer(options, settings, partitions)
}

export class RecordProducer implements RecordSink {
  readonly #lanes: SendLane[]
  readonly #partitions: ReadonlyMap<string, number>
  /** Spreads the topics over the lanes: partition 0 of each begins at another one. */
  readonly #firstLane: ReadonlyMap<string, number>

  constructor(
    options: RecordProducerOptions,
    settings: RecordProducerSettings,
    partitions: ReadonlyMap<string, number>
  ) {
    this.#partitions = partitions
    this.#firstLane = new Map([...partitions.keys()].map((topic, index) => [topic, index * 3]))
    this.#lanes = Array.from({ length: settings.lanes }, () => {
      return new SendLane(new KafkaSender(options, settings), options.clock, settings)
    })
  }

  /** Batches acknowledged so far. */
  get batches(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.batches, 0)
  }

  produce(record: SinkRecord): Promise<void> {
    const count = this.#partitions.get(record.topic)
    if (count === undefined) {
      return Promise.reject(new Fault('invalid', `topic ${record.topic} is not one this producer was made for`))
    }
    const partition = compatibilityPartitioner({ topic: record.topic }, record.key) % count
    const lane = this.#lanes[((this.#firstLane.get(record.topic) ?? 0) + partition) % this.#lanes.length]
    if (lane === undefined) return Promise.reject(new Fault('invalid', 'the record producer needs at least one lane'))
    return lane.produce(partition, record)
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()))
  }
}

/** Sequence numbers end at 2^31 − 1 and the client does not wrap them; a new session starts again at 0. */
const sessionRecordsMax = 1_000_000_000

class KafkaSender implements BatchSender {
  readonly #options: RecordProducerOptions
  readonly #settings: RecordProducerSettings
  #client: Producer<Buffer, Buffer, Buffer, Buffer> | undefined
  #sessionRecords = 0

  constructor(options: RecordProducerOptions, settings: RecordProducerSettings) {
    this.#options = options
    this.#settings = settings
  }

  async send(partition: number, records: readonly SinkRecord[]): Promise<void> {
    if (this.#sessionRecords + records.length > sessionRecordsMax) await this.renew()
    this.#client ??= this.#open()
    this.#sessionRecords += records.length
    await this.#client.send({ messages: records.map((record) => messageOf(record, partition)) })
  }

  async renew(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    this.#sessionRecords = 0
    await client?.close(true)
  }

  failureOf(error: unknown): SendFailure {
    const failure = classify(error)
    // Repeated several times a second while the broker is away, so not a warning each time.
    const level = failure === 'retry' ? 'debug' : 'warn'
    this.#options.log[level]({ failure, error: describe(error) }, 'a batch was not acknowledged')
    return failure
  }

  async close(): Promise<void> {
    await this.renew()
  }

  #open(): Producer<Buffer, Buffer, Buffer, Buffer> {
    const { requestTimeoutMs: timeout } = this.#settings
    return new Producer({
      clientId: this.#options.clientId ?? 'longhaul-gateway',
      bootstrapBrokers: [...this.#options.bootstrap],
      idempotent: true,
      timeout,
      requestTimeout: timeout,
      connectTimeout: timeout,
      // Repeating is the lane's business; below 2 the client would repeat for ever.
      retries: 2,
      retryDelay: 50
    })
  }
}

function classify(error: unknown): SendFailure {
  if (!isClientError(error) || sessionErrors.some((id) => hasCause(error, 'apiId', id))) return 'renew'
  return hasCause(error, 'canRetry', false) ? 'permanent' : 'retry'
}

/** The broker no longer knows the session, or knows more of it than we do. */
const sessionErrors = [
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'DUPLICATE_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_ID_MAPPING',
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED'
]

function messageOf(record: SinkRecord, partition: number) {
  const headers = new Map(record.headers.map(([name, value]) => [Buffer.from(name), Buffer.from(value)]))
  const { topic, key, value } = record
  return { topic, partition, key, value, headers, timestamp: BigInt(record.timestamp) }
}

/** The partition count of every topic, after creating those that are missing. */
async function ensureTopics(
  options: RecordProducerOptions,
  settings: RecordProducerSettings
): Promise<ReadonlyMap<string, number>> {
  const admin = new Admin({
    clientId: options.clientId ?? 'longhaul-gateway',
    bootstrapBrokers: [...options.bootstrap],
    timeout: settings.requestTimeoutMs,
    requestTimeout: settings.requestTimeoutMs,
    retries: 3,
    retryDelay: settings.retryDelayMs
  })
  try {
    const known = new Set(await admin.listTopics({}))
    for (const { name, partitions } of options.topics) {
      if (known.has(name)) continue
      options.log.info({ topic: name, partitions }, 'creating topic')
      await createTopic(admin, name, partitions, settings.replicas)
    }
    const names = options.topics.map((topic) => topic.name)
    const metadata = await admin.metadata({ topics: names, forceUpdate: true })
    return new Map(names.map((name) => [name, metadata.topics.get(name)?.partitionsCount ?? 1]))
  } catch (cause) {
    const brokers = options.bootstrap.join(', ')
    throw new Fault('unavailable', `cannot prepare topics at ${brokers}: ${describe(cause)}`, { cause })
  } finally {
    await admin.close()
  }
}

async function createTopic(admin: Admin, name: string, partitions: number, replicas: number): Promise<void> {
  try {
    await admin.createTopics({ topics: [name], partitions, replicas })
  } catch (error) {
    // Another gateway may have created it since we looked.
    if (!isClientError(error) || !hasCause(error, 'apiId', 'TOPIC_ALREADY_EXISTS')) throw error
  }
}

function isClientError(error: unknown): error is GenericError {
  return error instanceof Error && GenericError.isGenericError(error)
}

/** Whether the error, or one of those it wraps, says so. */
function hasCause(error: GenericError, property: string, value: unknown): boolean {
  return error.findBy(property, value) !== null
}

/** The client wraps errors in layers; the innermost says what happened. */
function describe(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return describe(error.errors[0])
  if (error instanceof Error && error.cause !== undefined) return `${error.message} ${describe(error.cause)}`
  return error instanceof Error ? error.message : String(error)
}
