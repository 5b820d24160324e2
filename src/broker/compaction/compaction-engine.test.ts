/** Compaction by key through the whole broker: produced, uploaded, cleaned in objects, fetched. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { silentLog } from '../../runtime/log.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { ListOffsetsRequest, ListOffsetsResponse } from '../../wire/messages/list-offsets.ts'
import { OffsetCommitRequest, OffsetCommitResponse } from '../../wire/messages/offset-commit.ts'
import { OffsetFetchRequest, OffsetFetchResponse } from '../../wire/messages/offset-fetch.ts'
import { buildBatch, type NewRecord } from '../../wire/records/batch-builder.ts'
import { parseBatchHeader } from '../../wire/records/batch-header.ts'
import { readBatches, readRecords } from '../../wire/records/records.ts'
import { BrokerFixture, FETCH, fetchRequest, pair } from '../broker-fixture.ts'
import { OFFSETS_TOPIC } from '../topic-names.ts'
import { compactedLogs } from './compacted-log.ts'
import { LogCleaner } from './log-cleaner.ts'

const LIST_OFFSETS = pair(ListOffsetsRequest, ListOffsetsResponse)
const OFFSET_COMMIT = pair(OffsetCommitRequest, OffsetCommitResponse)
const OFFSET_FETCH = pair(OffsetFetchRequest, OffsetFetchResponse)
const CONFIGS = { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0', 'delete.retention.ms': '0' }
const TIME = 1_700_000_000_000

function record(key: string, value: string | null, timestamp = TIME): NewRecord {
  return { key: Buffer.from(key), value: value === null ? null : Buffer.from(value), timestamp }
}

describe('a compacted topic', () => {
  let broker: BrokerFixture
  beforeEach(async () => {
    // No room in memory: what is uploaded is read from objects.
    broker = await BrokerFixture.start({ logCacheBytes: 1 })
    await broker.createTopic('c', 1, CONFIGS)
  })
  afterEach(() => broker.close())

  const put = (...records: NewRecord[]) => broker.produce('c', buildBatch(records))
  const clean = async () => {
    await broker.upload()
    const { clock, metadata, engine, topics } = broker
    const parts = { clock, log: silentLog, image: metadata.image, rewriting: engine.rewriting, offsetMapBytes: 1 << 20 }
    await broker.run(new LogCleaner({ ...parts, logs: () => compactedLogs(topics) }).cleanAll())
  }
  /** Everything from an offset on, as a consumer finds it: `3 a=1`. */
  const fetchAll = async (from = 0) => {
    const found: string[] = []
    for (let next = from; next < broker.partition('c').highWatermark; ) {
      const answer = await broker.call(FETCH, 12, fetchRequest('c', [{ partition: 0, fetchOffset: next }]))
      const partition = answer.responses[0]?.partitions[0] ?? assert.fail()
      assert.equal(partition.errorCode, ErrorCode.NONE)
      const before = next
      for (const { header, bytes } of readBatches(Buffer.concat(partition.records ?? []))) {
        for (const r of readRecords(header, bytes.subarray(61))) {
          if (r.offset >= next) found.push(`${r.offset} ${r.key?.toString()}${r.value === null ? '' : `=${r.value}`}`)
        }
        next = header.baseOffset + header.lastOffsetDelta + 1
      }
      assert.ok(next > before, `a consumer at ${before} gets on`)
    }
    return found
  }

  it('is read with gaps from any offset, also after a restart', async () => {
    for (let round = 0; round < 5; round++) {
      for (const key of ['a', 'b', 'c']) await put(record(key, `${round}-${'x'.repeat(200)}`), record('d', `${round}`))
    }
    await clean()
    const left = (await fetchAll()).map((line) => line.slice(0, 5))
    assert.deepEqual(left, ['24 a=', '26 b=', '28 c=', '29 d='])
    for (const from of [1, 11, 24]) assert.equal((await fetchAll(from)).length, 4, `from ${from}`)
    assert.equal((await fetchAll(25)).length, 3)
    await put(record('a', 'last'))
    await broker.restart()
    assert.deepEqual(
      (await fetchAll(3)).map((line) => line.slice(0, 5)),
      [...left, '30 a=']
    )
  })

  it('is cleaned again and again, until nothing is left of deleted keys but the end', async () => {
    await put(record('a', '1'), record('b', '1'))
    await put(record('a', null))
    await clean()
    await put(record('b', null))
    await clean()
    await put(record('z', '1'))
    await clean()
    assert.deepEqual(await fetchAll(), ['4 z=1'])
    const row = broker.metadata.image.stream(broker.partition('c').stream.id)
    assert.equal(row?.cleanedOffset, 5)
  })

  it('is searched by the time of what is left', async () => {
    await put(record('a', '1', TIME + 5000))
    await put(record('b', '1', TIME + 1000))
    await put(record('a', '2', TIME + 2000))
    await clean()
    const find = async (timestamp: number) => {
      const partitions = [{ partitionIndex: 0, timestamp }]
      const { topics } = await broker.call(LIST_OFFSETS, 7, { replicaId: -1, topics: [{ name: 'c', partitions }] })
      return topics[0]?.partitions[0]?.offset
    }
    assert.equal(await find(TIME + 1001), 2)
    assert.equal(await find(TIME + 2001), -1)
    assert.equal(await find(-3), 2, 'the record with the largest time')
  })

  it('goes on at the right sequence with a producer whose records are all gone', async () => {
    const producer = (baseSequence: number) => ({ producerId: 9, producerEpoch: 0, baseSequence })
    await broker.produce('c', buildBatch([record('a', '1')], producer(0)))
    await put(record('a', '2'))
    await clean()
    await broker.restart()
    const duplicate = await broker.produce('c', buildBatch([record('a', '1')], producer(0)))
    assert.deepEqual([duplicate.errorCode, duplicate.baseOffset], [ErrorCode.NONE, 0])
    const gap = await broker.produce('c', buildBatch([record('a', '3')], producer(2)))
    assert.equal(gap.errorCode, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    assert.equal((await broker.produce('c', buildBatch([record('a', '3')], producer(1)))).baseOffset, 2)
  })

  it('loses what was aborted, and readers hear of it no more, before the markers go', async () => {
    const partition = broker.partition('c')
    const end = async (committed: boolean) => {
      const producer = { id: 9, epoch: 0 }
      const { errorCode, durable } = partition.appendEnd({ producer, committed, coordinatorEpoch: 0 }, TIME)
      assert.equal(errorCode, ErrorCode.NONE)
      await broker.run(durable ?? Promise.resolve())
    }
    const transact = async (sequence: number, key: string, value: string) => {
      const options = { producerId: 9, producerEpoch: 0, baseSequence: sequence, transactional: true }
      const batch = buildBatch([record(key, value)], options)
      const guard = partition.producers.beginVerification(parseBatchHeader(batch, 0), false, TIME)
      if ('errorCode' in guard) assert.fail()
      await broker.run(
        partition.append({ header: parseBatchHeader(batch, 0), bytes: batch }, TIME, guard).durable ?? assert.fail()
      )
    }
    /** Markers are what has no key that was written. */
    const committed = async () => {
      const request = { ...fetchRequest('c', [{ partition: 0 }]), isolationLevel: 1 }
      const answer = (await broker.call(FETCH, 12, request)).responses[0]?.partitions[0] ?? assert.fail()
      const batches = [...readBatches(Buffer.concat(answer.records ?? []))]
      return { batches: batches.length, aborted: answer.abortedTransactions?.map(({ firstOffset }) => firstOffset) }
    }
    await transact(0, 'a', 'aborted')
    await end(false)
    await broker.upload()
    await transact(1, 'a', 'committed')
    await end(true)
    await put(record('z', '1'))
    await broker.upload()
    await broker.restart()
    assert.deepEqual(await committed(), { batches: 5, aborted: [0] })
    await clean()
    assert.deepEqual(await committed(), { batches: 4, aborted: [0] }, 'a reader may still have its records')
    await broker.clock.advance(1)
    await put(record('z', '2'))
    await clean()
    assert.equal((await committed()).aborted?.length, 0)
    await broker.restart()
    const left = (await fetchAll()).filter((line) => / [az]=/.test(line))
    assert.deepEqual(left, ['2 a=committed', '5 z=2'])
    assert.equal((await committed()).aborted?.length, 0)
  })

  it('is what keeps the offsets of groups: the last commit of each partition', async () => {
    const stored = () =>
      [0, 1].reduce((sum, index) => {
        const partition = broker.topics.partition(OFFSETS_TOPIC, index)
        return sum + (partition === undefined ? 0 : broker.engine.storedBytes(partition.stream.id))
      }, 0)
    for (let committedOffset = 1; committedOffset <= 40; committedOffset++) {
      const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: '' }]
      const { topics } = await broker.call(OFFSET_COMMIT, 2, { groupId: 'g', topics: [{ name: 'c', partitions }] })
      assert.equal(topics[0]?.partitions[0]?.errorCode, ErrorCode.NONE)
    }
    const before = stored()
    await clean()
    assert.ok(stored() < before / 20, `${before} bytes became ${stored()}`)
    await broker.restart()
    const wanted = { groupId: 'g', topics: [{ name: 'c', partitionIndexes: [0] }] }
    const { topics } = await broker.call(OFFSET_FETCH, 2, wanted)
    assert.equal(topics[0]?.partitions[0]?.committedOffset, 40)
  })
})
