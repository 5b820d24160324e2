/** One of the two brokers that a differential case talks to, with the names and ids that the case needs there. */
import { ZERO_UUID } from '../../../src/wire/buffers.ts'
import { buildBatch, type NewRecord } from '../../../src/wire/records/batch-builder.ts'
import { apis } from '../../faults/apis.ts'
import { type Api, RawConnection } from '../../faults/raw-client.ts'
import { eventually } from '../waiting.ts'

const ANSWER_MS = 8000
/** Timestamps are the same on both sides, so that stored bytes are. */
export const TIMESTAMP = 1_700_000_000_000

/** Records of cases are years old: Kafka would delete them half a minute after its start. */
export const ENDLESS = { 'retention.ms': '-1' }

export interface Fixture {
  readonly name: string
  readonly id: string
}

export interface Address {
  readonly host: string
  readonly port: number
}

type Known = Pick<Peer, 'nodeId' | 'firstLeaderEpoch'>

/** A broker as a run of a case sees it: connections of its own, and names that no other run uses. */
export class Peer {
  readonly name: string
  readonly nodeId: number
  /** Leader epoch of a new partition: Kafka counts from 0. */
  readonly firstLeaderEpoch: number
  /** Same on both sides, other for each case and version: what a case puts into the names of its topics and groups. */
  readonly scope: string
  readonly #address: Address
  /** By key, the same for all that `at` makes. */
  readonly #shared: Map<string, Promise<unknown>>
  #connection: Promise<RawConnection> | undefined

  constructor(
    name: string,
    address: Address,
    { scope, nodeId = -1, firstLeaderEpoch = 0 }: Pick<Peer, 'scope'> & Partial<Known>,
    shared = new Map<string, Promise<unknown>>()
  ) {
    this.name = name
    this.#address = address
    this.scope = scope
    this.nodeId = nodeId
    this.firstLeaderEpoch = firstLeaderEpoch
    this.#shared = shared
  }

  at(scope: string): Peer {
    const { nodeId, firstLeaderEpoch } = this
    return new Peer(this.name, this.#address, { scope, nodeId, firstLeaderEpoch }, this.#shared)
  }

  /** Waits until the broker's coordinators serve, and learns what a case has to know of it. */
  static async connect(name: string, address: Address, scope: string): Promise<Peer> {
    const peer = new Peer(name, address, { scope })
    const cluster = await peer.send(apis.metadata, 1, { topics: [], includeTopicAuthorizedOperations: false })
    const nodeId = cluster.brokers[0]?.nodeId ?? -1
    const topic = await peer.topic()
    const asked = { topics: [{ name: topic.name }], includeTopicAuthorizedOperations: false }
    const metadata = await peer.send(apis.metadata, 7, asked)
    await coordinatorsOf(peer, topic)
    peer.close()
    const firstLeaderEpoch = metadata.topics[0]?.partitions[0]?.leaderEpoch ?? 0
    return new Peer(name, address, { scope, nodeId, firstLeaderEpoch })
  }

  async connection(): Promise<RawConnection> {
    if (this.#connection !== undefined && (await this.#connection).over) this.#connection = undefined
    this.#connection ??= RawConnection.open(this.#address)
    return this.#connection
  }

  async send<Req, Res>(api: Api<Req, Res>, version: number, request: Req, timeoutMs = ANSWER_MS): Promise<Res> {
    return (await this.connection()).send(api, version, request, timeoutMs)
  }

  close(): void {
    this.#connection?.then(
      (connection) => connection.close(),
      () => {}
    )
    this.#connection = undefined
  }

  scoped(name: string): string {
    return `${name}-${this.scope}`
  }

  /** A new topic whose partitions have a leader. */
  async topic(numPartitions = 1, configs: Readonly<Record<string, string>> = {}, label = 'topic'): Promise<Fixture> {
    const name = this.scoped(label)
    const settings = Object.entries(configs).map(([key, value]) => ({ name: key, value }))
    const topic = { name, numPartitions, replicationFactor: 1, assignments: [], configs: settings }
    const created = await this.send(apis.createTopics, 7, { topics: [topic] })
    const { errorCode = -1, topicId: id = ZERO_UUID } = created.topics[0] ?? {}
    if (errorCode !== 0) throw new Error(`${this.name}: CreateTopics of ${name} answered ${errorCode}`)
    await eventually(`${name} has leaders`, async () => {
      const partitions = Array.from({ length: numPartitions }, (_, partitionIndex) => ({
        partitionIndex,
        timestamp: -1
      }))
      const request = { replicaId: -1, isolationLevel: 0, topics: [{ name, partitions }] }
      const offsets = await this.send(apis.listOffsets, 7, request)
      return offsets.topics[0]?.partitions.every((partition) => partition.errorCode === 0) ?? false
    })
    return { name, id }
  }

  /** Made once for all cases, which must not change it; `make` gets a peer of its own for the names. */
  once<Made>(key: string, make: (peer: Peer) => Promise<Made>): Promise<Made> {
    const made = this.#shared.get(key)
    if (made !== undefined) return made as Promise<Made>
    const maker = this.at(`all-${key}-${this.scope.split('-')[0]}`)
    const making = make(maker).finally(() => maker.close())
    this.#shared.set(key, making)
    return making
  }

  /** As `filledTopic` makes it, for cases that only read. */
  readableTopic(): Promise<Fixture> {
    return this.once('filled', (peer) => peer.filledTopic())
  }

  /** A topic with `batches` batches of `records` records each in partition 0, a second apart. */
  async filledTopic(batches = 3, records = 4): Promise<Fixture> {
    const topic = await this.topic(1, ENDLESS)
    for (let batch = 0; batch < batches; batch++) {
      const produced = await this.produce(topic.name, [batchOf(records, batch * records)])
      if (produced !== 0) throw new Error(`${this.name}: Produce to ${topic.name} answered ${produced}`)
    }
    return topic
  }

  /** The error code for partition 0. */
  async produce(name: string, records: readonly Buffer[]): Promise<number> {
    const topicData = [{ name, partitionData: [{ index: 0, records }] }]
    const response = await this.send(apis.produce, 9, { acks: -1, timeoutMs: 5000, topicData })
    return response.responses[0]?.partitionResponses[0]?.errorCode ?? -1
  }
}

/** A batch of `count` records whose contents and timestamps follow from `first`. */
export function batchOf(count: number, first = 0, options: Parameters<typeof buildBatch>[1] = {}): Buffer {
  return buildBatch(
    Array.from({ length: count }, (_, index) => recordAt(first + index)),
    options
  )
}

export function recordAt(number: number): NewRecord {
  return {
    key: Buffer.from(`key-${number}`),
    value: Buffer.from(`value-${number}`),
    timestamp: TIMESTAMP + number * 1000,
    headers: [{ key: 'number', value: Buffer.from(String(number)) }]
  }
}

const COORDINATORS = 4
const COORDINATOR_KINDS = [0, 1, 2]

/** Asks for coordinators until all partitions of their topics are led, and for a commit, which waits for them to load. */
async function coordinatorsOf(peer: Peer, { name, id }: Fixture): Promise<void> {
  const groups = Array.from({ length: COORDINATORS * 4 }, (_, index) => peer.scoped(`warm-${index}`))
  await eventually(`${peer.name} has coordinators`, async () => {
    for (const keyType of COORDINATOR_KINDS) {
      const coordinatorKeys = keyType === 2 ? groups.map((group) => `${group}:${id}:0`) : groups
      const found = await peer.send(apis.findCoordinator, 6, { key: '', keyType, coordinatorKeys })
      if (found.coordinators.some(({ errorCode }) => errorCode !== 0)) return false
    }
    return true
  })
  const partitions = [{ partitionIndex: 0, committedOffset: 0, committedMetadata: '' }]
  await eventually(`${peer.name} has loaded its groups`, async () => {
    const commits = groups.map((groupId) =>
      peer.send(apis.offsetCommit, 7, { groupId, topics: [{ name, topicId: id, partitions }] })
    )
    return (await Promise.all(commits)).every(({ topics }) => topics[0]?.partitions[0]?.errorCode === 0)
  })
  await eventually(`${peer.name} has loaded its transactions`, async () => {
    const inits = groups.map((transactionalId) =>
      peer.send(apis.initProducerId, 4, { transactionalId, transactionTimeoutMs: 60_000 })
    )
    return (await Promise.all(inits)).every(({ errorCode }) => errorCode === 0)
  })
}

/** Answers of a case in the order in which they came, which lists do not keep. */
export function inOrder(...answers: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(answers.map((answer, index) => [`step ${index + 1}`, answer]))
}
