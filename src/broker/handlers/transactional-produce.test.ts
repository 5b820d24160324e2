import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { Fault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { buildBatch, buildCompressedBatch } from '../../wire/records/batch-builder.ts'
import { BrokerFixture, batch, encodeRequest, PRODUCE, produceRequest } from '../broker-fixture.ts'
import { anonymousPeer } from '../handler.ts'
import { endTransaction, FakeVerification, sendTransactional } from '../partition/transaction-fixture.ts'
import { OFFSETS_TOPIC } from '../topic-names.ts'

describe('produce in transactions', () => {
  let broker: BrokerFixture
  const coordinator = new FakeVerification()
  let topics = 0
  let topic = ''
  before(async () => {
    broker = await BrokerFixture.start({ transactionVerification: coordinator })
  })
  after(() => broker.close())
  beforeEach(async () => {
    topic = `t${topics++}`
    await broker.createTopic(topic, 2)
    coordinator.asked.length = 0
  })

  const send = (sent: Parameters<typeof sendTransactional>[2] = {}) =>
    broker.run(sendTransactional(broker, topic, sent))

  it('the first batch of a transaction in a partition is confirmed by the coordinator, the next are not', async () => {
    assert.equal((await send()).errorCode, ErrorCode.NONE)
    assert.equal((await send({ sequence: 1 })).baseOffset, 1)
    assert.deepEqual(coordinator.asked, [
      { transactionalId: 't1', producer: { id: 1, epoch: 0 }, partitions: [{ topic, partition: 0 }], add: false }
    ])
    assert.deepEqual(await endTransaction(broker, topic), [ErrorCode.NONE])
    assert.equal((await send({ sequence: 2 })).baseOffset, 3)
    assert.equal(coordinator.asked.length, 2, 'the next transaction')
  })

  it('from Produce v12 on partitions are added to the transaction, in one question', async () => {
    const options = { producerId: 1, producerEpoch: 0, baseSequence: 0, transactional: true }
    const partitionData = [0, 1].map((index) => ({ index, records: [batch(1, options)] }))
    const topicData = [{ name: topic, partitionData }]
    const request = { transactionalId: 'x', acks: -1, timeoutMs: 1000, topicData }
    const { responses } = await broker.call(PRODUCE, 12, request)
    assert.deepEqual(
      responses[0]?.partitionResponses.map((p) => p.errorCode),
      [ErrorCode.NONE, ErrorCode.NONE]
    )
    const both = [0, 1].map((partition) => ({ topic, partition }))
    assert.deepEqual(coordinator.asked, [
      { transactionalId: 'x', producer: { id: 1, epoch: 0 }, partitions: both, add: true }
    ])
  })

  it('what the coordinator answers becomes what clients of each version know', async () => {
    const { INVALID_TXN_STATE, NOT_ENOUGH_REPLICAS, INVALID_PRODUCER_EPOCH, TRANSACTION_ABORTABLE } = ErrorCode
    const expected: readonly (readonly [coordinator: number, v10: number, v11: number, v12: number])[] = [
      [ErrorCode.NOT_COORDINATOR, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS],
      [ErrorCode.COORDINATOR_NOT_AVAILABLE, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS],
      [ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS],
      [ErrorCode.NETWORK_EXCEPTION, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS],
      [ErrorCode.PRODUCER_FENCED, INVALID_PRODUCER_EPOCH, INVALID_PRODUCER_EPOCH, INVALID_PRODUCER_EPOCH],
      [ErrorCode.INVALID_TXN_STATE, INVALID_TXN_STATE, INVALID_TXN_STATE, INVALID_TXN_STATE],
      [ErrorCode.TRANSACTION_ABORTABLE, INVALID_TXN_STATE, TRANSACTION_ABORTABLE, TRANSACTION_ABORTABLE],
      [
        ErrorCode.INVALID_PRODUCER_ID_MAPPING,
        ErrorCode.INVALID_PRODUCER_ID_MAPPING,
        ErrorCode.INVALID_PRODUCER_ID_MAPPING,
        ErrorCode.INVALID_PRODUCER_ID_MAPPING
      ]
    ]
    for (const [code, ...answers] of expected) {
      for (const [place, answer] of answers.entries()) {
        coordinator.codes.push(code)
        assert.equal((await send({ version: 10 + place })).errorCode, answer, `${code} in v${10 + place}`)
      }
    }
    assert.equal(broker.partition(topic).highWatermark, 0)
  })

  it('a coordinator that cannot be reached is one to ask again', async () => {
    coordinator.fault = new Fault('unavailable', 'gone for now')
    assert.equal((await send()).errorCode, ErrorCode.NOT_ENOUGH_REPLICAS)
    coordinator.fault = undefined
    assert.equal((await send()).errorCode, ErrorCode.NONE)
  })

  it('while the transaction before is being ended, v12 asks again for a moment; older clients are told to', async () => {
    const { CONCURRENT_TRANSACTIONS } = ErrorCode
    coordinator.codes.push(CONCURRENT_TRANSACTIONS)
    assert.equal((await send({ version: 11 })).errorCode, ErrorCode.NOT_ENOUGH_REPLICAS)
    coordinator.codes.push(CONCURRENT_TRANSACTIONS, CONCURRENT_TRANSACTIONS)
    const patient = sendTransactional(broker, topic, { version: 12, producerId: 2 })
    await broker.clock.advance(60)
    assert.equal((await patient).errorCode, ErrorCode.NONE)
    coordinator.codes.push(...Array.from({ length: 10 }, () => CONCURRENT_TRANSACTIONS))
    const refused = sendTransactional(broker, topic, { version: 12, producerId: 3 })
    await broker.clock.advance(1000)
    assert.equal((await refused).errorCode, CONCURRENT_TRANSACTIONS)
    coordinator.codes.length = 0
  })

  it('while one producer waits for the coordinator its batches keep their order, and others are not held up', async () => {
    coordinator.hold()
    const waiting = [0, 1, 2].map((sequence) => sendTransactional(broker, topic, { sequence }))
    await broker.clock.advance(0)
    const [other, idempotent] = [
      await broker.produce(topic, batch(1)),
      await broker.produce(topic, batch(1, { producerId: 9, producerEpoch: 0, baseSequence: 0 }))
    ]
    assert.deepEqual([other.baseOffset, idempotent.baseOffset], [0, 1])
    coordinator.release()
    const answers = await broker.run(Promise.all(waiting))
    assert.deepEqual(
      answers.map(({ errorCode, baseOffset }) => [errorCode, baseOffset]),
      [2, 3, 4].map((offset) => [ErrorCode.NONE, offset])
    )
    assert.equal(coordinator.asked.length, 1, 'the later ones find the transaction open')
  })

  it('when the first batch is refused for now, those behind it are, until it comes again', async () => {
    coordinator.hold()
    coordinator.codes.push(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    const waiting = [0, 1].map((sequence) => sendTransactional(broker, topic, { sequence }))
    await broker.clock.advance(0)
    coordinator.release()
    const answers = await broker.run(Promise.all(waiting))
    assert.deepEqual(
      answers.map(({ errorCode }) => errorCode),
      [ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER]
    )
    assert.equal((await send({ sequence: 0 })).baseOffset, 0)
    assert.equal((await send({ sequence: 1 })).baseOffset, 1)
  })

  it('a transaction that is ended while the coordinator is asked takes nothing in', async () => {
    coordinator.hold()
    const late = sendTransactional(broker, topic)
    await broker.clock.advance(0)
    assert.deepEqual(await endTransaction(broker, topic, { committed: false }), [ErrorCode.NONE])
    coordinator.release()
    assert.equal((await broker.run(late)).errorCode, ErrorCode.INVALID_TXN_STATE)
    assert.equal(broker.partition(topic).lastStableOffset, broker.partition(topic).highWatermark, 'nothing hangs')
  })

  it('a batch that must be unpacked waits its turn between others of its producer', async () => {
    await broker.createTopic(`${topic}-compact`, 1, { 'cleanup.policy': 'compact' })
    const record = { key: Buffer.from('k'), value: Buffer.alloc(20_000, 'x'), timestamp: 1 }
    const calls = []
    for (let i = 0; i < 6; i++) {
      const options = { producerId: 5, producerEpoch: 0, baseSequence: i, transactional: true }
      const records =
        i % 2 === 0 ? await buildCompressedBatch('zstd', [record], options) : buildBatch([record], options)
      const request = { ...produceRequest(`${topic}-compact`, records), transactionalId: 'c' }
      calls.push(broker.send(PRODUCE, 9, request))
    }
    const answers = await broker.run(Promise.all(calls))
    assert.deepEqual(
      answers.map(({ responses }) => responses[0]?.partitionResponses[0]?.baseOffset),
      [0, 1, 2, 3, 4, 5]
    )
  })

  it('a duplicate inside a transaction returns its original offset, also after a restart', async () => {
    await send({ count: 3 })
    await send({ sequence: 3 })
    assert.equal((await send({ count: 3 })).baseOffset, 0)
    await broker.upload()
    await send({ sequence: 4 })
    await broker.restart()
    assert.equal((await send({ count: 3 })).baseOffset, 0)
    assert.equal((await send({ sequence: 4 })).baseOffset, 4)
    assert.equal((await send({ sequence: 5 })).baseOffset, 5)
    assert.equal(broker.partition(topic).lastStableOffset, 0, 'still open')
  })

  it('without a transactional id every partition is TRANSACTIONAL_ID_AUTHORIZATION_FAILED', async () => {
    const records = batch(1, { producerId: 8, producerEpoch: 0, baseSequence: 0, transactional: true })
    const partitionData = [
      { index: 0, records: [batch(1)] },
      { index: 1, records: [records] }
    ]
    const request = { acks: -1, timeoutMs: 1000, topicData: [{ name: topic, partitionData }] }
    const { responses } = await broker.call(PRODUCE, 9, request)
    const refused = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert.deepEqual(
      responses[0]?.partitionResponses.map((p) => p.errorCode),
      [refused, refused]
    )
  })

  it('transactional batches of two producers in one request are INVALID_PRODUCER_ID_MAPPING', async () => {
    const partitionData = [0, 1].map((index) => ({
      index,
      records: [batch(1, { producerId: index, producerEpoch: 0, baseSequence: 0, transactional: true })]
    }))
    const request = { transactionalId: 'x', acks: -1, timeoutMs: 1000, topicData: [{ name: topic, partitionData }] }
    const { responses } = await broker.call(PRODUCE, 9, request)
    const refused = ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert.deepEqual(
      responses[0]?.partitionResponses.map((p) => p.errorCode),
      [refused, refused]
    )
  })

  it('clients may not write to internal topics, but for the one that Kafka lets', async () => {
    await broker.run(broker.topics.ensure(OFFSETS_TOPIC, 1, {}, true))
    const answer = await broker.produce(OFFSETS_TOPIC, batch(1))
    assert.equal(answer.errorCode, ErrorCode.INVALID_TOPIC_EXCEPTION)
    const frame = encodeRequest(PRODUCE.request, 9, produceRequest(OFFSETS_TOPIC, batch(1), 0, 0), 1, '__admin_client')
    const origin = {
      clientHost: '/x',
      connectionId: 1,
      peer: anonymousPeer(0),
      localAddress: '',
      closed: new AbortController().signal,
      mute: () => undefined
    }
    await broker.run(broker.dispatcher.prepare(frame, origin).start())
    assert.equal(broker.partition(OFFSETS_TOPIC).highWatermark, 1)
  })
})
