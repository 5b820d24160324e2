import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { isFault } from '../../runtime/fault.ts'
import { settle } from '../../runtime/virtual-clock.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { buildBatch, buildCompressedBatch } from '../../wire/records/batch-builder.ts'
import { parseBatchHeader, writeBatchHeader } from '../../wire/records/batch-header.ts'
import { BrokerFixture, batch, encodeRequest, PRODUCE, produceRequest } from '../broker-fixture.ts'
import { anonymousPeer } from '../handler.ts'

const SEQUENCE_MAX = 0x7fff_ffff

describe('produce', () => {
  let broker: BrokerFixture
  before(async () => {
    broker = await BrokerFixture.start()
  })
  after(() => broker.close())

  it('one bad partition in a produce request does not fail the others', async () => {
    await broker.createTopic('mixed', 3)
    const corrupt = batch(2)
    corrupt.writeUInt8(corrupt.readUInt8(corrupt.length - 1) ^ 1, corrupt.length - 1)
    const partitionData = [
      { index: 0, records: [batch(2)] },
      { index: 1, records: [corrupt] },
      { index: 9, records: [batch(1)] },
      { index: 2, records: [batch(3)] }
    ]
    const request = {
      acks: -1,
      timeoutMs: 1000,
      topicData: [
        { name: 'mixed', partitionData },
        { name: 'nowhere', partitionData: [{ index: 0, records: [batch(1)] }] }
      ]
    }
    const { responses } = await broker.call(PRODUCE, 9, request)
    assert.deepEqual(
      responses.map(({ partitionResponses }) => partitionResponses.map((p) => [p.index, p.errorCode, p.baseOffset])),
      [
        [
          [0, ErrorCode.NONE, 0],
          [1, ErrorCode.CORRUPT_MESSAGE, -1],
          [9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1],
          [2, ErrorCode.NONE, 0]
        ],
        [[0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1]]
      ]
    )
    assert.deepEqual(
      [0, 1, 2].map((index) => broker.partition('mixed', index).highWatermark),
      [2, 0, 3]
    )
  })

  it('a record without key is refused on a compacted topic, whatever its codec, and all of them are named', async () => {
    await broker.createTopic('keyed', 1, { 'cleanup.policy': 'compact' })
    await broker.createTopic('both', 1, { 'cleanup.policy': 'delete,compact' })
    const record = (key: string | null) => ({ key: key === null ? null : Buffer.from(key), value: null, timestamp: 1 })
    const mixed = [record('a'), record(null), record(''), record(null)] as const
    for (const topic of ['keyed', 'both']) {
      const what = `Compacted topic cannot accept message without key in topic partition ${topic}-0.`
      for (const records of [buildBatch(mixed), await buildCompressedBatch('zstd', mixed)]) {
        const answer = await broker.produce(topic, records)
        assert.deepEqual([answer.errorCode, answer.baseOffset], [ErrorCode.INVALID_RECORD, -1])
        assert.deepEqual(
          answer.recordErrors,
          [1, 3].map((batchIndex) => ({ batchIndex, batchIndexErrorMessage: what }))
        )
        assert.ok(answer.errorMessage?.includes(what))
      }
      assert.equal((await broker.produce(topic, buildBatch([record('a')]))).errorCode, ErrorCode.NONE)
      assert.equal((await broker.produce(topic, await buildCompressedBatch('gzip', [record('a')]))).baseOffset, 1)
    }
    await broker.createTopic('keyless')
    assert.equal((await broker.produce('keyless', buildBatch(mixed))).errorCode, ErrorCode.NONE)
  })

  it('batches that must be unpacked first keep their order with those that need not be', async () => {
    await broker.createTopic('ordered', 1, { 'cleanup.policy': 'compact' })
    const record = { key: Buffer.from('a'), value: Buffer.alloc(50_000, 'x'), timestamp: 1 }
    const sent = []
    for (let i = 0; i < 12; i++) {
      const options = { producerId: 77, producerEpoch: 0, baseSequence: i }
      const packed = i % 3 === 0 ? await buildCompressedBatch('gzip', [record], options) : buildBatch([record], options)
      sent.push(packed)
    }
    const answers = await broker.run(
      Promise.all(sent.map((records) => broker.send(PRODUCE, 9, produceRequest('ordered', records))))
    )
    const outcomes = answers.map(({ responses }) => responses[0]?.partitionResponses[0])
    assert.deepEqual(
      outcomes.map((o) => [o?.errorCode, o?.baseOffset]),
      sent.map((_, i) => [ErrorCode.NONE, i])
    )
  })

  it('records that cannot be read are refused on a compacted topic', async () => {
    await broker.createTopic('unreadable', 1, { 'cleanup.policy': 'compact' })
    const record = { key: Buffer.from('a'), value: Buffer.from('b'), timestamp: 1 }
    for (const bytes of [buildBatch([record]), await buildCompressedBatch('gzip', [record])]) {
      const header = parseBatchHeader(bytes, 0)
      bytes.fill(0xff, 61)
      writeBatchHeader(bytes, 0, header)
      assert.equal((await broker.produce('unreadable', bytes)).errorCode, ErrorCode.INVALID_RECORD)
    }
    assert.equal(broker.partition('unreadable').highWatermark, 0)
  })

  it('offsets follow each other by the number of records, and a batch carries its offset and leader epoch', async () => {
    await broker.createTopic('dense')
    assert.equal((await broker.produce('dense', batch(3))).baseOffset, 0)
    assert.equal((await broker.produce('dense', batch(2))).baseOffset, 3)
    const partition = broker.partition('dense')
    const [, second] = await partition.stream.read(0, 1 << 20)
    assert.ok(second !== undefined)
    const header = parseBatchHeader(second.payload, 0)
    assert.deepEqual([header.baseOffset, header.partitionLeaderEpoch], [3, partition.leaderEpoch])
  })

  it('the last five batches of a producer are remembered, and a duplicate returns its original offset', async () => {
    await broker.createTopic('five')
    const send = (baseSequence: number) =>
      broker.produce('five', batch(2, { producerId: 1, producerEpoch: 0, baseSequence }))
    for (let i = 0; i < 6; i++) assert.equal((await send(i * 2)).baseOffset, i * 2)
    for (let i = 1; i < 6; i++) {
      const again = await send(i * 2)
      assert.deepEqual([again.errorCode, again.baseOffset], [ErrorCode.NONE, i * 2], `batch ${i}`)
    }
    assert.equal((await send(0)).errorCode, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, 'the sixth last is forgotten')
    assert.equal(broker.partition('five').highWatermark, 12)
  })

  it('the answer to a duplicate waits until the original is durable', async () => {
    await broker.createTopic('waits')
    broker.device.faults.syncMs = 50
    const records = () => batch(1, { producerId: 2, producerEpoch: 0, baseSequence: 0 })
    const original = broker.send(PRODUCE, 9, produceRequest('waits', records()))
    const duplicate = broker.send(PRODUCE, 9, produceRequest('waits', records()))
    let answered = false
    void duplicate.then(() => {
      answered = true
    })
    await broker.clock.advance(40)
    assert.equal(answered, false)
    await broker.clock.advance(200)
    assert.equal(answered, true)
    assert.equal((await duplicate).responses[0]?.partitionResponses[0]?.baseOffset, 0)
    await original
    broker.device.faults.syncMs = 0
    assert.equal(broker.partition('waits').highWatermark, 1)
  })

  it('sequences wrap at 2^31-1, inside a batch and between batches', async () => {
    await broker.createTopic('wrap')
    const send = (count: number, baseSequence: number) =>
      broker.produce('wrap', batch(count, { producerId: 3, producerEpoch: 0, baseSequence }))
    assert.equal((await send(1, SEQUENCE_MAX - 1)).errorCode, ErrorCode.NONE)
    assert.equal((await send(3, SEQUENCE_MAX)).errorCode, ErrorCode.NONE, 'holds 2^31-1, 0 and 1')
    assert.equal((await send(1, 3)).errorCode, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    assert.equal((await send(1, 2)).errorCode, ErrorCode.NONE)
    assert.equal((await send(3, SEQUENCE_MAX)).baseOffset, 1, 'a duplicate across the wrap is recognised')
  })

  it('an unknown producer may start at any sequence', async () => {
    await broker.createTopic('unknown')
    const answer = await broker.produce('unknown', batch(1, { producerId: 4, producerEpoch: 3, baseSequence: 77 }))
    assert.deepEqual([answer.errorCode, answer.baseOffset], [ErrorCode.NONE, 0])
  })

  it('a new epoch of a producer starts at sequence 0 and fences the old one', async () => {
    await broker.createTopic('epochs')
    const send = (producerEpoch: number, baseSequence: number) =>
      broker.produce('epochs', batch(1, { producerId: 5, producerEpoch, baseSequence }))
    await send(0, 0)
    assert.equal((await send(1, 4)).errorCode, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    assert.equal((await send(1, 0)).baseOffset, 1)
    assert.equal((await send(0, 0)).errorCode, ErrorCode.INVALID_PRODUCER_EPOCH)
  })

  it('a topic that stamps its records tells the time of the append; a duplicate tells the time of its batch', async () => {
    await broker.createTopic('stamped', 1, { 'message.timestamp.type': 'LogAppendTime' })
    const records = () => batch(1, { producerId: 6, producerEpoch: 0, baseSequence: 0, timestamps: [5] })
    const appendedMs = broker.clock.now()
    assert.equal((await broker.produce('stamped', records())).logAppendTimeMs, appendedMs)
    await broker.clock.advance(1000)
    assert.equal((await broker.produce('stamped', records())).logAppendTimeMs, appendedMs)
    await broker.createTopic('unstamped')
    assert.equal((await broker.produce('unstamped', records())).logAppendTimeMs, -1)
    assert.equal((await broker.produce('unstamped', records())).logAppendTimeMs, 5, 'as Kafka does')
  })

  it('what is not durable in time is REQUEST_TIMED_OUT, and its retry a duplicate', async () => {
    await broker.createTopic('slow')
    await broker.produce('slow', batch(1))
    const timers = broker.clock.sleeping
    broker.device.faults.syncMs = 5000
    const records = () => batch(1, { producerId: 7, producerEpoch: 0, baseSequence: 0 })
    const late = broker.send(PRODUCE, 9, produceRequest('slow', records(), 0, -1, 2000))
    await broker.clock.advance(2000)
    assert.equal((await late).responses[0]?.partitionResponses[0]?.errorCode, ErrorCode.REQUEST_TIMED_OUT)
    const retry = broker.send(PRODUCE, 9, produceRequest('slow', records()))
    await broker.clock.advance(20_000)
    broker.device.faults.syncMs = 0
    const answer = (await retry).responses[0]?.partitionResponses[0]
    assert.deepEqual([answer?.errorCode, answer?.baseOffset], [ErrorCode.NONE, 1])
    assert.equal(broker.partition('slow').highWatermark, 2)
    assert.equal(broker.clock.sleeping, timers, 'no timer of an answered request is left')
  })

  it('a timeout shorter than a slow disk is not taken literally', async () => {
    await broker.createTopic('hasty')
    broker.device.faults.syncMs = 100
    const call = broker.send(PRODUCE, 9, produceRequest('hasty', batch(1), 0, -1, 0))
    await broker.clock.advance(500)
    broker.device.faults.syncMs = 0
    assert.equal((await call).responses[0]?.partitionResponses[0]?.errorCode, ErrorCode.NONE)
  })

  it('a topic deleted while its records become durable is an error for that partition only', async () => {
    await broker.createTopic('doomed')
    await broker.createTopic('lasting')
    const doomed = broker.topics.get('doomed')
    assert.ok(doomed !== undefined)
    broker.device.faults.syncMs = 100
    const one = { index: 0, records: [batch(1)] }
    const topicData = [
      { name: 'lasting', partitionData: [{ ...one }] },
      { name: 'doomed', partitionData: [{ index: 0, records: [batch(1)] }] }
    ]
    const call = broker.send(PRODUCE, 9, { acks: -1, timeoutMs: 30_000, topicData })
    await broker.run(broker.topics.delete(doomed))
    await broker.clock.advance(1000)
    broker.device.faults.syncMs = 0
    const codes = (await call).responses.map(({ partitionResponses }) => partitionResponses[0]?.errorCode)
    assert.deepEqual(codes, [ErrorCode.NONE, ErrorCode.NOT_LEADER_OR_FOLLOWER])
  })

  it('with acks=0 there is no answer, and an error closes the connection', async () => {
    await broker.createTopic('quiet')
    const origin = {
      clientHost: '/x',
      connectionId: 1,
      peer: anonymousPeer(0),
      localAddress: '',
      closed: new AbortController().signal,
      mute: () => undefined
    }
    const prepare = (topic: string) =>
      broker.dispatcher.prepare(encodeRequest(PRODUCE.request, 9, produceRequest(topic, batch(1), 0, 0)), origin)
    assert.equal(await broker.run(prepare('quiet').start()), undefined)
    assert.equal(broker.partition('quiet').highWatermark, 1)
    await assert.rejects(broker.run(prepare('nowhere').start()), (error) => isFault(error, 'invalid'))
  })

  it('acks other than -1, 0 and 1 are refused', async () => {
    await broker.createTopic('acks')
    const { responses } = await broker.call(PRODUCE, 9, produceRequest('acks', batch(1), 0, 2))
    assert.equal(responses[0]?.partitionResponses[0]?.errorCode, ErrorCode.INVALID_REQUIRED_ACKS)
    assert.equal(broker.partition('acks').highWatermark, 0)
  })

  it('a batch larger than max.message.bytes is MESSAGE_TOO_LARGE', async () => {
    await broker.createTopic('small', 1, { 'max.message.bytes': '200' })
    assert.equal((await broker.produce('small', batch(1, { valueBytes: 300 }))).errorCode, ErrorCode.MESSAGE_TOO_LARGE)
    assert.equal((await broker.produce('small', batch(1))).errorCode, ErrorCode.NONE)
  })

  it('zstd needs version 7, as clients before it cannot read it', async () => {
    await broker.createTopic('zstd')
    const records = await buildCompressedBatch('zstd', [{ key: null, value: Buffer.from('x'), timestamp: 1 }])
    const code = async (version: number) =>
      (await broker.call(PRODUCE, version, produceRequest('zstd', records))).responses[0]?.partitionResponses[0]
        ?.errorCode
    assert.equal(await code(6), ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
    assert.equal(await code(7), ErrorCode.NONE)
  })

  it('from version 13 on topics are named by id, and an unknown id is UNKNOWN_TOPIC_ID', async () => {
    await broker.createTopic('identified')
    const topicId = broker.topics.get('identified')?.id ?? ''
    const send = async (id: string) => {
      const topicData = [{ topicId: id, partitionData: [{ index: 0, records: [batch(1)] }] }]
      const { responses } = await broker.call(PRODUCE, 13, { acks: -1, timeoutMs: 1000, topicData })
      assert.equal(responses[0]?.topicId, id)
      return responses[0]?.partitionResponses[0]?.errorCode
    }
    assert.equal(await send(topicId), ErrorCode.NONE)
    assert.equal(await send('nobodynobodynobodynobg'), ErrorCode.UNKNOWN_TOPIC_ID)
  })

  it('every served version answers', async () => {
    await broker.createTopic('versions')
    for (let version = PRODUCE.request.minVersion; version < 13; version++) {
      const { responses } = await broker.call(PRODUCE, version, produceRequest('versions', batch(1)))
      assert.equal(responses[0]?.partitionResponses[0]?.baseOffset, version - 3)
    }
    await settle()
  })
})
