/**
 * The consumer that `npm start` runs beside its simulated fleet: a plain member of a consumer group over the Kafka
 * protocol, which shows that what devices send arrives, and how far behind a reader is.
 */
import { Consumer, type MessagesStream } from '@platformatic/kafka'
import { Fault } from '../runtime/fault.ts'

const GROUP_ID = 'longhaul-built-in-consumer'
const COMMIT_INTERVAL_MS = 1_000
/** The shortest session that a broker grants by default: a restarted node's consumer is back soon. */
const SESSION_TIMEOUT_MS = 6_000

type Bytes = Buffer
type Client = Consumer<Bytes, Bytes, Bytes, Bytes>

export interface BuiltInConsumerOptions {
  /** `host:port` of a broker. */
  readonly bootstrap: string
  readonly topic: string
}

export class BuiltInConsumer {
  readonly topic: string
  readonly #client: Client
  readonly #stream: MessagesStream<Bytes, Bytes, Bytes, Bytes>
  readonly #reading: Promise<void>
  /** Next offset by partition; what was read before this start counts as read. */
  readonly #positions: bigint[]
  #consumed = 0

  private constructor(
    topic: string,
    client: Client,
    stream: MessagesStream<Bytes, Bytes, Bytes, Bytes>,
    positions: bigint[]
  ) {
    this.topic = topic
    this.#client = client
    this.#stream = stream
    this.#positions = positions
    this.#reading = this.#read()
    // Ends with an error only when the stream is destroyed; `close` does that and looks.
    this.#reading.catch(() => undefined)
  }

  /** Fault `unavailable` when the broker does not let it in. */
  static async start({ bootstrap, topic }: BuiltInConsumerOptions): Promise<BuiltInConsumer> {
    const client: Client = new Consumer({
      clientId: GROUP_ID,
      groupId: GROUP_ID,
      bootstrapBrokers: [bootstrap],
      sessionTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: SESSION_TIMEOUT_MS / 3
    })
    try {
      const stream = await client.consume({
        topics: [topic],
        mode: 'committed',
        fallbackMode: 'earliest',
        autocommit: COMMIT_INTERVAL_MS
      })
      const { topics } = await client.metadata({ topics: [topic] })
      const indexes = Array.from({ length: topics.get(topic)?.partitionsCount ?? 0 }, (_, partition) => partition)
      const committed = await client.listCommittedOffsets({ topics: [{ topic, partitions: indexes }] })
      const positions = indexes.map((index) => max(committed.get(topic)?.[index] ?? 0n, 0n))
      return new BuiltInConsumer(topic, client, stream, positions)
    } catch (cause) {
      await client.close(true)
      throw new Fault('unavailable', `the built-in consumer cannot read ${topic}`, { cause })
    }
  }

  /** Records read since its start. */
  get consumed(): number {
    return this.#consumed
  }

  /** Records between what was read and `ends`, the offsets after the last record by partition. */
  lag(ends: readonly number[]): number {
    let lag = 0
    for (const [index, end] of ends.entries()) lag += Math.max(0, end - Number(this.#positions[index] ?? 0n))
    return lag
  }

  /** Commits and leaves the group. */
  async close(): Promise<void> {
    await this.#stream.close()
    await this.#reading.catch(() => undefined)
    await this.#client.close(true)
  }

  async #read(): Promise<void> {
    for await (const { partition, offset } of this.#stream) {
      this.#consumed++
      this.#positions[partition] = max(this.#positions[partition] ?? 0n, offset + 1n)
    }
  }
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}
