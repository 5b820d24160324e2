import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Fault } from '../../runtime/fault.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { BrokerFixture } from '../broker-fixture.ts'
import {
  DESCRIBE_PRODUCERS,
  endTransaction,
  FakeVerification,
  sendTransactional,
  WRITE_TXN_MARKERS
} from '../partition/transaction-fixture.ts'
import { BatchRefused, type TransactionEnd } from '../record-log.ts'
import { OFFSETS_TOPIC } from '../topic-names.ts'
import { LocalTransactionEnds } from '../transactions/local-transaction-ends.ts'

describe('markers and producers of partitions', () => {
  let broker: BrokerFixture
  before(async () => {
    broker = await BrokerFixture.start({ transactionVerification: new FakeVerification() })
  })
  after(() => broker.close())

  const describeProducers = async (name: string, ...partitionIndexes: number[]) => {
    const answer = await broker.call(DESCRIBE_PRODUCERS, 0, { topics: [{ name, partitionIndexes }] })
    return answer.topics[0]?.partitions ?? []
  }

  it('every partition of every marker has its own answer', async () => {
    await broker.createTopic('marked', 2)
    await broker.run(sendTransactional(broker, 'marked', { producerId: 1, epoch: 5 }))
    const marker = (producerId: number, producerEpoch: number, ...partitionIndexes: number[]) => ({
      producerId,
      producerEpoch,
      transactionResult: true,
      coordinatorEpoch: 0,
      topics: [
        { name: 'marked', partitionIndexes },
        { name: 'nowhere', partitionIndexes: [0] }
      ]
    })
    const request = { markers: [marker(1, 4, 0, 1, 9), marker(2, 0, 1), marker(1, 5, 0)] }
    const { markers } = await broker.call(WRITE_TXN_MARKERS, 1, request)
    const codes = markers.map(({ producerId, topics }) => [
      producerId,
      ...topics.map(({ name, partitions }) => [name, ...partitions.map((p) => [p.partitionIndex, p.errorCode])])
    ])
    const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert.deepEqual(codes, [
      [1, ['marked', [0, ErrorCode.NONE], [1, ErrorCode.NONE], [9, unknown]], ['nowhere', [0, unknown]]],
      [2, ['marked', [1, ErrorCode.NONE]], ['nowhere', [0, unknown]]]
    ])
    assert.equal(broker.partition('marked').lastStableOffset, 2)
  })

  it('epochs of producer and coordinator are checked, by the version of the transaction', async () => {
    await broker.createTopic('checked')
    const send = (epoch: number) => broker.run(sendTransactional(broker, 'checked', { epoch, version: 12 }))
    await send(3)
    const end = (epoch: number, coordinatorEpoch: number, transactionVersion: number) =>
      endTransaction(broker, 'checked', { epoch, coordinatorEpoch, transactionVersion })
    assert.deepEqual(await end(3, 1, 2), [ErrorCode.INVALID_PRODUCER_EPOCH])
    assert.deepEqual(await end(4, 1, 2), [ErrorCode.NONE])
    assert.deepEqual(await end(4, 1, 2), [ErrorCode.NONE], 'again')
    assert.deepEqual(await end(5, 0, 2), [ErrorCode.TRANSACTION_COORDINATOR_FENCED])
    assert.equal((await send(3)).errorCode, ErrorCode.INVALID_PRODUCER_EPOCH)
    assert.equal((await send(4)).errorCode, ErrorCode.NONE)
  })

  it('partitions of __consumer_offsets go to the group coordinator, whose errors are told as the leader would', async () => {
    await broker.run(broker.topics.ensure(OFFSETS_TOPIC, 2, {}, true))
    const ended: [number, TransactionEnd][] = []
    const faults: (Fault | undefined)[] = [
      undefined,
      new BatchRefused(ErrorCode.INVALID_PRODUCER_EPOCH, 'stale'),
      new Fault('closed', 'moved')
    ]
    const offsets = {
      endTransaction: async (partition: number, end: TransactionEnd) => {
        ended.push([partition, end])
        const fault = faults.shift()
        if (fault !== undefined) throw fault
      }
    }
    const ends = new LocalTransactionEnds({ clock: broker.clock, topics: broker.topics, offsets })
    const end = { producer: { id: 1, epoch: 0 }, committed: true, coordinatorEpoch: 0 }
    const partitions = [0, 1, 1, 99].map((partition) => ({ topic: OFFSETS_TOPIC, partition }))
    assert.deepEqual(await ends.end(end, partitions), [
      ErrorCode.NONE,
      ErrorCode.INVALID_PRODUCER_EPOCH,
      ErrorCode.NOT_LEADER_OR_FOLLOWER,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    ])
    assert.deepEqual(
      ended.map(([partition]) => partition),
      [0, 1, 1]
    )
    assert.equal(broker.partition(OFFSETS_TOPIC).highWatermark, 0, 'the marker is the coordinator’s to write')
  })

  it('a partition that is there and not led here has to be told by somebody', async () => {
    await broker.createTopic('moving')
    const topics = { partition: () => undefined, get: (name: string) => broker.topics.get(name) }
    const ends = new LocalTransactionEnds({ clock: broker.clock, topics, offsets: { endTransaction: async () => {} } })
    const end = { producer: { id: 1, epoch: 0 }, committed: true, coordinatorEpoch: 0 }
    const partitions = [
      { topic: 'moving', partition: 0 },
      { topic: 'moving', partition: 1 },
      { topic: 'nowhere', partition: 0 }
    ]
    assert.deepEqual(await ends.end(end, partitions), [
      ErrorCode.NOT_LEADER_OR_FOLLOWER,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    ])
  })

  it('producers are described with epoch, sequence and open transaction', async () => {
    await broker.createTopic('described', 2)
    await broker.run(sendTransactional(broker, 'described', { producerId: 7, epoch: 2, count: 3 }))
    const [open, empty, unknown] = await describeProducers('described', 0, 1, 9)
    const appendedMs = 1_700_000_000_000
    const known = { producerId: 7, producerEpoch: 2, lastSequence: 2, lastTimestamp: appendedMs }
    assert.deepEqual(open?.activeProducers, [{ ...known, coordinatorEpoch: -1, currentTxnStartOffset: 0 }])
    assert.deepEqual([empty?.errorCode, empty?.activeProducers], [ErrorCode.NONE, []])
    assert.equal(unknown?.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    await broker.clock.advance(1000)
    await endTransaction(broker, 'described', { producerId: 7, epoch: 2, coordinatorEpoch: 4 })
    const ended = { ...known, lastTimestamp: broker.clock.now(), coordinatorEpoch: 4, currentTxnStartOffset: -1 }
    assert.deepEqual((await describeProducers('described', 0))[0]?.activeProducers, [ended])
    await broker.upload()
    await broker.restart()
    assert.deepEqual((await describeProducers('described', 0))[0]?.activeProducers, [ended], 'also after a restart')
    const codes = [await describeProducers('no/name', 0), await describeProducers('nowhere', 0)].map(
      (p) => p[0]?.errorCode
    )
    assert.deepEqual(codes, [ErrorCode.INVALID_TOPIC_EXCEPTION, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION])
  })

  it('opening a partition does not replay what its snapshot knows, open transactions included', async () => {
    await broker.createTopic('snapshot')
    const send = (sequence: number) => broker.run(sendTransactional(broker, 'snapshot', { sequence, producerId: 3 }))
    await send(0)
    await endTransaction(broker, 'snapshot', { producerId: 3, committed: false })
    await send(1)
    await broker.upload()
    const reads: string[] = []
    const release = broker.store.hold((call) => {
      reads.push(call)
      return false
    })
    await broker.restart()
    release()
    const partition = broker.partition('snapshot')
    assert.deepEqual([partition.lastStableOffset, partition.highWatermark], [2, 3])
    assert.equal((await send(2)).errorCode, ErrorCode.NONE, 'the transaction is still known')
    assert.deepEqual(reads, [], 'no object was read')
    const aborted = await broker.run(Promise.resolve(partition.producers.aborted.overlapping(0, 2)))
    assert.equal(aborted.length, 1)
  })
})
