import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { silentLog } from '../../runtime/log.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { ListOffsetsRequest, ListOffsetsResponse } from '../../wire/messages/list-offsets.ts'
import { buildBatch } from '../../wire/records/batch-builder.ts'
import { isControl } from '../../wire/records/batch-header.ts'
import { readBatches } from '../../wire/records/records.ts'
import { BrokerFixture, batch, FETCH, fetched, fetchRequest, PRODUCE, pair, produceRequest } from '../broker-fixture.ts'
import { compactedLogs } from '../compaction/compacted-log.ts'
import { LogCleaner } from '../compaction/log-cleaner.ts'
import {
  committedPart,
  endTransaction,
  FakeVerification,
  fetchCommitted,
  READ_COMMITTED,
  sendEnd,
  sendTransactional,
  type TransactionalBatch,
  visibleBatches
} from '../partition/transaction-fixture.ts'

const LIST_OFFSETS = pair(ListOffsetsRequest, ListOffsetsResponse)
const LATEST = -1
const MAX_TIMESTAMP = -3

describe('a read_committed reader', () => {
  let broker: BrokerFixture
  let topics = 0
  let topic = ''
  before(async () => {
    broker = await BrokerFixture.start({ transactionVerification: new FakeVerification() })
  })
  after(() => broker.close())
  beforeEach(async () => {
    topic = `r${topics++}`
    await broker.createTopic(topic)
  })

  const send = (sent: TransactionalBatch = {}) => broker.run(sendTransactional(broker, topic, sent))

  it('the last stable offset bounds read_committed, and what is read uncommitted is not bounded', async () => {
    await broker.produce(topic, batch(2))
    await send({ producerId: 1 })
    await send({ producerId: 2 })
    await broker.produce(topic, batch(1))
    const committed = await fetchCommitted(broker, topic, 0)
    assert.deepEqual(visibleBatches(committed.bytes, []), [0])
    assert.deepEqual([committed.highWatermark, committed.lastStableOffset], [5, 2])
    assert.deepEqual(committed.abortedTransactions, [])
    const all = fetched(await broker.call(FETCH, 11, fetchRequest(topic, [{ partition: 0 }])))
    assert.deepEqual(all?.batches, [0, 2, 3, 4])
    assert.deepEqual([all?.lastStableOffset, all?.abortedTransactions], [2, null])
    assert.deepEqual((await fetchCommitted(broker, topic, 4)).bytes.length, 0, 'beyond the last stable offset')
    await endTransaction(broker, topic, { producerId: 1 })
    assert.equal((await fetchCommitted(broker, topic, 0)).lastStableOffset, 3)
    await endTransaction(broker, topic, { producerId: 2 })
    assert.equal((await fetchCommitted(broker, topic, 0)).lastStableOffset, 7)
  })

  it('control batches are delivered like any other', async () => {
    await send()
    await endTransaction(broker, topic)
    const { bytes } = await fetchCommitted(broker, topic, 0)
    assert.deepEqual(
      [...readBatches(bytes)].map(({ header }) => isControl(header)),
      [false, true]
    )
  })

  it('from the middle of aborted data is told exactly the aborted transactions it needs', async () => {
    // Offsets: 0 a1, 1 b1, 2 a2, 3 abort a, 4 c1, 5 b2, 6 abort b, 7 c2, 8 abort c.
    await send({ producerId: 1 })
    await send({ producerId: 2 })
    await send({ producerId: 1, sequence: 1 })
    await endTransaction(broker, topic, { producerId: 1, committed: false })
    await send({ producerId: 3 })
    await send({ producerId: 2, sequence: 1 })
    await endTransaction(broker, topic, { producerId: 2, committed: false })
    await send({ producerId: 3, sequence: 1 })
    await endTransaction(broker, topic, { producerId: 3, committed: false })
    const oneBatch = batch(1).length
    const told = async (from: number, bytesMax?: number) => {
      const { abortedTransactions, bytes } = await fetchCommitted(broker, topic, from, bytesMax)
      const last = [...readBatches(bytes)].at(-1)?.header.baseOffset
      return [last, ...(abortedTransactions ?? []).map((a) => `${a.producerId} from ${a.firstOffset}`)]
    }
    assert.deepEqual(await told(0), [8, '1 from 0', '2 from 1', '3 from 4'])
    assert.deepEqual(await told(0, oneBatch), [0, '1 from 0'])
    assert.deepEqual(await told(2, oneBatch), [2, '1 from 0', '2 from 1'])
    assert.deepEqual(await told(3), [8, '1 from 0', '2 from 1', '3 from 4'])
    assert.deepEqual(await told(4), [8, '2 from 1', '3 from 4'])
    assert.deepEqual(await told(4, oneBatch), [4, '2 from 1', '3 from 4'])
    assert.deepEqual(await told(7), [8, '3 from 4'])
    assert.deepEqual(await told(9), [undefined])
    await broker.upload()
    await broker.restart()
    assert.deepEqual(await told(4, oneBatch), [4, '2 from 1', '3 from 4'], 'also after a restart')
  })

  it('waits until the last stable offset moves', async () => {
    await send()
    const options = { isolationLevel: READ_COMMITTED, maxWaitMs: 10_000 }
    const waiting = broker.send(FETCH, 11, fetchRequest(topic, [{ partition: 0 }], options))
    await broker.clock.advance(100)
    await broker.produce(topic, batch(1))
    await broker.clock.advance(100)
    const early = Symbol('early')
    assert.equal(await Promise.race([waiting, Promise.resolve(early)]), early)
    await endTransaction(broker, topic, { committed: false })
    const { bytes, abortedTransactions, lastStableOffset } = committedPart(await broker.run(waiting))
    assert.deepEqual(abortedTransactions, [{ producerId: 1, firstOffset: 0 }])
    assert.deepEqual(visibleBatches(bytes, abortedTransactions ?? []), [1])
    assert.equal(lastStableOffset, 3)
  })

  it('sees no transaction whose marker is not durable yet', async () => {
    await send()
    broker.device.faults.syncMs = 1000
    const ending = sendEnd(broker, topic)
    await broker.clock.advance(0)
    const partition = broker.partition(topic)
    assert.deepEqual([partition.stream.nextOffset, partition.highWatermark, partition.lastStableOffset], [2, 1, 0])
    await broker.clock.advance(5000)
    broker.device.faults.syncMs = 0
    assert.deepEqual(await ending, [ErrorCode.NONE])
    assert.equal(partition.lastStableOffset, 2)
  })

  it('after a crash that took the marker finds the transaction open as before', async () => {
    await send()
    await broker.upload()
    broker.device.faults.syncMs = 10_000
    sendEnd(broker, topic, { epoch: 1, committed: false }).catch(() => undefined)
    await broker.clock.advance(0)
    await broker.engine.flush()
    const device = broker.device.crash()
    device.faults.syncMs = 0
    await broker.clock.advance(10_000)
    await broker.restart(device)
    const partition = broker.partition(topic)
    const { highWatermark, lastStableOffset } = partition
    // The bytes of the marker may have reached the disk or not.
    assert.deepEqual([highWatermark, lastStableOffset], highWatermark === 1 ? [1, 0] : [2, 2])
    assert.equal(partition.producers.states.get(1)?.epoch, highWatermark === 1 ? 0 : 1)
    assert.equal((await send({ sequence: 1 })).errorCode, highWatermark === 1 ? 0 : ErrorCode.INVALID_PRODUCER_EPOCH)
  })

  it('lists offsets as far as the last stable offset', async () => {
    await broker.produce(topic, batch(1, { timestamps: [1000] }))
    const options = { producerId: 1, producerEpoch: 0, baseSequence: 0, transactional: true }
    const later = { key: null, value: Buffer.from('x'), timestamp: 2000 }
    const request = { ...produceRequest(topic, buildBatch([later], options)), transactionalId: 't' }
    await broker.call(PRODUCE, 9, request)
    const list = async (timestamp: number, isolationLevel: number) => {
      const wanted = { name: topic, partitions: [{ partitionIndex: 0, timestamp }] }
      const answer = await broker.call(LIST_OFFSETS, 7, { replicaId: -1, isolationLevel, topics: [wanted] })
      return answer.topics[0]?.partitions[0]?.offset
    }
    assert.deepEqual([await list(LATEST, 0), await list(LATEST, READ_COMMITTED)], [2, 1])
    assert.deepEqual([await list(1500, 0), await list(1500, READ_COMMITTED)], [1, -1])
    assert.deepEqual([await list(500, 0), await list(500, READ_COMMITTED)], [0, 0])
    assert.deepEqual([await list(MAX_TIMESTAMP, 0), await list(MAX_TIMESTAMP, READ_COMMITTED)], [1, -1])
    await endTransaction(broker, topic)
    assert.deepEqual([await list(LATEST, READ_COMMITTED), await list(1500, READ_COMMITTED)], [3, 1])
  })

  it('an incremental fetch tells that the last stable offset moved', async () => {
    await send()
    await broker.produce(topic, batch(1))
    const options = { isolationLevel: READ_COMMITTED, sessionId: 0, sessionEpoch: 0 }
    const { sessionId } = await broker.call(FETCH, 11, fetchRequest(topic, [{ partition: 0, fetchOffset: 2 }], options))
    const next = { ...options, sessionId, sessionEpoch: 1 }
    assert.deepEqual((await broker.call(FETCH, 11, fetchRequest(topic, [], { ...next, topics: [] }))).responses, [])
    await endTransaction(broker, topic)
    const answer = await broker.call(FETCH, 11, fetchRequest(topic, [], { ...next, sessionEpoch: 2, topics: [] }))
    assert.equal(answer.responses[0]?.partitions[0]?.lastStableOffset, 3)
  })

  it('a transaction that began before the start of the log does not hold it back further', async () => {
    await send()
    await broker.produce(topic, batch(3))
    const partition = broker.partition(topic)
    await broker.run(partition.stream.trim(3))
    assert.deepEqual([partition.startOffset, partition.lastStableOffset], [3, 3])
    await endTransaction(broker, topic, { committed: false })
    assert.deepEqual((await fetchCommitted(broker, topic, 3)).abortedTransactions, [{ producerId: 1, firstOffset: 0 }])
    await broker.run(partition.stream.trim(5))
    await broker.upload()
    assert.equal(partition.producers.aborted.size, 1, 'nothing was uploaded: it is forgotten with the next upload')
    await broker.produce(topic, batch(1))
    await broker.upload()
    assert.equal(partition.producers.aborted.size, 0)
  })

  it('on a compacted topic is told of aborted transactions until nothing is left of them', async () => {
    topic = `${topic}-compact`
    const configs = { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0', 'delete.retention.ms': '1000' }
    await broker.createTopic(topic, 1, configs)
    const produce = (key: string, baseSequence: number, transactional = true) => {
      const options = transactional ? { producerId: 1, producerEpoch: 0, baseSequence, transactional } : {}
      const records = buildBatch([{ key: Buffer.from(key), value: Buffer.from('v'), timestamp: 1 }], options)
      return broker.call(PRODUCE, 9, { ...produceRequest(topic, records), transactionalId: 't' })
    }
    const cleaner = new LogCleaner({
      clock: broker.clock,
      log: silentLog,
      image: broker.metadata.image,
      rewriting: broker.engine.rewriting,
      logs: () => compactedLogs(broker.topics),
      offsetMapBytes: 1 << 20
    })
    await produce('a', 0)
    await endTransaction(broker, topic, { committed: false })
    await produce('b', 1)
    await endTransaction(broker, topic)
    await produce('open', 2)
    await produce('c', 0, false)
    await broker.upload()
    const partition = broker.partition(topic)
    assert.equal(partition.lastStableOffset, 4)
    const read = async () => {
      const { bytes, abortedTransactions } = await fetchCommitted(broker, topic, 0)
      const batches = [...readBatches(bytes)].filter(({ header }) => header.recordCount > 0)
      return [batches.map(({ header }) => header.baseOffset), abortedTransactions?.length]
    }
    assert.deepEqual(await read(), [[0, 1, 2, 3], 1])
    await broker.run(cleaner.cleanAll())
    assert.deepEqual(await read(), [[1, 2, 3], 1], 'its data goes; the marker and what is told of it stay')
    await endTransaction(broker, topic)
    await broker.upload()
    await broker.run(cleaner.cleanAll())
    assert.deepEqual(await read(), [[1, 2, 3, 4, 5, 6], 0])
    await broker.clock.advance(2000)
    await produce('d', 0, false)
    await broker.upload()
    await broker.run(cleaner.cleanAll())
    assert.deepEqual(await read(), [[2, 3, 4, 5, 6, 7], 0], 'the marker goes last')
    await cleaner.close()
  })
})
