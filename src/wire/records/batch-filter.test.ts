import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type BatchOptions, buildBatch, buildCompressedBatch, type NewRecord } from './batch-builder.ts'
import { type BatchFilter, filterBatch } from './batch-filter.ts'
import { deleteHorizonMs, parseBatchHeader, patchLogAppendTime } from './batch-header.ts'
import { splitBatches } from './batch-validation.ts'
import type { Codec } from './compression.ts'
import { decompressRecords, type KafkaRecord, readRecords } from './records.ts'

const MAX = 1 << 20
const TIME = 1_700_000_000_000
const RECORDS: readonly NewRecord[] = [
  { key: Buffer.from('a'), value: Buffer.from('1'), timestamp: TIME + 9 },
  { key: Buffer.from('b'), value: null, timestamp: TIME - 5, headers: [{ key: 'h', value: null }] },
  { key: null, value: Buffer.from('3'), timestamp: -1 },
  { key: Buffer.from('d'), value: Buffer.from('4'.repeat(300)), timestamp: TIME }
]
const PLACE: BatchOptions = { baseOffset: 100, leaderEpoch: 4, producerId: 9, producerEpoch: 1, baseSequence: 30 }

async function filtered(bytes: Buffer, offsets: readonly number[], options: Partial<BatchFilter> = {}) {
  const batch = { header: parseBatchHeader(bytes, 0), bytes }
  const keeps: BatchFilter['keeps'] = ({ offset }) => offsets.includes(offset)
  const filter = { keeps, keepsEmpty: false, deleteHorizonMs: TIME + 86_400_000, expires: false, ...options }
  return filterBatch(batch, filter, MAX)
}

async function recordsOf(bytes: Buffer): Promise<KafkaRecord[]> {
  const header = parseBatchHeader(bytes, 0)
  return [...readRecords(header, await decompressRecords({ header, bytes }, MAX))]
}

/** The place and the producer of a batch: what no filter may touch. */
function identity(bytes: Buffer) {
  const { baseOffset, lastOffsetDelta, partitionLeaderEpoch, producerId, producerEpoch, baseSequence } =
    parseBatchHeader(bytes, 0)
  return { baseOffset, lastOffsetDelta, partitionLeaderEpoch, producerId, producerEpoch, baseSequence }
}

describe('a filtered batch', () => {
  for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] satisfies Codec[]) {
    it(`keeps the records that stay as they are, and its place: ${codec}`, async () => {
      const bytes = codec === 'none' ? buildBatch(RECORDS, PLACE) : await buildCompressedBatch(codec, RECORDS, PLACE)
      const all = await recordsOf(bytes)
      for (const kept of [[100], [103], [100, 102], [102, 103], [100, 102, 103]]) {
        const left = (await filtered(bytes, kept)) ?? assert.fail()
        assert.deepEqual(
          await recordsOf(left),
          all.filter(({ offset }) => kept.includes(offset))
        )
        assert.deepEqual(identity(left), identity(bytes))
        const { recordCount, maxTimestamp, crc } = parseBatchHeader(left, 0)
        assert.equal(recordCount, kept.length)
        assert.equal(maxTimestamp, Math.max(...all.filter((r) => kept.includes(r.offset)).map((r) => r.timestamp)))
        assert.notEqual(crc, parseBatchHeader(bytes, 0).crc)
      }
    })
  }

  it('is the same buffer when nothing goes', async () => {
    const bytes = buildBatch([RECORDS[0] ?? assert.fail()], PLACE)
    assert.equal(await filtered(bytes, [100]), bytes)
  })

  it('has a valid CRC', async () => {
    const left = (await filtered(buildBatch(RECORDS), [0, 3])) ?? assert.fail()
    const { error } = splitBatches(left)
    // The offsets have gaps now, which a producer may not send; the CRC is judged first.
    assert.equal(error, 'INVALID_RECORD')
  })

  it('gets its delete horizon with the first tombstone that stays, and keeps it', async () => {
    const bytes = buildBatch(RECORDS, PLACE)
    const horizon = TIME + 86_400_000
    const left = (await filtered(bytes, [100, 101, 102], { deleteHorizonMs: horizon })) ?? assert.fail()
    assert.equal(deleteHorizonMs(parseBatchHeader(left, 0)), horizon)
    assert.deepEqual(
      await recordsOf(left),
      (await recordsOf(bytes)).filter(({ offset }) => offset !== 103)
    )
    assert.equal(await filtered(left, [100, 101, 102], { deleteHorizonMs: horizon + 5 }), left)
    const fewer = (await filtered(left, [101], { deleteHorizonMs: horizon + 5 })) ?? assert.fail()
    assert.equal(deleteHorizonMs(parseBatchHeader(fewer, 0)), horizon)
    assert.deepEqual(
      await recordsOf(fewer),
      (await recordsOf(bytes)).filter(({ offset }) => offset === 101)
    )
    const none = (await filtered(bytes, [100])) ?? assert.fail()
    assert.equal(deleteHorizonMs(parseBatchHeader(none, 0)), undefined)
  })

  it('gets its delete horizon without a tombstone when it expires', async () => {
    const left = (await filtered(buildBatch(RECORDS, PLACE), [100, 103], { expires: true })) ?? assert.fail()
    assert.equal(deleteHorizonMs(parseBatchHeader(left, 0)), TIME + 86_400_000)
  })

  it('keeps the time of its append', async () => {
    const bytes = buildBatch(RECORDS, PLACE)
    patchLogAppendTime(bytes, 0, TIME + 77)
    for (const kept of [[100], [101]]) {
      const left = (await filtered(bytes, kept)) ?? assert.fail()
      assert.deepEqual(
        (await recordsOf(left)).map(({ timestamp }) => timestamp),
        [TIME + 77]
      )
    }
  })

  it('is gone without records, or stays as an empty one with its place, time and kind', async () => {
    const bytes = await buildCompressedBatch('lz4', RECORDS, { ...PLACE, transactional: true })
    assert.equal(await filtered(bytes, []), undefined)
    const left = (await filtered(bytes, [], { keepsEmpty: true })) ?? assert.fail()
    assert.equal(left.length, 61)
    assert.deepEqual(identity(left), identity(bytes))
    const { recordCount, attributes, maxTimestamp, baseTimestamp } = parseBatchHeader(left, 0)
    assert.deepEqual([recordCount, attributes, maxTimestamp, baseTimestamp], [0, 0x10, TIME + 9, -1])
    assert.deepEqual(await recordsOf(left), [])
    assert.equal(await filtered(left, [], { keepsEmpty: true }), left)
    assert.equal(await filtered(left, []), undefined)
  })
})
