/** One of the two brokers that a differential case talks to, with the names and ids that the case needs there. */
import { ZERO_UUID } from '../../../src/wire/buffers.ts'
import { buildBatch, type NewRecord } from '../../../src/wire/records/batch-builder.ts'
import { apis } from '../../faults/apis.ts'
import { type Api, RawConnection } from '../../faults/raw-client.ts'
import { eventually } from '../waiting.ts'

const ANSWER_MS = 8000
/** Timestamps are the same on both sides, so that stored bytes are. */
export const TIMESTAMP = 1_700_000_000_000

export interface Fixture {
  readonly name: string
  readonly id: string
}

export class Peer {
  readonly name: string
  /** Same on both sides, other for each case and version: what a case puts into the names of its topics and groups. */
  scope = ''
  nodeId = -1
  /** Leader epoch of a new partition: Kafka counts from 0. */
  firstLeaderEpoch = 0
  readonly #address: { readonly host: string; readonly port: number }
  #connection: RawConnection | undefined

  constructor(name: string, address: { readonly host: string; readonly port: number }) {
    this.name = name
    this.#address = address
  }

  async connect(): Promise<void> {
    const cluster = await this.send(apis.metadata, 1, { topics: [], includeTopicAuthorizedOperations: false })
    this.nodeId = cluster.brokers[0]?.nodeId ?? -1
    const { name } = await this.topic()
    const metadata = await this.send(apis.metadata, 7, { topics: [{ name }], includeTopicAuthorizedOperations: false })
    this.firstLeaderEpoch = metadata.topics[0]?.partitions[0]?.leaderEpoch ?? 0
  }

  async connection(): Promise<RawConnection> {
    if (this.#connection === undefined || this.#connection.over)
      this.#connection = await RawConnection.open(this.#address)
    return this.#connection
  }

  async send<Req, Res>(api: Api<Req, Res>, version: number, request: Req, timeoutMs = ANSWER_MS): Promise<Res> {
    return (await this.connection()).send(api, version, request, timeoutMs)
  }

  close(): void {
    this.#connection?.close()
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

  /** A topic with `batches` batches of `records` records each in partition 0, a second apart. */
  async filledTopic(batches = 3, records = 4): Promise<Fixture> {
    const topic = await this.topic()
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
