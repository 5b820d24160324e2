/**
 * A transactional producer that does one thing at a time and knows exactly what it was told, in both versions of the
 * protocol: 1 (KIP-98: partitions are added first) and 2 (KIP-890: every end of a transaction bumps the epoch).
 *
 * A call is repeated over new connections until it has an answer that says how it went; every call may be repeated, since
 * batches carry sequences and the rest is idempotent. It never begins anew by itself: a refusal is the end of it.
 */
import { ErrorCode, errorName } from '../../../src/wire/error-codes.ts'
import { buildBatch } from '../../../src/wire/records/batch-builder.ts'
import { pause } from '../../conformance/waiting.ts'
import { apis } from '../apis.ts'
import { type Api, RawConnection } from '../raw-client.ts'

export type TransactionVersion = 1 | 2

/** The newest version of each API that speaks the protocol. */
const VERSIONS = {
  1: { produce: 11, txnOffsetCommit: 4, endTxn: 4 },
  2: { produce: 12, txnOffsetCommit: 5, endTxn: 5 }
} as const

/** Answers after which the same request is sent again. */
const RETRIABLE: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.LEADER_NOT_AVAILABLE,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.CONCURRENT_TRANSACTIONS,
  ErrorCode.KAFKA_STORAGE_ERROR
])
const RETRY_MS = 10
const RECONNECT_MS = 40
/** Longer than any start of a broker takes. */
const PATIENCE_MS = 90_000

/** The broker will have nothing more to do with this producer, or with this transaction. */
export class Refused extends Error {
  readonly code: number

  constructor(what: string, code: number) {
    super(`${what}: ${errorName(code)}`)
    this.code = code
  }
}

/** It was killed by its test: whatever it had under way is of unknown outcome. */
export class Killed extends Error {}

export interface TransactionalClientParts {
  readonly address: { readonly host: string; readonly port: number }
  readonly transactionalId: string
  readonly version: TransactionVersion
  readonly transactionTimeoutMs: number
}

export class TransactionalClient {
  readonly #parts: TransactionalClientParts
  #connection: RawConnection | undefined
  #killed = false
  #producerId = -1
  #producerEpoch = -1
  readonly #sequences = new Map<string, number>()
  /** Of this transaction, as `topic-partition`. */
  readonly #added = new Set<string>()
  readonly #groups = new Set<string>()

  constructor(parts: TransactionalClientParts) {
    this.#parts = parts
  }

  get producer(): string {
    return `${this.#parts.transactionalId} (${this.#producerId}, ${this.#producerEpoch})`
  }

  /** Fences every producer of the same transactional id, and ends what they left open. */
  async init(): Promise<void> {
    const { transactionalId, transactionTimeoutMs } = this.#parts
    const request = { transactionalId, transactionTimeoutMs }
    const answer = await this.#call('InitProducerId', apis.initProducerId, 5, request, (r) => r.errorCode)
    this.#adopt(answer.producerId, answer.producerEpoch)
  }

  /** Resolves when the batch is acknowledged. */
  async produce(name: string, partition: number, values: readonly string[]): Promise<void> {
    const place = `${name}-${partition}`
    if (this.#parts.version === 1 && !this.#added.has(place)) await this.#add(name, partition)
    this.#added.add(place)
    const baseSequence = this.#sequences.get(place) ?? 0
    this.#sequences.set(place, baseSequence + values.length)
    const timestamp = Date.now()
    const batch = buildBatch(
      values.map((value) => ({ key: null, value: Buffer.from(value), timestamp })),
      {
        producerId: this.#producerId,
        producerEpoch: this.#producerEpoch,
        baseSequence,
        transactional: true
      }
    )
    const topicData = [{ name, partitionData: [{ index: partition, records: [batch] }] }]
    const request = { transactionalId: this.#parts.transactionalId, acks: -1, timeoutMs: 15_000, topicData }
    const { produce } = VERSIONS[this.#parts.version]
    await this.#call('Produce', apis.produce, produce, request, (r) => {
      return r.responses[0]?.partitionResponses[0]?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
    })
  }

  /** Makes a group's offsets part of the transaction. */
  async commitOffsets(groupId: string, topic: string, offsets: ReadonlyMap<number, number>): Promise<void> {
    const { transactionalId, version } = this.#parts
    const producer = { producerId: this.#producerId, producerEpoch: this.#producerEpoch }
    if (version === 1 && !this.#groups.has(groupId)) {
      const request = { transactionalId, ...producer, groupId }
      await this.#call('AddOffsetsToTxn', apis.addOffsetsToTxn, 4, request, (r) => r.errorCode)
    }
    this.#groups.add(groupId)
    const partitions = [...offsets].map(([partitionIndex, committedOffset]) => ({
      partitionIndex,
      committedOffset,
      committedMetadata: ''
    }))
    const request = { transactionalId, groupId, ...producer, topics: [{ name: topic, partitions }] }
    await this.#call('TxnOffsetCommit', apis.txnOffsetCommit, VERSIONS[version].txnOffsetCommit, request, (r) => {
      return firstError(r.topics.flatMap((t) => t.partitions.map(({ errorCode }) => errorCode)))
    })
  }

  /** Ends the transaction. Must not be called for one that did nothing. */
  async end(committed: boolean): Promise<void> {
    const { transactionalId, version } = this.#parts
    const producer = { producerId: this.#producerId, producerEpoch: this.#producerEpoch }
    const request = { transactionalId, ...producer, committed }
    const answer = await this.#call('EndTxn', apis.endTxn, VERSIONS[version].endTxn, request, (r) => r.errorCode)
    this.#added.clear()
    this.#groups.clear()
    if (version === 2) this.#adopt(answer.producerId, answer.producerEpoch)
  }

  /** The process dies: nothing more is sent, and no answer arrives. */
  kill(): void {
    this.#killed = true
    this.#connection?.close()
  }

  #adopt(producerId: number, producerEpoch: number): void {
    this.#producerId = producerId
    this.#producerEpoch = producerEpoch
    this.#sequences.clear()
  }

  async #add(name: string, partition: number): Promise<void> {
    const request = {
      transactions: [],
      v3AndBelowTransactionalId: this.#parts.transactionalId,
      v3AndBelowProducerId: this.#producerId,
      v3AndBelowProducerEpoch: this.#producerEpoch,
      v3AndBelowTopics: [{ name, partitions: [partition] }]
    }
    await this.#call('AddPartitionsToTxn', apis.addPartitionsToTxn, 3, request, (r) => {
      const results = r.resultsByTopicV3AndBelow.flatMap(({ resultsByPartition }) => resultsByPartition)
      return firstError(results.map(({ partitionErrorCode }) => partitionErrorCode))
    })
  }

  /** Throws `Refused` and `Killed`. */
  async #call<Req, Res>(
    what: string,
    api: Api<Req, Res>,
    version: number,
    request: Req,
    errorOf: (response: Res) => number
  ): Promise<Res> {
    const deadline = Date.now() + PATIENCE_MS
    for (;;) {
      if (this.#killed) throw new Killed(`${this.producer} was killed`)
      const response = await this.#attempt(api, version, request)
      if (this.#killed) throw new Killed(`${this.producer} was killed`)
      const code = response === undefined ? ErrorCode.NETWORK_EXCEPTION : errorOf(response)
      if (response !== undefined && code === ErrorCode.NONE) return response
      const repeated = response === undefined || RETRIABLE.has(code)
      if (!repeated || Date.now() > deadline) throw new Refused(`${what} of ${this.producer}`, code)
      await pause(response === undefined ? RECONNECT_MS : RETRY_MS)
    }
  }

  /** Undefined when no answer came. */
  async #attempt<Req, Res>(api: Api<Req, Res>, version: number, request: Req): Promise<Res | undefined> {
    try {
      if (this.#connection === undefined || this.#connection.over) {
        this.#connection = await RawConnection.open(this.#parts.address, 2000)
      }
      return await this.#connection.send(api, version, request)
    } catch {
      this.#connection?.close()
      return undefined
    }
  }
}

function firstError(codes: readonly number[]): number {
  return codes.find((code) => code !== ErrorCode.NONE) ?? ErrorCode.NONE
}
