/**
 * A broker without sockets for tests: the real handlers, groups, partitions and storage engine, over a disk, an object
 * store and a database in memory, in virtual time. Requests go through the real dispatcher as encoded frames.
 */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import type { Database } from '../metadata/database.ts'
import { openDatabase } from '../metadata/open-database.ts'
import { SqlMetadata } from '../metadata/sql-metadata.ts'
import { FaultyObjectStore } from '../object-store/faulty-object-store.ts'
import { MemoryObjectStore } from '../object-store/memory-object-store.ts'
import { singleObjectStore } from '../object-store/single-object-store.ts'
import { silentLog } from '../runtime/log.ts'
import { type Random, seededRandom } from '../runtime/random.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { StreamEngine, type StreamEngineSettings } from '../stream/stream-engine.ts'
import { FileWal } from '../stream/wal/file-wal.ts'
import { MemoryWalDevice } from '../stream/wal/memory-wal-device.ts'
import { Reader, Writer } from '../wire/buffers.ts'
import { decodeResponseHeader, encodeRequestHeader, hasFlexibleResponseHeader } from '../wire/headers.ts'
import type { ApiMessage } from '../wire/message.ts'
import { CreateTopicsRequest, CreateTopicsResponse } from '../wire/messages/create-topics.ts'
import { FetchRequest, FetchResponse } from '../wire/messages/fetch.ts'
import { ProduceRequest, ProduceResponse } from '../wire/messages/produce.ts'
import { type BatchOptions, buildBatch } from '../wire/records/batch-builder.ts'
import { readBatches } from '../wire/records/records.ts'
import type { InferInput } from '../wire/schema.ts'
import { createAdministration } from './administration.ts'
import { type ApiTable, apiTable } from './apis.ts'
import { AppendDelays } from './append-delays.ts'
import type { BrokerParts, BrokerSettings } from './broker-parts.ts'
import { ClusterView } from './cluster-view.ts'
import { type Coordinators, closeCoordinators, createCoordinators, resumeTransactions } from './coordinators.ts'
import { Dispatcher } from './dispatcher.ts'
import { FetchSessions } from './fetch-sessions.ts'
import { FrameReader } from './frame-reader.ts'
import type { GroupCoordinator } from './groups/group-coordinator.ts'
import { anonymousPeer } from './handler.ts'
import { LedPartitions } from './led-partitions.ts'
import { type NodeCalls, noNodes } from './nodes/node-calls.ts'
import type { Partition } from './partition/partition.ts'
import { ProducerIds } from './producer-ids.ts'
import { Throttling } from './quotas/throttling.ts'
import type { NodeSecurity } from './security/node-security.ts'
import { LiveSettings } from './settings/live-settings.ts'
import { LiveTopicSettings, Topics } from './topics.ts'
import type { TransactionVerification } from './transactions/transaction-partitions.ts'
import { UnsentBytes } from './unsent-bytes.ts'

const NODE_ID = 1

/** What the brokers of a cluster share. */
export interface SharedFixture {
  readonly clock: VirtualClock
  readonly database: Database
  readonly store: FaultyObjectStore
}
/** Real time after which a call that does not end is given up; only thread-pool work (compression) takes any. */
const PATIENCE_MS = 20_000

/** The two messages of an API: what goes in, and what comes out. */
export interface ApiPair<Req, Res> {
  readonly request: ApiMessage<unknown, Req>
  readonly response: ApiMessage<Res, unknown>
}

export function pair<Req, Res>(
  request: ApiMessage<unknown, Req>,
  response: ApiMessage<Res, unknown>
): ApiPair<Req, Res> {
  return { request, response }
}

export const PRODUCE = pair(ProduceRequest, ProduceResponse)
export const FETCH = pair(FetchRequest, FetchResponse)
export const CREATE_TOPICS = pair(CreateTopicsRequest, CreateTopicsResponse)

export type FetchAnswer = typeof FetchResponse.output
type FetchInput = InferInput<typeof FetchRequest>
export type FetchPartition = FetchInput['topics'][number]['partitions'][number]

/** A request as it travels, without the length before it. */
export function encodeRequest<Req>(
  message: ApiMessage<unknown, Req>,
  version: number,
  request: Req,
  correlationId = 1,
  clientId = 'test'
): Buffer {
  const writer = new Writer()
  const header = { apiKey: message.apiKey, apiVersion: version, correlationId, clientId }
  encodeRequestHeader(writer, header, message.isFlexible(version))
  message.encode(writer, version, request)
  return Buffer.concat(writer.finish())
}

/** The answer in a frame without its length. */
export function decodeResponse<Res>(message: ApiMessage<Res, unknown>, version: number, frame: Buffer): Res {
  const reader = new Reader(frame)
  decodeResponseHeader(reader, hasFlexibleResponseHeader(message.apiKey, message.isFlexible(version)))
  const response = message.decode(reader, version)
  assert.equal(reader.remaining, 0, 'nothing is left after the response')
  return response
}

/** One batch of `count` records of about `valueBytes` each. */
export function batch(count = 1, options: BatchOptions & { valueBytes?: number; timestamps?: number[] } = {}): Buffer {
  const { valueBytes = 10, timestamps = [], ...rest } = options
  const records = Array.from({ length: count }, (_, i) => ({
    key: null,
    value: Buffer.alloc(valueBytes, i),
    timestamp: timestamps[i] ?? 1_700_000_000_000
  }))
  return buildBatch(records, rest)
}

export interface FixtureOptions {
  readonly settings?: Partial<BrokerSettings>
  readonly sessionsMax?: number
  readonly producerExpirationMs?: number
  readonly logCacheBytes?: number
  /** Of an earlier life. */
  readonly disk?: MemoryWalDevice
  /** Undefined: it is a cluster of its own. */
  readonly shared?: SharedFixture
  /** The other brokers; none by default. */
  readonly nodes?: NodeCalls
  readonly security?: NodeSecurity
  /** In place of the transaction coordinator. */
  readonly transactionVerification?: TransactionVerification
}

export class BrokerFixture {
  readonly clock: VirtualClock
  readonly store: FaultyObjectStore
  readonly nodeId: number
  readonly options: FixtureOptions
  metadata!: SqlMetadata
  device: MemoryWalDevice
  engine!: StreamEngine
  led!: LedPartitions
  topics!: Topics
  nodeEpoch = 0
  sessions!: FetchSessions
  coordinators!: Coordinators
  parts!: BrokerParts
  apis!: ApiTable
  dispatcher!: Dispatcher
  /** Of the one client there is. */
  peer = anonymousPeer(50_000)
  /** How long its connection was not to be read, for each answer that said so. */
  readonly muted: number[] = []
  readonly #random: Random
  #closed = new AbortController()

  private constructor(options: FixtureOptions) {
    this.options = options
    this.nodeId = options.settings?.nodeId ?? SETTINGS.nodeId
    this.clock = options.shared?.clock ?? new VirtualClock()
    this.#random = seededRandom(6 + this.nodeId)
    const { clock } = this
    this.store =
      options.shared?.store ?? new FaultyObjectStore({ store: new MemoryObjectStore(), random: this.#random, clock })
    this.device = options.disk ?? new MemoryWalDevice({ random: this.#random, clock: this.clock })
  }

  static async start(options: FixtureOptions = {}): Promise<BrokerFixture> {
    const fixture = new BrokerFixture(options)
    const database = options.shared?.database ?? (await openDatabase('sqlite::memory:'))
    fixture.metadata = await SqlMetadata.open({ database, clock: fixture.clock, random: fixture.#random })
    await fixture.run(fixture.#open())
    return fixture
  }

  /** The process dies, with it what was in memory; the disk keeps what was written, or is `disk` from now on. */
  async restart(disk?: MemoryWalDevice): Promise<void> {
    this.#closed.abort()
    this.#closed = new AbortController()
    closeCoordinators(this.coordinators)
    await this.run(this.led.close())
    const device = disk ?? this.device.kill()
    // Takes down the timers of the old life; its log can no longer be written.
    await this.run(this.engine.close().catch(() => undefined))
    this.device = device
    await this.run(this.#open())
  }

  /** The process dies. Returns its disk, as others find it. */
  async kill(): Promise<MemoryWalDevice> {
    this.#closed.abort()
    closeCoordinators(this.coordinators)
    await this.run(this.led.close())
    const device = this.device.kill()
    await this.run(this.engine.close().catch(() => undefined))
    return device
  }

  async close(): Promise<void> {
    this.#closed.abort()
    closeCoordinators(this.coordinators)
    await this.run(this.led.close())
    await this.run(this.engine.close())
    await this.metadata.close()
  }

  get groups(): GroupCoordinator {
    return this.coordinators.groups
  }

  /** The client's connection goes away. */
  disconnect(): void {
    this.#closed.abort()
    this.#closed = new AbortController()
  }

  /** Sends a request; what it waits for has to be brought about by the test. */
  send<Req, Res>(api: ApiPair<Req, Res>, version: number, request: Req): Promise<Res> {
    const frame = encodeRequest(api.request, version, request)
    const call = this.dispatcher.prepare(frame, {
      clientHost: '/127.0.0.1',
      connectionId: 1,
      peer: this.peer,
      localAddress: '127.0.0.1',
      closed: this.#closed.signal,
      mute: (delayMs) => this.muted.push(delayMs)
    })
    return call.start().then((chunks) => {
      assert.ok(chunks !== undefined, 'the request gets an answer')
      return decodeResponse(api.response, version, Buffer.concat(chunks).subarray(4))
    })
  }

  /** Sends a request and gives its answer, while virtual time stands still. */
  call<Req, Res>(api: ApiPair<Req, Res>, version: number, request: Req): Promise<Res> {
    return this.run(this.send(api, version, request))
  }

  /** Drives everything that needs no time to pass until `promise` is settled. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let done = false
    const over = promise.finally(() => {
      done = true
    })
    over.catch(() => undefined)
    const start = performance.now()
    while (!done) {
      await this.clock.advance(0)
      assert.ok(performance.now() - start < PATIENCE_MS, 'the call waits for time to pass')
    }
    return over
  }

  async createTopic(name: string, numPartitions = 1, configs: Record<string, string> = {}): Promise<void> {
    const list = Object.entries(configs).map(([key, value]) => ({ name: key, value }))
    const topic = { name, numPartitions, replicationFactor: 1, assignments: [], configs: list }
    const { topics } = await this.call(CREATE_TOPICS, 7, { topics: [topic] })
    assert.equal(topics[0]?.errorCode, 0, topics[0]?.errorMessage ?? '')
  }

  partition(topic: string, index = 0): Partition {
    const partition = this.topics.partition(topic, index)
    assert.ok(partition !== undefined, `${topic}-${index} is open`)
    return partition
  }

  /** Produces one batch to one partition. */
  async produce(topic: string, records: Buffer, index = 0) {
    const { responses } = await this.call(PRODUCE, 9, produceRequest(topic, records, index))
    const answer = responses[0]?.partitionResponses[0]
    assert.ok(answer !== undefined)
    return answer
  }

  /** Moves everything durable into objects, and out of memory if `logCacheBytes` is small. */
  upload(): Promise<void> {
    return this.run(this.engine.flush())
  }

  async #openEngine(): Promise<void> {
    const { clock, metadata } = this
    const random = this.#random
    const log = silentLog
    const nodeEpoch = await metadata.registerNode(this.nodeId)
    this.nodeEpoch = nodeEpoch
    const wal = new FileWal({ device: this.device, clock, random, log, segmentBytes: 1 << 20, bytesMax: 1 << 24 })
    const settings = engineSettings(this.options)
    const stores = singleObjectStore(this.store)
    // Tests take the device away to crash the broker.
    const failed = () => undefined
    this.engine = new StreamEngine({
      nodeId: this.nodeId,
      nodeEpoch,
      clock,
      random,
      log,
      metadata,
      stores,
      wal,
      failed,
      settings
    })
    await this.engine.recover()
  }

  #openTopics({ advertisedHost: host, rack }: BrokerSettings, live: LiveSettings): ClusterView {
    const { clock, metadata, nodeId, nodeEpoch, engine } = this
    const { producerExpirationMs = 86_400_000 } = this.options
    const settings = new LiveTopicSettings(() => live.topicDefaults())
    const self = { nodeId, host, port: 9091 + nodeId, rack }
    const cluster = new ClusterView({ nodeId, image: () => metadata.image, self: () => self })
    this.led = new LedPartitions({
      nodeId,
      nodeEpoch,
      clock,
      log: silentLog,
      metadata,
      engine,
      settings: (topic) => settings.of(topic),
      producerExpirationMs,
      mayServe: () => true
    })
    this.topics = new Topics({ clock, metadata, cluster, led: this.led, settings })
    return cluster
  }

  async #open(): Promise<void> {
    await this.#openEngine()
    const { clock, metadata, options } = this
    const random = this.#random
    const log = silentLog
    const brokerSettings = { ...SETTINGS, ...options.settings }
    const live = new LiveSettings(metadata.image, brokerSettings)
    const cluster = this.#openTopics(brokerSettings, live)
    this.sessions = new FetchSessions(random, options.sessionsMax ?? 1000)
    const producerIds = new ProducerIds(metadata)
    this.coordinators = createCoordinators({
      clock,
      random,
      log,
      topics: this.topics,
      cluster,
      nodes: options.nodes ?? noNodes,
      subscribe: (listener) => metadata.subscribe(listener),
      offsetsPartitions: 2,
      shareStatePartitions: 2,
      transactionPartitions: 2,
      producerIds,
      transactionVersion: () => (this.parts.features.level('transaction.version') >= 2 ? 2 : 0),
      groupSettingsOf: live.groupSettings,
      ...(options.transactionVerification && { transactionVerification: options.transactionVerification })
    })
    this.parts = {
      ...createAdministration({ clock, random, log, metadata, cluster, clientMetrics: live.clientMetrics }),
      clock,
      random,
      ...(options.security && { security: options.security }),
      log,
      metadata,
      settings: brokerSettings,
      live,
      cluster,
      appendDelays: new AppendDelays(),
      topics: this.topics,
      sessions: this.sessions,
      unsent: new UnsentBytes(64 * 1024 * 1024),
      producerIds,
      storedBytes: (streamId) => this.engine.storedBytes(streamId)
    }
    this.apis = apiTable(this.parts, this.coordinators)
    this.dispatcher = new Dispatcher(this.apis, new Throttling(this.parts))
    await this.led.open()
    await resumeTransactions(this.coordinators, this.topics)
  }
}

/** Nothing is uploaded by itself. */
export function engineSettings({ logCacheBytes = 1 << 24 }: FixtureOptions): StreamEngineSettings {
  return {
    logCacheBytes,
    blockCacheBytes: 1 << 16,
    coldReadBytesPerSecond: 0,
    uploadBytes: 1 << 24,
    uploadIntervalMs: 3_600_000,
    compactionIntervalMs: 3_600_000,
    objectGraceMs: 3_600_000
  }
}

const SETTINGS: BrokerSettings = {
  nodeId: NODE_ID,
  rack: null,
  advertisedHost: 'localhost',
  logDir: 'memory:',
  objectStoreProfiles: ['default', 'eu'],
  autoCreateTopics: true,
  defaultPartitions: 2,
  topicDefaults: {}
}

export function produceRequest(topic: string, records: Buffer, index = 0, acks = -1, timeoutMs = 30_000) {
  return { acks, timeoutMs, topicData: [{ name: topic, partitionData: [{ index, records: [records] }] }] }
}

/** A fetch of one topic's partitions, without a session unless `options` say otherwise. */
export function fetchRequest(
  topic: string,
  partitions: readonly (Partial<FetchPartition> & { partition: number })[],
  options: Partial<FetchInput> = {}
): FetchInput {
  const all = partitions.map((p) => ({ fetchOffset: 0, partitionMaxBytes: 1 << 20, ...p }))
  return { maxWaitMs: 0, minBytes: 1, maxBytes: 1 << 20, topics: [{ topic, partitions: all }], ...options }
}

/** What a fetch answered for one partition: its error and the base offsets of its batches. */
export function fetched(answer: FetchAnswer, partition = 0, topic?: string) {
  const found = answer.responses
    .filter((t) => topic === undefined || t.topic === topic)
    .flatMap((t) => t.partitions)
    .find((p) => p.partitionIndex === partition)
  if (found === undefined) return undefined
  const bytes = Buffer.concat(found.records ?? [])
  return { ...found, bytes: bytes.length, batches: [...readBatches(bytes)].map(({ header }) => header.baseOffset) }
}

/** A client over TCP that sends frames and counts on nothing: answers come out of `frame` in the order they came in. */
export class TestClient {
  readonly socket: Socket
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>
  readonly #reader = new FrameReader(1 << 30)
  readonly #frames: Buffer[] = []
  #wake: (() => void) | undefined

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      this.#frames.push(...this.#reader.push(chunk))
      this.#wake?.()
    })
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
    void this.closed.then(() => this.#wake?.())
  }

  static open(port: number): Promise<TestClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => resolve(new TestClient(socket)))
    })
  }

  write(frame: Buffer): void {
    const length = Buffer.alloc(4)
    length.writeInt32BE(frame.length)
    this.socket.write(Buffer.concat([length, frame]))
  }

  /** The next answer, or `undefined` when the connection ended before one came. */
  async frame(): Promise<Buffer | undefined> {
    while (this.#frames.length === 0) {
      if (this.socket.destroyed) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#frames.shift()
  }

  async call<Req, Res>(api: ApiPair<Req, Res>, version: number, request: Req): Promise<Res> {
    this.write(encodeRequest(api.request, version, request))
    const frame = await this.frame()
    assert.ok(frame !== undefined, 'the connection is closed')
    return decodeResponse(api.response, version, frame)
  }

  /** Ends the connection. */
  async close(): Promise<void> {
    this.socket.destroy()
    await this.closed
  }
}
