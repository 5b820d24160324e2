/**
 * Reads topics of any Kafka to their present end, without a consumer group.
 *
 * Invariant: every record between the two marks is handed over once, in offset order per partition.
 */
import { Consumer } from '@platformatic/kafka'
import { Fault } from '../runtime/fault.ts'
import type { StoredRecord } from './fleet-verification.ts'

/** Next offset by partition, for each topic. */
export type TopicMarks = ReadonlyMap<string, readonly bigint[]>

interface Place {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly leader: number
  readonly end: bigint
  offset: bigint
}

interface Batch {
  readonly firstOffset: bigint
  readonly lastOffsetDelta: number
  readonly attributes: number
  readonly records: readonly {
    readonly offsetDelta: number
    readonly key: Buffer | null
    readonly value: Buffer | null
    readonly headers: readonly (readonly [Buffer | null, Buffer | null])[]
  }[]
}

const latestTimestamp = -1n
/** How long a question waits for brokers that are being started again: a run of hours must not end for it unproven. */
const restartMs = 20_000
const retryDelayMs = 200
const partitionBytesMax = 4 * 1024 * 1024
/** Fetches of half a second without progress before a partition counts as unreadable. */
const emptyFetchesMax = 20
const controlBatch = 1 << 5
/** Stands for a key or value that is null: no record of a fleet has one. */
const nothing = Buffer.alloc(0)

export class TopicReader {
  readonly #client: Consumer<Buffer, Buffer, Buffer, Buffer>
  readonly #topics: readonly string[]

  constructor(bootstrap: readonly string[], topics: readonly string[]) {
    this.#topics = topics
    const groupId = 'longhaul-topic-reader'
    this.#client = new Consumer({
      clientId: groupId,
      groupId,
      bootstrapBrokers: [...bootstrap],
      retries: restartMs / retryDelayMs,
      retryDelay: retryDelayMs
    })
  }

  /** Where the topics end now. Fault `unavailable` when the cluster does not answer. */
  async ends(): Promise<TopicMarks> {
    return await this.#ask(() => this.#client.listOffsets({ topics: [...this.#topics], timestamp: latestTimestamp }))
  }

  /** Hands over everything from `start` to the end as it is now. */
  async read(start: TopicMarks, observe: (record: StoredRecord) => void): Promise<void> {
    const ends = await this.ends()
    const metadata = await this.#ask(() => this.#client.metadata({ topics: [...this.#topics], forceUpdate: true }))
    for (const topic of this.#topics) {
      const { id: topicId = '', partitions = [] } = metadata.topics.get(topic) ?? {}
      for (const [partition, { leader }] of partitions.entries()) {
        const end = ends.get(topic)?.[partition] ?? 0n
        const offset = start.get(topic)?.[partition] ?? 0n
        await this.#readPartition({ topic, topicId, partition, leader, end, offset }, observe)
      }
    }
  }

  async close(): Promise<void> {
    await this.#client.close(true)
  }

  async #readPartition(place: Place, observe: (record: StoredRecord) => void): Promise<void> {
    let emptyFetches = 0
    while (place.offset < place.end) {
      const batches = await this.#fetch(place)
      const before = place.offset
      for (const batch of batches) handOver(batch, place, observe)
      if (place.offset > before) emptyFetches = 0
      else if (++emptyFetches > emptyFetchesMax) {
        const { topic, partition, offset, end } = place
        throw new Fault('unavailable', `${topic}/${partition} ends at ${end} but gives nothing from ${offset} on`)
      }
    }
  }

  async #fetch(place: Place): Promise<readonly Batch[]> {
    const partition = {
      partition: place.partition,
      currentLeaderEpoch: -1,
      fetchOffset: place.offset,
      lastFetchedEpoch: -1,
      partitionMaxBytes: partitionBytesMax
    }
    const topics = [{ topicId: place.topicId, partitions: [partition] }]
    const limits = { minBytes: 1, maxBytes: partitionBytesMax, maxWaitTime: 500 }
    const response = await this.#ask(() => this.#client.fetch({ node: place.leader, topics, ...limits }))
    return response.responses[0]?.partitions[0]?.records ?? []
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question()
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new Fault('unavailable', `cannot read ${this.#topics.join(', ')}: ${reason}`, { cause })
    }
  }
}

/** A fetch inside a batch returns the whole batch: records before the place are passed over. */
function handOver(batch: Batch, place: Place, observe: (record: StoredRecord) => void): void {
  const { topic, partition } = place
  if ((batch.attributes & controlBatch) === 0) {
    for (const { offsetDelta, key, value, headers } of batch.records) {
      const offset = batch.firstOffset + BigInt(offsetDelta)
      if (offset < place.offset || offset >= place.end) continue
      const named = new Map(headers.map(([name, text]) => [String(name ?? ''), String(text ?? '')]))
      observe({
        topic,
        partition,
        offset: Number(offset),
        key: key ?? nothing,
        value: value ?? nothing,
        headers: named
      })
    }
  }
  const next = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n
  if (next > place.offset) place.offset = next
}
