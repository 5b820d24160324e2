import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../../runtime/fault.ts'
import { type BatchOptions, buildBatch, buildCompressedBatch, type NewRecord } from './batch-builder.ts'
import { type BatchHeader, parseBatchHeader, patchBatchHeader, patchLogAppendTime } from './batch-header.ts'
import { splitBatches } from './batch-validation.ts'
import type { Codec } from './compression.ts'
import { COMMIT_MARKER, PLAIN_BATCH, SMALL_BATCHES, TRANSACTIONAL_BATCH, WIDE_BATCHES } from './golden-batches.ts'
import {
  decompressRecords,
  findMaxTimestamp,
  findTimestamp,
  type KafkaRecord,
  readBatches,
  readRecords
} from './records.ts'

const MAX_BYTES = 1024 * 1024
const TIME = 1700000000000
const SMALL_RECORDS: readonly KafkaRecord[] = [
  {
    offset: 0,
    timestamp: TIME,
    key: Buffer.from('key-a'),
    value: Buffer.from('value-a'),
    headers: [
      { key: 'h1', value: Buffer.from('v1') },
      { key: 'h2', value: null }
    ]
  },
  { offset: 1, timestamp: TIME + 5, key: null, value: Buffer.from('value-b'), headers: [] },
  { offset: 2, timestamp: TIME - 10, key: Buffer.from('key-c'), value: null, headers: [] },
  { offset: 3, timestamp: TIME + 5, key: Buffer.from(''), value: Buffer.from('x'.repeat(300)), headers: [] }
]
const UNTIMED_RECORDS: readonly NewRecord[] = [
  { timestamp: -1, key: null, value: Buffer.from('t') },
  { timestamp: -1, key: Buffer.from('ключ'), value: Buffer.from('u') }
]

const decode = (base64: string): Buffer => Buffer.from(base64, 'base64')
const plain = (batch: Buffer): [BatchHeader, Buffer] => [parseBatchHeader(batch, 0), batch.subarray(61)]
const recordsOf = (batch: Buffer): KafkaRecord[] => [...readRecords(...plain(batch))]

async function recordsOfAny(bytes: Buffer): Promise<KafkaRecord[]> {
  const records: KafkaRecord[] = []
  for (const batch of readBatches(bytes)) {
    records.push(...readRecords(batch.header, await decompressRecords(batch, MAX_BYTES)))
  }
  return records
}

test('records of the Java client are read with every codec', async () => {
  for (const [codec, base64] of Object.entries(SMALL_BATCHES)) {
    assert.deepEqual(await recordsOfAny(decode(base64)), SMALL_RECORDS, codec)
  }
})

test('records that take several blocks of their codec are read', async () => {
  for (const [codec, base64] of Object.entries(WIDE_BATCHES)) {
    const [record] = await recordsOfAny(decode(base64))
    assert.equal(record?.value?.toString(), 'longhaul '.repeat(codec === 'snappy' ? 5000 : 9000), codec)
  }
})

test('batches are built byte by byte as the Java client builds them', () => {
  const small = buildBatch(SMALL_RECORDS, { producerId: 4200, producerEpoch: 3, baseSequence: 17 })
  assert.equal(small.toString('base64'), SMALL_BATCHES.none)
  assert.equal(buildBatch(UNTIMED_RECORDS).toString('base64'), PLAIN_BATCH)
  const transactional = buildBatch(UNTIMED_RECORDS, {
    producerId: Number.MAX_SAFE_INTEGER,
    producerEpoch: 32767,
    baseSequence: 2 ** 31 - 1,
    leaderEpoch: 8,
    transactional: true
  })
  assert.equal(transactional.toString('base64'), TRANSACTIONAL_BATCH)
  const commit = { key: Buffer.from('00000001', 'hex'), value: Buffer.from('000000000007', 'hex'), timestamp: TIME }
  const marker: BatchOptions = { baseOffset: 5, leaderEpoch: 9, producerId: 4200, producerEpoch: 3, control: true }
  assert.equal(buildBatch([commit], { ...marker, transactional: true }).toString('base64'), COMMIT_MARKER)
})

test('timestamps are found exactly, and only from an offset on', () => {
  const batch = decode(SMALL_BATCHES.none)
  patchBatchHeader(batch, 0, 100, 1)
  const [header, records] = plain(batch)
  assert.deepEqual(findTimestamp(header, records, 0), { timestamp: TIME, offset: 100 })
  assert.deepEqual(findTimestamp(header, records, TIME), { timestamp: TIME, offset: 100 })
  assert.deepEqual(findTimestamp(header, records, TIME + 1), { timestamp: TIME + 5, offset: 101 })
  assert.deepEqual(findTimestamp(header, records, TIME + 1, 102), { timestamp: TIME + 5, offset: 103 })
  assert.deepEqual(findTimestamp(header, records, 0, 102), { timestamp: TIME - 10, offset: 102 })
  assert.equal(findTimestamp(header, records, TIME + 6), undefined)
  assert.equal(findTimestamp(header, records, 0, 104), undefined)
  assert.deepEqual(findMaxTimestamp(header, records), { timestamp: TIME + 5, offset: 101 })
})

test('with log append time all records have the time of the batch', () => {
  const batch = decode(SMALL_BATCHES.none)
  patchLogAppendTime(batch, 0, TIME + 1000)
  const [header, records] = plain(batch)
  assert.deepEqual(new Set(recordsOf(batch).map((record) => record.timestamp)), new Set([TIME + 1000]))
  assert.deepEqual(findTimestamp(header, records, TIME + 6), { timestamp: TIME + 1000, offset: 0 })
  assert.deepEqual(findMaxTimestamp(header, records), { timestamp: TIME + 1000, offset: 0 })
})

test('records without timestamp have no largest one', () => {
  assert.equal(findMaxTimestamp(...plain(decode(PLAIN_BATCH))), undefined)
})

test('a batch compacted to some of its records keeps their offsets and its own range', () => {
  const kept = SMALL_RECORDS.filter((record) => record.offset === 1)
  const batch = buildBatch(kept, { baseOffset: 0, lastOffset: 3 })
  assert.deepEqual(recordsOf(batch), kept)
  assert.equal(parseBatchHeader(batch, 0).lastOffsetDelta, 3)
  assert.equal(parseBatchHeader(batch, 0).recordCount, 1)
})

test('records that cannot form a batch are refused', () => {
  const record = { key: null, value: null, timestamp: 0 }
  const invalid = (error: unknown): boolean => isFault(error, 'invalid')
  assert.throws(() => buildBatch([]), invalid)
  assert.throws(() => buildBatch([{ ...record, offset: 4 }], { baseOffset: 5 }), invalid)
  assert.throws(
    () =>
      buildBatch([
        { ...record, offset: 5 },
        { ...record, offset: 5 }
      ]),
    invalid
  )
  assert.throws(() => buildBatch([record, record], { lastOffset: 0 }), invalid)
})

const anyBytes = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes))
const anyHeader = fc.record(
  { key: fc.string({ unit: 'grapheme' }), value: fc.option(anyBytes) },
  { noNullPrototype: true }
)
const anyRecord = fc.record(
  {
    key: fc.option(anyBytes),
    value: fc.option(anyBytes),
    timestamp: fc.oneof(fc.integer({ min: -1, max: 2 ** 51 }), fc.constant(TIME)),
    headers: fc.array(anyHeader, { maxLength: 3 })
  },
  { noNullPrototype: true }
)
const anyRecords = fc.array(anyRecord, { minLength: 1, maxLength: 20 })

test('what is built is valid and is read back, with every codec', async () => {
  const anyCodec = fc.constantFrom<Codec>('none', 'gzip', 'snappy', 'lz4', 'zstd')
  await fc.assert(
    fc.asyncProperty(anyRecords, anyCodec, async (records, codec) => {
      const bytes = await buildCompressedBatch(codec, records, { producerId: 1, producerEpoch: 0, baseSequence: 0 })
      assert.equal(splitBatches(bytes).error, undefined)
      const expected = records.map((record, offset) => ({ offset, ...record }))
      assert.deepEqual(await recordsOfAny(bytes), expected)
    })
  )
})

test('cheap searches agree with reading all records', () => {
  fc.assert(
    fc.property(anyRecords, fc.nat(20), (newRecords, pick) => {
      const [header, bytes] = plain(buildBatch(newRecords))
      const records = [...readRecords(header, bytes)]
      const timestamp = newRecords[pick % newRecords.length]?.timestamp ?? 0
      const expected = records.find((record) => record.timestamp >= timestamp)
      const found = findTimestamp(header, bytes, timestamp)
      assert.equal(found?.offset, expected?.offset)
      const max = Math.max(...records.map((record) => record.timestamp))
      const first = max === -1 ? undefined : records.find((record) => record.timestamp === max)?.offset
      assert.equal(findMaxTimestamp(header, bytes)?.offset, first)
    })
  )
})

/** Reads in all ways; only Fault `corrupt` may come out. Returns whether it was thrown. */
function failsTyped(header: BatchHeader, records: Buffer): boolean {
  let failed = false
  for (const read of [
    () => [...readRecords(header, records)],
    () => findTimestamp(header, records, header.maxTimestamp),
    () => findMaxTimestamp(header, records)
  ]) {
    try {
      read()
    } catch (error) {
      assert.ok(isFault(error, 'corrupt'), String(error))
      failed = true
    }
  }
  return failed
}

test('every truncation of record bytes is corrupt', () => {
  const [header, records] = plain(decode(SMALL_BATCHES.none))
  for (let length = 0; length < records.length; length++) {
    assert.ok(failsTyped(header, records.subarray(0, length)), `${length} bytes`)
  }
  assert.ok(failsTyped(header, Buffer.concat([records, Buffer.alloc(1)])))
})

test('flipped bits in record bytes give records or a typed fault', () => {
  const [header, records] = plain(decode(SMALL_BATCHES.none))
  let failures = 0
  for (let bit = 0; bit < records.length * 8; bit++) {
    const flipped = Buffer.from(records)
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    if (failsTyped(header, flipped)) failures += 1
  }
  assert.ok(failures > 0)
})

test('garbage gives records or a typed fault', () => {
  const header = parseBatchHeader(decode(SMALL_BATCHES.none), 0)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 0, max: 2 ** 31 - 1 }), (bytes, recordCount) => {
      failsTyped({ ...header, recordCount }, Buffer.from(bytes))
    })
  )
})

test('a header count beyond the record is corrupt and allocates nothing for it', () => {
  // No key, no value, 2³¹ − 1 headers.
  const record = Buffer.from('0000000101feffffff0f', 'hex')
  const header = { ...parseBatchHeader(decode(SMALL_BATCHES.none), 0), recordCount: 1 }
  const records = Buffer.concat([Buffer.from([record.length * 2]), record])
  assert.deepEqual(findTimestamp(header, records, TIME), { timestamp: TIME, offset: 0 })
  assert.throws(
    () => [...readRecords(header, records)],
    (error) => isFault(error, 'corrupt') && error.message.includes('in the middle of a record')
  )
})

test('batches follow one another, and a last one that was cut off is left out', () => {
  const first = buildBatch(UNTIMED_RECORDS, { baseOffset: 10 })
  const second = buildBatch(UNTIMED_RECORDS, { baseOffset: 12 })
  const both = Buffer.concat([first, second])
  const offsets = (bytes: Buffer): number[] => [...readBatches(bytes)].map((batch) => batch.header.baseOffset)
  assert.deepEqual(offsets(both), [10, 12])
  for (let length = first.length; length < both.length; length++)
    assert.deepEqual(offsets(both.subarray(0, length)), [10])
  assert.deepEqual(offsets(first.subarray(0, first.length - 1)), [])
})

test('bytes that are no batches are corrupt', () => {
  const corrupt = (error: unknown): boolean => isFault(error, 'corrupt')
  assert.throws(() => [...readBatches(Buffer.alloc(100))], corrupt)
  const negative = buildBatch(UNTIMED_RECORDS)
  negative.writeInt32BE(-12, 8)
  assert.throws(() => [...readBatches(negative)], corrupt)
})
