/**
 * An idempotent producer whose every sequence is known: it keeps up to five batches per partition under way, and after
 * a lost connection sends the unacknowledged ones again, in order, byte for byte, with the sequences they had.
 *
 * It asks for a producer id once: the broker has to remember it, whatever happens to the broker's process.
 */
import type { Random } from '../../src/runtime/random.ts'
import { ErrorCode, errorName } from '../../src/wire/error-codes.ts'
import { buildBatch } from '../../src/wire/records/batch-builder.ts'
import { pause } from '../conformance/waiting.ts'
import { apis } from './apis.ts'
import { type Ledger, valueFor } from './ledger.ts'
import { RawConnection } from './raw-client.ts'

const IN_FLIGHT_MAX = 5
const RECORDS_MAX = 12
const PACE_MS = 24
const RECONNECT_MS = 30
const ANSWER_MS = 15_000

/** Answers after which the same batches are to be sent again. */
const RETRIABLE: ReadonlySet<number> = new Set([
  ErrorCode.LEADER_NOT_AVAILABLE,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.KAFKA_STORAGE_ERROR
])

interface Batch {
  readonly partition: number
  readonly ids: readonly string[]
  readonly bytes: Buffer
  sends: number
}

interface PartitionState {
  readonly index: number
  nextSequence: number
  /** Sent and not yet acknowledged, in the order of their sequences. */
  readonly underWay: Batch[]
}

export interface ProducerParts {
  readonly name: string
  readonly address: { readonly host: string; readonly port: number }
  readonly topic: string
  readonly partitions: number
  readonly random: Random
  readonly ledger: Ledger
}

export class IdempotentProducer {
  readonly #parts: ProducerParts
  readonly #states: PartitionState[]
  #producerId = -1
  #producerEpoch = -1
  #records = 0
  #broken = false
  /** Batches that were sent more than once before they were acknowledged. */
  resent = 0
  /** Batches that the broker called duplicates without telling their offset. */
  withoutOffset = 0

  constructor(parts: ProducerParts) {
    this.#parts = parts
    this.#states = Array.from({ length: parts.partitions }, (_, index) => ({ index, nextSequence: 0, underWay: [] }))
  }

  get producerId(): number {
    return this.#producerId
  }

  async start(): Promise<void> {
    const connection = await RawConnection.open(this.#parts.address)
    const response = await initProducerId(connection)
    connection.close()
    this.#producerId = response.producerId
    this.#producerEpoch = response.producerEpoch
  }

  /** Produces until `stop` is aborted, and from then on only until everything is acknowledged or `deadline` aborts. */
  async run(stop: AbortSignal, deadline: AbortSignal): Promise<void> {
    while (!deadline.aborted && !this.#done(stop)) {
      const connection = await RawConnection.open(this.#parts.address, 2000).catch(() => undefined)
      if (connection === undefined) await pause(RECONNECT_MS)
      else await this.#produce(connection, stop, deadline)
    }
    const left = this.#states.flatMap(({ underWay }) => underWay)
    if (left.length > 0 && !this.#broken)
      this.#violate(`${left.length} batches were not acknowledged in the time given`)
  }

  async #produce(connection: RawConnection, stop: AbortSignal, deadline: AbortSignal): Promise<void> {
    for (const { underWay } of this.#states) for (const batch of underWay) this.#send(connection, batch)
    while (!connection.over && !deadline.aborted && !this.#done(stop)) {
      const state = this.#states[this.#parts.random.int(this.#states.length)]
      if (!stop.aborted && state !== undefined && state.underWay.length < IN_FLIGHT_MAX) {
        const batch = this.#nextBatch(state)
        state.underWay.push(batch)
        this.#send(connection, batch)
      }
      await pause(this.#parts.random.int(PACE_MS))
    }
    connection.close()
    // Every answer of this connection is settled before the next one begins.
    await connection.ended
  }

  #nextBatch(state: PartitionState): Batch {
    const { name, random, ledger } = this.#parts
    const ids = Array.from({ length: 1 + random.int(RECORDS_MAX) }, () => `${name}.${state.index}.${this.#records++}`)
    const timestamp = Date.now()
    const bytes = buildBatch(
      ids.map((id) => ({ key: Buffer.from(name), value: Buffer.from(valueFor(id)), timestamp })),
      { producerId: this.#producerId, producerEpoch: this.#producerEpoch, baseSequence: state.nextSequence }
    )
    state.nextSequence += ids.length
    ledger.send(ids)
    return { partition: state.index, ids, bytes, sends: 0 }
  }

  #send(connection: RawConnection, batch: Batch): void {
    batch.sends++
    const { topic } = this.#parts
    const topicData = [{ name: topic, partitionData: [{ index: batch.partition, records: [batch.bytes] }] }]
    const request = { acks: -1, timeoutMs: ANSWER_MS, topicData }
    connection.send(apis.produce, 9, request, ANSWER_MS).then(
      (response) => {
        const answer = response.responses[0]?.partitionResponses[0]
        if (answer === undefined) this.#violate('an answer to Produce named no partition')
        else this.#answered(connection, batch, answer.errorCode, answer.baseOffset)
      },
      () => connection.close()
    )
  }

  #answered(connection: RawConnection, batch: Batch, errorCode: number, baseOffset: number): void {
    if (RETRIABLE.has(errorCode)) {
      connection.close()
      return
    }
    const underWay = this.#states[batch.partition]?.underWay ?? []
    const what = `${batch.ids[0]} and ${batch.ids.length - 1} more, sent ${batch.sends} times`
    if (errorCode === ErrorCode.NONE) {
      this.#parts.ledger.acknowledge(batch.partition, baseOffset, batch.ids)
    } else if (errorCode === ErrorCode.DUPLICATE_SEQUENCE_NUMBER) {
      this.withoutOffset++
    } else if (connection.over) {
      // Batches behind one that failed are refused for their sequence: they go again with it.
      return
    } else {
      // As for any idempotent producer, there is no way on: what follows would be out of order, too.
      this.#violate(`${what}: ${errorName(errorCode)}`)
      this.#broken = true
      connection.close()
      return
    }
    if (underWay[0] !== batch) this.#violate(`${what}: acknowledged before an older batch`)
    const at = underWay.indexOf(batch)
    if (at >= 0) underWay.splice(at, 1)
    if (batch.sends > 1) this.resent++
  }

  #done(stop: AbortSignal): boolean {
    return this.#broken || (stop.aborted && this.#states.every(({ underWay }) => underWay.length === 0))
  }

  #violate(sentence: string): void {
    this.#parts.ledger.violate(`producer ${this.#parts.name} (id ${this.#producerId}): ${sentence}`)
  }
}

/** Asks for a new producer id; waits while the broker is not ready to give one. */
export async function initProducerId(connection: RawConnection) {
  const deadline = Date.now() + ANSWER_MS
  for (;;) {
    const request = { transactionalId: null, transactionTimeoutMs: 60_000 }
    const response = await connection.send(apis.initProducerId, 4, request)
    if (response.errorCode === ErrorCode.NONE) return response
    const waiting = response.errorCode === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS && Date.now() < deadline
    if (!waiting) throw new Error(`InitProducerId: ${errorName(response.errorCode)}`)
    await pause(50)
  }
}
