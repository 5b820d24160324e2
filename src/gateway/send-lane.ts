/**
 * Gathers records of many devices into batches and sends one batch at a time.
 *
 * While a batch is under way the next one fills, so batches grow with the load and no record waits for a timer under
 * load. Invariants: a batch holds records of one partition only; the records of a partition are sent in the order they
 * came; a batch is repeated unchanged until it is answered or given up (the broker then recognises the repetition);
 * when a batch is given up, what waits behind it in its partition is given up with it.
 * It knows neither Kafka's protocol nor how an error looks: `BatchSender` says what an error means.
 */
import { type Clock, sleep } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import type { SinkRecord } from './record-sink.ts'

/**
 * - `retry`: nothing is known, or it failed for now; the same batch may be sent again.
 * - `renew`: the sender's session with the broker is void; the batch may be sent again in a new one.
 * - `permanent`: this batch will never be taken, and no record of it was.
 */
export type SendFailure = 'retry' | 'renew' | 'permanent'

export interface BatchSender {
  /** Resolves when all records are acknowledged. Never called while another call is under way. */
  send(partition: number, records: readonly SinkRecord[]): Promise<void>
  /** Starts a new session: what was sent before and not answered can no longer be recognised as repeated. */
  renew(): Promise<void>
  failureOf(error: unknown): SendFailure
  close(): Promise<void>
}

export interface SendLaneSettings {
  /** How long the first record after a quiet time waits for company. */
  readonly lingerMs: number
  readonly batchRecordsMax: number
  /** Bytes of keys and values; below the broker's `message.max.bytes`. */
  readonly batchBytesMax: number
  /** How long a record may wait for its acknowledgement before it is given up. */
  readonly deliveryTimeoutMs: number
  readonly retryDelayMs: number
}

interface Pending {
  readonly record: SinkRecord
  readonly bytes: number
  readonly deadline: number
  readonly resolve: () => void
  readonly reject: (fault: Fault) => void
}

interface PartitionQueue {
  readonly partition: number
  pending: Pending[]
}

export class SendLane {
  readonly #sender: BatchSender
  readonly #clock: Clock
  readonly #settings: SendLaneSettings
  /** Partitions with waiting records, by topic and partition, in the order of their turn. */
  readonly #queues = new Map<string, PartitionQueue>()
  #running: Promise<void> | undefined
  #closed = false
  #batches = 0

  constructor(sender: BatchSender, clock: Clock, settings: SendLaneSettings) {
    this.#sender = sender
    this.#clock = clock
    this.#settings = settings
  }

  /** Batches that were acknowledged. */
  get batches(): number {
    return this.#batches
  }

  produce(partition: number, record: SinkRecord): Promise<void> {
    if (this.#closed) return Promise.reject(new Fault('closed', 'the record producer is closed'))
    return new Promise((resolve, reject) => {
      const name = `${record.topic}/${partition}`
      let queue = this.#queues.get(name)
      if (queue === undefined) {
        queue = { partition, pending: [] }
        this.#queues.set(name, queue)
      }
      const bytes = record.key.length + record.value.length + recordOverheadBytes
      const deadline = this.#clock.monotonic() + this.#settings.deliveryTimeoutMs
      queue.pending.push({ record, bytes, deadline, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#running
    await this.#sender.close()
  }

  async #run(): Promise<void> {
    await sleep(this.#clock, this.#settings.lingerMs)
    for (;;) {
      const [name, queue] = this.#queues.entries().next().value ?? []
      if (name === undefined || queue === undefined) break
      this.#queues.delete(name)
      const batch = this.#take(queue)
      // The rest queues up at the end: no partition is starved by a busy one.
      if (queue.pending.length > 0) this.#queues.set(name, queue)
      await this.#deliver(queue.partition, batch, name)
    }
    this.#running = undefined
  }

  #take(queue: PartitionQueue): Pending[] {
    let bytes = 0
    let count = 0
    for (const { bytes: next } of queue.pending) {
      bytes += next
      if (count > 0 && (bytes > this.#settings.batchBytesMax || count >= this.#settings.batchRecordsMax)) break
      count++
    }
    const batch = queue.pending.slice(0, count)
    queue.pending = queue.pending.slice(count)
    return batch
  }

  /**
   * Never rejects: every record of the batch learns its fate. `behind`: what was taken together with the batch and comes
   * after it. Resolves with false when both were given up.
   */
  async #deliver(
    partition: number,
    batch: readonly Pending[],
    name: string,
    behind: readonly Pending[] = []
  ): Promise<boolean> {
    const records = batch.map((pending) => pending.record)
    const deadline = batch[0]?.deadline ?? 0
    let cause: unknown
    // Whoever waited too long in the queue is not sent at all: its sender has been told, or will be now.
    while (this.#clock.monotonic() < deadline) {
      try {
        await this.#sender.send(partition, records)
        this.#batches++
        for (const pending of batch) pending.resolve()
        return true
      } catch (error) {
        cause = error
      }
      const failure = this.#sender.failureOf(cause)
      if (failure === 'permanent') return await this.#isolate(partition, batch, name, behind, cause)
      if (failure === 'renew') await this.#renew()
      await sleep(this.#clock, this.#settings.retryDelayMs)
    }
    const message = `the broker did not acknowledge within ${this.#settings.deliveryTimeoutMs} ms`
    const fault = new Fault('unavailable', message, { cause })
    // All at once, before anything is awaited: nobody may queue up behind a record that is about to be given up.
    for (const pending of [...batch, ...behind, ...this.#takeWaiting(name)]) pending.reject(fault)
    // The broker may have taken the batch: another batch in the same session would pass for its repetition and vanish.
    await this.#renew()
    return false
  }

  /** One bad record must not fail its neighbours: sends halves until it stands alone. */
  async #isolate(
    partition: number,
    batch: readonly Pending[],
    name: string,
    behind: readonly Pending[],
    cause: unknown
  ): Promise<boolean> {
    if (batch.length === 1) {
      const message = 'the broker refused the record for good'
      for (const pending of batch) pending.reject(new Fault('invalid', message, { cause }))
      return true
    }
    const middle = Math.ceil(batch.length / 2)
    const [first, second] = [batch.slice(0, middle), batch.slice(middle)]
    if (!(await this.#deliver(partition, first, name, [...second, ...behind]))) return false
    return await this.#deliver(partition, second, name, behind)
  }

  #takeWaiting(name: string): readonly Pending[] {
    const waiting = this.#queues.get(name)?.pending ?? []
    this.#queues.delete(name)
    return waiting
  }

  async #renew(): Promise<void> {
    // When it fails, the next send fails too, is asked about again, and leads here once more.
    await this.#sender.renew().catch(() => {})
  }
}

/** Record framing and our few headers; only keeps batches of tiny records below the broker's limit. */
const recordOverheadBytes = 160
