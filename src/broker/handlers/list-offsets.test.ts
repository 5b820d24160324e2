import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ErrorCode } from '../../wire/error-codes.ts'
import { ListOffsetsRequest, ListOffsetsResponse } from '../../wire/messages/list-offsets.ts'
import {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse
} from '../../wire/messages/offset-for-leader-epoch.ts'
import { buildCompressedBatch } from '../../wire/records/batch-builder.ts'
import { BrokerFixture, batch, pair } from '../broker-fixture.ts'

const LIST_OFFSETS = pair(ListOffsetsRequest, ListOffsetsResponse)
const OFFSET_FOR_LEADER_EPOCH = pair(OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse)
const LATEST = -1
const EARLIEST = -2
const MAX_TIMESTAMP = -3

/** Timestamps of three batches; neither batches nor records are in order of time. */
const BATCHES = [
  [100, 300, 200],
  [250, 260],
  [400, 350, 400]
]
const TIMES = BATCHES.flat()

describe('list offsets', () => {
  let broker: BrokerFixture
  before(async () => {
    broker = await BrokerFixture.start({ logCacheBytes: 1 })
  })
  after(() => broker.close())

  const ask = async (
    topic: string,
    timestamp: number,
    options: { version?: number; currentLeaderEpoch?: number } = {}
  ) => {
    const { version = 11, currentLeaderEpoch = -1 } = options
    const partitions = [{ partitionIndex: 0, timestamp, currentLeaderEpoch }]
    const { topics } = await broker.call(LIST_OFFSETS, version, {
      replicaId: -1,
      topics: [{ name: topic, partitions }]
    })
    return topics[0]?.partitions[0] ?? assert.fail()
  }

  /** Every timestamp around the ones there are must give the first record, by offset, that is not older. */
  const checkAll = async (topic: string, fromOffset = 0) => {
    for (let timestamp = 99; timestamp <= 402; timestamp++) {
      const expected = TIMES.findIndex((time, offset) => time >= timestamp && offset >= fromOffset)
      const { errorCode, offset, timestamp: found } = await ask(topic, timestamp)
      assert.deepEqual([errorCode, offset, found], [ErrorCode.NONE, expected, TIMES[expected] ?? -1], `at ${timestamp}`)
    }
  }

  it('ListOffsets by timestamp is exact, in memory and in objects', async () => {
    await broker.createTopic('exact')
    for (const timestamps of BATCHES) await broker.produce('exact', batch(timestamps.length, { timestamps }))
    await checkAll('exact')
    await broker.upload()
    await checkAll('exact')
  })

  for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
    it(`ListOffsets by timestamp is exact inside ${codec} batches, in memory and in objects`, async () => {
      await broker.createTopic(codec)
      for (const timestamps of BATCHES) {
        const records = timestamps.map((timestamp) => ({ key: null, value: Buffer.alloc(50), timestamp }))
        await broker.produce(codec, await buildCompressedBatch(codec, records))
      }
      for (const timestamp of [99, 201, 251, 261, 301, 400]) {
        const expected = TIMES.findIndex((time) => time >= timestamp)
        assert.equal((await ask(codec, timestamp)).offset, expected)
      }
      await broker.upload()
      assert.equal((await ask(codec, 251)).offset, 1)
      assert.equal((await ask(codec, 301)).offset, 5)
    })
  }

  it('records before the log start are not found', async () => {
    await broker.createTopic('trimmed')
    for (const timestamps of BATCHES) await broker.produce('trimmed', batch(timestamps.length, { timestamps }))
    await broker.run(broker.partition('trimmed').stream.trim(2))
    await checkAll('trimmed', 2)
    assert.equal((await ask('trimmed', EARLIEST)).offset, 2)
  })

  it('the special positions tell the ends, and the first record with the largest timestamp', async () => {
    await broker.createTopic('special')
    assert.equal((await ask('special', MAX_TIMESTAMP)).offset, -1)
    for (const timestamps of BATCHES) await broker.produce('special', batch(timestamps.length, { timestamps }))
    assert.equal((await ask('special', EARLIEST)).offset, 0)
    const latest = await ask('special', LATEST)
    assert.deepEqual([latest.offset, latest.timestamp], [8, -1])
    assert.equal(latest.leaderEpoch, broker.partition('special').leaderEpoch)
    const max = await ask('special', MAX_TIMESTAMP)
    assert.deepEqual([max.offset, max.timestamp], [5, 400])
  })

  it('a position that the version does not know is UNSUPPORTED_VERSION', async () => {
    await broker.createTopic('positions')
    const first = new Map([
      [-1, 1],
      [-2, 1],
      [-3, 7],
      [-4, 8],
      [-5, 9],
      [-6, 11],
      [-7, 12]
    ])
    for (const [timestamp, from] of first) {
      for (let version = 1; version <= 11; version++) {
        const expected = version < from ? ErrorCode.UNSUPPORTED_VERSION : ErrorCode.NONE
        assert.equal((await ask('positions', timestamp, { version })).errorCode, expected, `${timestamp} v${version}`)
      }
    }
  })

  it('unknown partitions and wrong leader epochs are errors', async () => {
    await broker.createTopic('epochs')
    const { leaderEpoch } = broker.partition('epochs')
    const code = async (currentLeaderEpoch: number) => (await ask('epochs', LATEST, { currentLeaderEpoch })).errorCode
    assert.equal(await code(leaderEpoch), ErrorCode.NONE)
    assert.equal(await code(leaderEpoch - 1), ErrorCode.FENCED_LEADER_EPOCH)
    assert.equal(await code(leaderEpoch + 1), ErrorCode.UNKNOWN_LEADER_EPOCH)
    assert.equal((await ask('nowhere', LATEST)).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  })
})

describe('offset for leader epoch', () => {
  it('tells where each epoch ended, over restarts and uploads', async () => {
    const broker = await BrokerFixture.start()
    await broker.createTopic('lives')
    const epochs: number[] = []
    for (let life = 0; life < 3; life++) {
      epochs.push(broker.partition('lives').leaderEpoch)
      await broker.produce('lives', batch(2))
      if (life === 1) await broker.upload()
      await broker.restart()
    }
    const ask = async (leaderEpoch: number, currentLeaderEpoch = -1) => {
      const partitions = [{ partition: 0, leaderEpoch, currentLeaderEpoch }]
      const request = { topics: [{ topic: 'lives', partitions }] }
      const { topics } = await broker.call(OFFSET_FOR_LEADER_EPOCH, 4, request)
      const { errorCode, leaderEpoch: epoch, endOffset } = topics[0]?.partitions[0] ?? assert.fail()
      return [errorCode, epoch, endOffset]
    }
    const now = broker.partition('lives').leaderEpoch
    for (const [life, epoch] of epochs.entries()) assert.deepEqual(await ask(epoch), [0, epoch, life * 2 + 2])
    assert.deepEqual(await ask(now), [0, now, 6])
    assert.deepEqual(await ask(now + 1), [0, -1, -1])
    assert.deepEqual(await ask(-1), [0, -1, -1])
    assert.deepEqual(await ask(now, now - 1), [ErrorCode.FENCED_LEADER_EPOCH, -1, -1])
    await broker.close()
  })
})
