import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { errorName } from '../../wire/error-codes.ts'
import { AddOffsetsToTxnRequest, AddOffsetsToTxnResponse } from '../../wire/messages/add-offsets-to-txn.ts'
import { AddPartitionsToTxnRequest, AddPartitionsToTxnResponse } from '../../wire/messages/add-partitions-to-txn.ts'
import { DescribeTransactionsRequest, DescribeTransactionsResponse } from '../../wire/messages/describe-transactions.ts'
import { EndTxnRequest, EndTxnResponse } from '../../wire/messages/end-txn.ts'
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../../wire/messages/find-coordinator.ts'
import { InitProducerIdRequest, InitProducerIdResponse } from '../../wire/messages/init-producer-id.ts'
import { ListTransactionsRequest, ListTransactionsResponse } from '../../wire/messages/list-transactions.ts'
import { buildBatch } from '../../wire/records/batch-builder.ts'
import { BrokerFixture, FETCH, fetchRequest, PRODUCE, produceRequest } from '../broker-fixture.ts'

const INIT = { request: InitProducerIdRequest, response: InitProducerIdResponse }
const ADD_PARTITIONS = { request: AddPartitionsToTxnRequest, response: AddPartitionsToTxnResponse }
const ADD_OFFSETS = { request: AddOffsetsToTxnRequest, response: AddOffsetsToTxnResponse }
const END = { request: EndTxnRequest, response: EndTxnResponse }
const DESCRIBE = { request: DescribeTransactionsRequest, response: DescribeTransactionsResponse }
const LIST = { request: ListTransactionsRequest, response: ListTransactionsResponse }
const FIND = { request: FindCoordinatorRequest, response: FindCoordinatorResponse }

/** The versions of the APIs that clients of each kind of transaction speak. */
const VERSIONS = { 1: { produce: 11, end: 4 }, 2: { produce: 12, end: 5 } } as const

interface Producer {
  readonly producerId: number
  readonly producerEpoch: number
}

describe('transactions', () => {
  let broker: BrokerFixture
  beforeEach(async () => {
    broker = await BrokerFixture.start()
    await broker.createTopic('cars')
  })
  afterEach(() => broker.close())

  const init = async (version = 5) => {
    const request = { transactionalId: 'truck', transactionTimeoutMs: 60_000 }
    const { errorCode, ...producer } = await broker.call(INIT, version, request)
    return { error: errorName(errorCode), ...producer }
  }
  const add = async (producer: Producer, topics: Readonly<Record<string, number[]>>, version = 3) => {
    const answer = await broker.call(ADD_PARTITIONS, version, {
      v3AndBelowTransactionalId: 'truck',
      v3AndBelowProducerId: producer.producerId,
      v3AndBelowProducerEpoch: producer.producerEpoch,
      v3AndBelowTopics: Object.entries(topics).map(([name, partitions]) => ({ name, partitions }))
    })
    const results = answer.resultsByTopicV3AndBelow.flatMap(({ resultsByPartition }) => resultsByPartition)
    return results.map(({ partitionErrorCode }) => errorName(partitionErrorCode))
  }
  const produce = async (producer: Producer, value: string, sequence: number, version: 1 | 2) => {
    const { producerId, producerEpoch } = producer
    const options = { producerId, producerEpoch, baseSequence: sequence, transactional: true }
    const records = buildBatch([{ key: null, value: Buffer.from(value), timestamp: 1 }], options)
    const request = { ...produceRequest('cars', records), transactionalId: 'truck' }
    const answer = await broker.call(PRODUCE, VERSIONS[version].produce, request)
    return errorName(answer.responses[0]?.partitionResponses[0]?.errorCode ?? -1)
  }
  const end = async ({ producerId, producerEpoch }: Producer, committed: boolean, version: 1 | 2) => {
    const request = { transactionalId: 'truck', producerId, producerEpoch, committed }
    const { errorCode, ...next } = await broker.call(END, VERSIONS[version].end, request)
    return { error: errorName(errorCode), ...next }
  }
  const committed = async () => {
    const request = { ...fetchRequest('cars', [{ partition: 0 }]), isolationLevel: 1 }
    const answer = (await broker.call(FETCH, 12, request)).responses[0]?.partitions[0]
    return { stable: answer?.lastStableOffset, aborted: answer?.abortedTransactions?.length ?? 0 }
  }
  const state = async () => {
    const { transactionStates } = await broker.call(DESCRIBE, 0, { transactionalIds: ['truck'] })
    return transactionStates[0]?.transactionState
  }

  it('of version 1 are seen once they are committed, and never when they are aborted', async () => {
    const producer = await init()
    assert.equal(producer.error, 'NONE')
    assert.deepEqual(await add(producer, { cars: [0] }), ['NONE'])
    assert.equal(await produce(producer, 'a', 0, 1), 'NONE')
    assert.deepEqual(await committed(), { stable: 0, aborted: 0 })
    assert.equal((await end(producer, true, 1)).error, 'NONE')
    await broker.clock.advance(100)
    assert.deepEqual(await committed(), { stable: 2, aborted: 0 })
    await add(producer, { cars: [0] })
    assert.equal(await produce(producer, 'b', 1, 1), 'NONE')
    assert.equal((await end(producer, false, 1)).error, 'NONE')
    await broker.clock.advance(100)
    assert.deepEqual(await committed(), { stable: 4, aborted: 1 })
    assert.equal(await state(), 'CompleteAbort')
  })

  it('of version 2 add their partitions by writing to them, and go on with the epoch that the end gives', async () => {
    const producer = await init()
    assert.equal(await produce(producer, 'a', 0, 2), 'NONE')
    assert.equal(await state(), 'Ongoing')
    const { error, ...next } = await end(producer, true, 2)
    assert.equal(error, 'NONE')
    assert.equal(next.producerEpoch, producer.producerEpoch + 1)
    await broker.clock.advance(100)
    assert.deepEqual(await committed(), { stable: 2, aborted: 0 })
    assert.equal(await produce(producer, 'zombie', 1, 2), 'INVALID_PRODUCER_EPOCH')
    assert.equal(await produce(next, 'b', 0, 2), 'NONE')
    assert.equal((await end(next, true, 2)).error, 'NONE')
  })

  it('a partition that was not added takes nothing of version 1', async () => {
    const producer = await init()
    assert.equal(await produce(producer, 'a', 0, 1), 'TRANSACTION_ABORTABLE')
  })

  it('a producer that comes fences the one before, whose transaction is aborted', async () => {
    const old = await init()
    assert.equal(await produce(old, 'zombie', 0, 2), 'NONE')
    assert.equal((await init()).error, 'CONCURRENT_TRANSACTIONS')
    await broker.clock.advance(100)
    const heir = await init()
    assert.equal(heir.error, 'NONE')
    assert.equal((await end(old, true, 2)).error, 'PRODUCER_FENCED')
    assert.equal(await produce(old, 'zombie', 1, 2), 'INVALID_PRODUCER_EPOCH')
    assert.deepEqual(await committed(), { stable: 2, aborted: 1 })
  })

  it('left open end when their time is over', async () => {
    const producer = await init()
    await produce(producer, 'a', 0, 2)
    await broker.clock.advance(75_000)
    assert.equal(await state(), 'CompleteAbort')
    assert.deepEqual(await committed(), { stable: 2, aborted: 1 })
    assert.equal((await end(producer, true, 2)).error, 'INVALID_TXN_STATE')
    assert.equal(await produce(producer, 'b', 1, 2), 'INVALID_PRODUCER_EPOCH')
  })

  it('survive a restart of the broker in the middle', async () => {
    const producer = await init()
    await produce(producer, 'a', 0, 2)
    await broker.restart()
    assert.equal(await state(), 'Ongoing')
    assert.deepEqual(await committed(), { stable: 0, aborted: 0 })
    assert.equal(await produce(producer, 'b', 1, 2), 'NONE')
    assert.equal((await end(producer, true, 2)).error, 'NONE')
    await broker.clock.advance(100)
    assert.deepEqual(await committed(), { stable: 3, aborted: 0 })
  })

  it('a partition that does not exist keeps the others out, and each says why', async () => {
    const producer = await init()
    assert.deepEqual(await add(producer, { cars: [0, 9], planes: [0] }), [
      'OPERATION_NOT_ATTEMPTED',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'UNKNOWN_TOPIC_OR_PARTITION'
    ])
    assert.equal(await state(), 'Empty')
    assert.deepEqual(
      await add(producer, { cars: [0], __transaction_state: [0] }),
      ['OPERATION_NOT_ATTEMPTED', 'TOPIC_AUTHORIZATION_FAILED'],
      'internal topics are not for clients'
    )
  })

  it('clients of old hear INVALID_PRODUCER_EPOCH where newer ones hear PRODUCER_FENCED', async () => {
    const producer = await init()
    await init()
    const wanted = [
      [1, 'INVALID_PRODUCER_EPOCH'],
      [2, 'PRODUCER_FENCED']
    ] as const
    for (const [version, error] of wanted) assert.deepEqual(await add(producer, { cars: [0] }, version), [error])
    const { producerId, producerEpoch } = producer
    const request = { transactionalId: 'truck', producerId, producerEpoch, groupId: 'fleet' }
    for (const [version, error] of wanted) {
      assert.equal(errorName((await broker.call(ADD_OFFSETS, version, request)).errorCode), error)
    }
  })

  it('are listed by state, producer, duration and pattern; what is no state is named', async () => {
    const producer = await init()
    await produce(producer, 'a', 0, 2)
    await broker.clock.advance(5_000)
    const list = async (filter: object, version = 2) => {
      const request = { stateFilters: [], producerIdFilters: [], ...filter }
      const { transactionStates, unknownStateFilters, errorCode } = await broker.call(LIST, version, request)
      return [errorName(errorCode), transactionStates.map((t) => t.transactionalId), unknownStateFilters]
    }
    const shown = ['NONE', ['truck'], []]
    const hidden = ['NONE', [], []]
    assert.deepEqual(await list({}, 0), shown)
    assert.deepEqual(await list({ stateFilters: ['Ongoing'] }), shown)
    assert.deepEqual(await list({ stateFilters: ['CompleteCommit'] }), hidden)
    assert.deepEqual(await list({ stateFilters: ['Driving'] }), ['NONE', [], ['Driving']])
    assert.deepEqual(await list({ producerIdFilters: [producer.producerId + 1] }), hidden)
    assert.deepEqual(await list({ durationFilter: 4_000 }), shown)
    assert.deepEqual(await list({ durationFilter: 6_000 }), hidden)
    assert.deepEqual(await list({ transactionalIdPattern: 'tr.*' }), shown)
    assert.deepEqual(await list({ transactionalIdPattern: 'tr' }), hidden)
    assert.deepEqual(await list({ transactionalIdPattern: '(' }), ['INVALID_REGULAR_EXPRESSION', [], []])
  })

  it('their coordinator is this broker; a share coordinator needs a whole key', async () => {
    const find = async (keyType: number, key: string, version = 6) => {
      const { coordinators } = await broker.call(FIND, version, { keyType, coordinatorKeys: [key] })
      return errorName(coordinators[0]?.errorCode ?? -1)
    }
    assert.equal(await find(1, 'truck'), 'NONE')
    assert.equal(await find(2, 'fleet:AAAAAAAAAAAAAAAAAAAAAA:3'), 'NONE')
    assert.equal(await find(2, 'fleet:AAAAAAAAAAAAAAAAAAAAAA:3', 5), 'INVALID_REQUEST')
    assert.equal(await find(2, 'fleet'), 'INVALID_REQUEST')
    assert.equal(await find(7, 'truck'), 'INVALID_REQUEST')
  })
})
