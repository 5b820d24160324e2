/** The second kind of clients in a kill run: kafkajs, with its own retries, as an idempotent producer and in a group. */
import kafkajs, { type Consumer, type Kafka } from 'kafkajs'
import type { Random } from '../../src/runtime/random.ts'
import { pause } from '../conformance/waiting.ts'
import { type Ledger, valueFor } from './ledger.ts'

const { logLevel, Partitioners } = kafkajs

const RESTART_MS = 500

export interface LibraryParts {
  readonly name: string
  readonly address: { readonly host: string; readonly port: number }
  readonly topic: string
  readonly partitions: number
  readonly random: Random
  readonly ledger: Ledger
}

/** Retries outlast any restart of the broker. */
function connect({ name, address }: LibraryParts): Kafka {
  return new kafkajs.Kafka({
    clientId: name,
    brokers: [`${address.host}:${address.port}`],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 2000,
    requestTimeout: 15_000,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 200 }
  })
}

export class LibraryProducer {
  readonly #parts: LibraryParts
  #records = 0
  acknowledged = 0
  /** Sends that the library gave up: their records may be in the log or not. */
  uncertain = 0

  constructor(parts: LibraryParts) {
    this.#parts = parts
  }

  async run(stop: AbortSignal): Promise<void> {
    const kafka = connect(this.#parts)
    while (!stop.aborted) {
      const options = { idempotent: true, maxInFlightRequests: 1, createPartitioner: Partitioners.DefaultPartitioner }
      const producer = kafka.producer(options)
      try {
        await producer.connect()
        while (!stop.aborted) {
          const send = await this.#batch()
          const [result] = await producer.send({ topic: this.#parts.topic, acks: -1, messages: send.messages })
          this.#parts.ledger.acknowledge(send.partition, Number(result?.baseOffset), send.ids)
          this.acknowledged += send.ids.length
        }
      } catch {
        this.uncertain++
      }
      await producer.disconnect().catch(() => {})
    }
  }

  async #batch() {
    const { name, random, partitions, ledger } = this.#parts
    await pause(random.int(20))
    const partition = random.int(partitions)
    const ids = Array.from({ length: 1 + random.int(10) }, () => `${name}.${partition}.${this.#records++}`)
    ledger.send(ids)
    return { partition, ids, messages: ids.map((id) => ({ key: name, value: valueFor(id), partition })) }
  }
}

/** A member of a group that commits as it goes; knows which commits were acknowledged. */
export class GroupConsumer {
  readonly group: string
  readonly #parts: LibraryParts
  readonly #committed: Map<number, number>
  #consumer: Consumer | undefined
  #stopped = false
  /** What the library last gave up for, for messages. */
  lastCrash = 'none'
  /** Why it gave up for good, each time that a new consumer took its place, as a supervisor would do. */
  readonly replacedFor: string[] = []

  /** `committed`, by partition, is shared by the members of a group: the highest acknowledged commit. */
  constructor(parts: LibraryParts, group: string, committed: Map<number, number>) {
    this.#parts = parts
    this.group = group
    this.#committed = committed
  }

  async start(): Promise<void> {
    const { topic, ledger } = this.#parts
    const timing = { sessionTimeout: 6000, rebalanceTimeout: 10_000, heartbeatInterval: 300, maxWaitTimeInMs: 200 }
    const consumer = connect(this.#parts).consumer({ groupId: this.group, ...timing })
    consumer.on(consumer.events.COMMIT_OFFSETS, ({ payload }) => {
      for (const { partitions } of payload.topics) {
        for (const { partition, offset } of partitions) this.#acknowledged(Number(partition), Number(offset))
      }
    })
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      this.lastCrash = `${payload.error.name}: ${payload.error.message}`
      if (!payload.restart) void this.#replace()
    })
    this.#consumer = consumer
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      autoCommitInterval: 100,
      eachMessage: async ({ partition, message }) => {
        ledger.see(partition, Number(message.offset), String(message.value))
      }
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#consumer?.disconnect()
  }

  async #replace(): Promise<void> {
    await this.#consumer?.disconnect().catch(() => {})
    this.replacedFor.push(this.lastCrash)
    while (!this.#stopped) {
      await pause(RESTART_MS)
      const started = await this.start().then(
        () => true,
        () => false
      )
      if (started) return
    }
  }

  #acknowledged(partition: number, offset: number): void {
    this.#committed.set(partition, Math.max(offset, this.#committed.get(partition) ?? 0))
  }
}
