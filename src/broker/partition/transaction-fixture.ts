/** Transactions in one topic for tests: a coordinator that says what the test wants, and what clients and coordinators send. */
import assert from 'node:assert/strict'
import type { Fault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { DescribeProducersRequest, DescribeProducersResponse } from '../../wire/messages/describe-producers.ts'
import { WriteTxnMarkersRequest, WriteTxnMarkersResponse } from '../../wire/messages/write-txn-markers.ts'
import { isControl } from '../../wire/records/batch-header.ts'
import { readEndMarker } from '../../wire/records/end-marker.ts'
import { readBatches } from '../../wire/records/records.ts'
import { type BrokerFixture, batch, FETCH, type FetchAnswer, fetchRequest, PRODUCE, pair } from '../broker-fixture.ts'
import type { TransactionVerification, VerificationRequest } from '../transactions/transaction-partitions.ts'

export const WRITE_TXN_MARKERS = pair(WriteTxnMarkersRequest, WriteTxnMarkersResponse)
export const DESCRIBE_PRODUCERS = pair(DescribeProducersRequest, DescribeProducersResponse)

/** Confirms everything, unless told otherwise. */
export class FakeVerification implements TransactionVerification {
  readonly asked: VerificationRequest[] = []
  /** What the next questions are answered, for each partition; then NONE again. */
  readonly codes: number[] = []
  /** When set, questions fail with it. */
  fault: Fault | undefined
  #held: (() => void)[] | undefined

  async verify(request: VerificationRequest): Promise<readonly number[]> {
    this.asked.push(request)
    const held = this.#held
    if (held !== undefined) await new Promise<void>((resolve) => held.push(resolve))
    if (this.fault !== undefined) throw this.fault
    const code = this.codes.shift() ?? ErrorCode.NONE
    return request.partitions.map(() => code)
  }

  /** From now on questions wait. */
  hold(): void {
    this.#held ??= []
  }

  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const resolve of held) resolve()
  }
}

export interface TransactionalBatch {
  readonly producerId?: number
  readonly epoch?: number
  readonly sequence?: number
  readonly count?: number
  readonly index?: number
  readonly version?: number
}

/** A produce request with one transactional batch; sent, and answered when the test lets it be. */
export function sendTransactional(broker: BrokerFixture, topic: string, sent: TransactionalBatch = {}) {
  const { producerId = 1, epoch = 0, sequence = 0, count = 1, index = 0, version = 9 } = sent
  const options = { producerId, producerEpoch: epoch, baseSequence: sequence, transactional: true }
  const topicData = [{ name: topic, partitionData: [{ index, records: [batch(count, options)] }] }]
  const request = { transactionalId: `t${producerId}`, acks: -1, timeoutMs: 30_000, topicData }
  return broker.send(PRODUCE, version, request).then(({ responses }) => {
    const answer = responses[0]?.partitionResponses[0]
    assert.ok(answer !== undefined)
    return answer
  })
}

export interface End {
  readonly producerId?: number
  readonly epoch?: number
  readonly committed?: boolean
  readonly coordinatorEpoch?: number
  readonly transactionVersion?: number
  readonly indexes?: number[]
}

/** Ends a transaction in partitions; their error codes. */
export async function endTransaction(broker: BrokerFixture, topic: string, end: End = {}): Promise<number[]> {
  return broker.run(sendEnd(broker, topic, end))
}

export async function sendEnd(broker: BrokerFixture, topic: string, end: End = {}): Promise<number[]> {
  const { producerId = 1, epoch = 0, committed = true, coordinatorEpoch = 0, transactionVersion = 0 } = end
  const marker = {
    producerId,
    producerEpoch: epoch,
    transactionResult: committed,
    coordinatorEpoch,
    transactionVersion,
    topics: [{ name: topic, partitionIndexes: end.indexes ?? [0] }]
  }
  const { markers } = await broker.send(WRITE_TXN_MARKERS, transactionVersion === 0 ? 1 : 2, { markers: [marker] })
  return markers.flatMap(({ topics }) => topics.flatMap((t) => t.partitions.map(({ errorCode }) => errorCode)))
}

export const READ_COMMITTED = 1

/** A read_committed fetch of one partition. */
export async function fetchCommitted(broker: BrokerFixture, topic: string, fetchOffset: number, bytesMax = 1 << 20) {
  const partition = { partition: 0, fetchOffset, partitionMaxBytes: bytesMax }
  const options = { isolationLevel: READ_COMMITTED, maxBytes: bytesMax }
  const answer = await broker.call(FETCH, 11, fetchRequest(topic, [partition], options))
  return committedPart(answer)
}

export function committedPart(answer: FetchAnswer) {
  const part = answer.responses[0]?.partitions[0]
  assert.ok(part !== undefined)
  return { ...part, bytes: Buffer.concat(part.records ?? []) }
}

/** Base offsets of the batches that a read_committed client hands on, as Kafka's clients find them out. */
export function visibleBatches(
  bytes: Buffer,
  abortedTransactions: readonly { readonly producerId: number; readonly firstOffset: number }[]
): number[] {
  const ahead = [...abortedTransactions].sort((a, b) => a.firstOffset - b.firstOffset)
  const aborted = new Set<number>()
  const visible: number[] = []
  for (const found of readBatches(bytes)) {
    const { header } = found
    const last = header.baseOffset + header.lastOffsetDelta
    for (let next = ahead[0]; next !== undefined && next.firstOffset <= last; next = ahead[0]) {
      aborted.add(next.producerId)
      ahead.shift()
    }
    if (isControl(header)) {
      if (readEndMarker(found)?.committed === false) aborted.delete(header.producerId)
    } else if ((header.attributes & 0x10) === 0 || !aborted.has(header.producerId)) {
      visible.push(header.baseOffset)
    }
  }
  return visible
}
