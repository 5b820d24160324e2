import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { buildBatch, type NewRecord } from './batch-builder.ts'
import { computeBatchCrc, parseBatchHeader, patchLogAppendTime } from './batch-header.ts'
import { type SplitFailure, type SplitLimits, splitBatches } from './batch-validation.ts'
import { COMMIT_MARKER, SMALL_BATCHES, TRANSACTIONAL_BATCH, WIDE_BATCHES } from './golden-batches.ts'

const RECORD: NewRecord = { key: null, value: Buffer.from('v'), timestamp: 1700000000000 }
const PRODUCER = { producerId: 4200, producerEpoch: 3, baseSequence: 0 }

const decode = (base64: string): Buffer => Buffer.from(base64, 'base64')

/** The small batch with a change that its checksum covers. */
function changed(change: (batch: Buffer) => void): Buffer {
  const batch = decode(SMALL_BATCHES.none)
  change(batch)
  batch.writeUInt32BE(computeBatchCrc(batch, 0, batch.length), 17)
  return batch
}

function refused(records: Buffer, limits?: SplitLimits): SplitFailure {
  const result = splitBatches(records, limits)
  assert.ok(result.error !== undefined, 'the batch must be refused')
  return result
}

test('batches of the Java client pass with every codec, and are slices of the request', () => {
  for (const base64 of [...Object.values(SMALL_BATCHES), ...Object.values(WIDE_BATCHES), TRANSACTIONAL_BATCH]) {
    const records = decode(base64)
    const result = splitBatches(records)
    assert.equal(result.error, undefined)
    const [batch] = result.batches ?? []
    assert.ok(batch)
    assert.deepEqual(batch.header, parseBatchHeader(records, 0))
    assert.equal(batch.bytes.buffer, records.buffer)
    assert.equal(batch.bytes.toString('base64'), base64)
  }
})

test('every truncation is refused', () => {
  const records = decode(SMALL_BATCHES.none)
  for (let length = 0; length < records.length; length++) {
    assert.equal(refused(records.subarray(0, length)).error, 'INVALID_RECORD', `${length} bytes`)
  }
})

test('bytes after the batch are refused', () => {
  const records = Buffer.concat([decode(SMALL_BATCHES.none), Buffer.alloc(3)])
  assert.equal(refused(records).error, 'CORRUPT_MESSAGE')
  assert.equal(refused(records, { batchesMax: 2 }).error, 'INVALID_RECORD')
})

test('a flipped bit is found wherever it is, but for the leader epoch, which the broker replaces', () => {
  for (const base64 of [SMALL_BATCHES.none, SMALL_BATCHES.gzip]) {
    const records = decode(base64)
    for (let bit = 0; bit < records.length * 8; bit++) {
      const position = bit >> 3
      if (position >= 12 && position < 16) continue
      records[position] = (records[position] ?? 0) ^ (1 << (bit & 7))
      const { error } = refused(records)
      if (position >= 17) assert.equal(error, 'CORRUPT_MESSAGE', `bit ${bit}`)
      else assert.ok(error === 'INVALID_RECORD' || error === 'CORRUPT_MESSAGE', `bit ${bit}`)
      records[position] = (records[position] ?? 0) ^ (1 << (bit & 7))
    }
  }
})

test('each fault of a batch gets the error Kafka gives', () => {
  const cases: readonly [string, Buffer, SplitFailure['error']][] = [
    ['no batch', Buffer.alloc(0), 'INVALID_RECORD'],
    ['format 0', changed((batch) => batch.writeInt8(0, 16)), 'INVALID_RECORD'],
    ['format 1', changed((batch) => batch.writeInt8(1, 16)), 'INVALID_RECORD'],
    ['format 3', changed((batch) => batch.writeInt8(3, 16)), 'CORRUPT_MESSAGE'],
    ['format -1', changed((batch) => batch.writeInt8(-1, 16)), 'CORRUPT_MESSAGE'],
    ['negative length', changed((batch) => batch.writeInt32BE(-1, 8)), 'CORRUPT_MESSAGE'],
    ['length less than a header', changed((batch) => batch.writeInt32BE(48, 8)), 'CORRUPT_MESSAGE'],
    ['base offset', changed((batch) => batch.writeInt32BE(1, 4)), 'INVALID_RECORD'],
    ['no records', changed((batch) => batch.writeInt32BE(0, 57)), 'INVALID_RECORD'],
    ['negative count', changed((batch) => batch.writeInt32BE(-4, 57)), 'INVALID_RECORD'],
    ['offsets and count differ', changed((batch) => batch.writeInt32BE(4, 23)), 'INVALID_RECORD'],
    ['no offsets', changed((batch) => batch.writeInt32BE(-1, 23)), 'INVALID_RECORD'],
    ['codec 5', changed((batch) => batch.writeInt16BE(5, 21)), 'UNSUPPORTED_COMPRESSION_TYPE'],
    ['codec 7', changed((batch) => batch.writeInt16BE(7, 21)), 'UNSUPPORTED_COMPRESSION_TYPE'],
    ['control', changed((batch) => batch.writeInt16BE(0x20, 21)), 'INVALID_RECORD'],
    ['delete horizon', changed((batch) => batch.writeInt16BE(0x40, 21)), 'INVALID_RECORD'],
    ['log append time', changed((batch) => batch.writeInt16BE(0x08, 21)), 'INVALID_TIMESTAMP'],
    ['timestamp', changed((batch) => batch.writeBigInt64BE(2n ** 63n - 1n, 35)), 'INVALID_TIMESTAMP'],
    ['producer id', changed((batch) => batch.writeBigInt64BE(2n ** 53n, 43)), 'INVALID_RECORD'],
    ['producer without epoch', changed((batch) => batch.writeInt16BE(-1, 51)), 'INVALID_RECORD'],
    ['producer without sequence', changed((batch) => batch.writeInt32BE(-1, 53)), 'INVALID_RECORD'],
    ['transaction without producer', buildBatch([RECORD], { transactional: true }), 'INVALID_RECORD']
  ]
  for (const [name, records, error] of cases) assert.equal(refused(records).error, error, name)
})

test('limits of the topic and of the protocol version are kept', () => {
  const zstd = decode(SMALL_BATCHES.zstd)
  assert.equal(refused(zstd, { zstdAllowed: false }).error, 'UNSUPPORTED_COMPRESSION_TYPE')
  assert.equal(refused(zstd, { batchBytesMax: zstd.length - 1 }).error, 'MESSAGE_TOO_LARGE')
  assert.equal(splitBatches(zstd, { batchBytesMax: zstd.length }).error, undefined)
})

test('a transaction marker cannot be written by a client', () => {
  const marker = decode(COMMIT_MARKER)
  marker.writeBigInt64BE(0n, 0)
  assert.match(refused(marker).message, /control/)
})

test('a producer that is not idempotent may put anything into epoch and sequence', () => {
  const records = buildBatch([RECORD], { producerId: -1, producerEpoch: 0, baseSequence: 0 })
  assert.equal(splitBatches(records).error, undefined)
})

test('several batches are refused as Kafka does, and split where they are allowed', () => {
  const first = buildBatch([RECORD, RECORD], PRODUCER)
  const second = buildBatch([RECORD], { ...PRODUCER, baseSequence: 2 })
  const records = Buffer.concat([first, second])
  assert.equal(refused(records).error, 'INVALID_RECORD')
  const result = splitBatches(records, { batchesMax: 2 })
  assert.deepEqual(
    result.batches?.map((batch) => batch.bytes.toString('hex')),
    [first.toString('hex'), second.toString('hex')]
  )
})

test('several batches must continue one producer, wrapping its sequence', () => {
  const limits = { batchesMax: 2 }
  const wrapping = { ...PRODUCER, baseSequence: 2 ** 31 - 1 }
  const pair = (a: object, b: object): Buffer => Buffer.concat([buildBatch([RECORD], a), buildBatch([RECORD], b)])
  assert.equal(splitBatches(pair(wrapping, PRODUCER), limits).error, undefined)
  assert.equal(splitBatches(pair({}, {}), limits).error, undefined)
  assert.equal(refused(pair(PRODUCER, PRODUCER), limits).error, 'INVALID_RECORD')
  assert.equal(refused(pair(PRODUCER, { ...PRODUCER, producerId: 1, baseSequence: 1 }), limits).error, 'INVALID_RECORD')
  assert.equal(refused(pair(PRODUCER, {}), limits).error, 'INVALID_RECORD')
  const transactional = { ...PRODUCER, baseSequence: 1, transactional: true }
  assert.equal(refused(pair(PRODUCER, transactional), limits).error, 'INVALID_RECORD')
})

test('a batch that a broker stamped is not taken from a client', () => {
  const records = buildBatch([RECORD])
  patchLogAppendTime(records, 0, 1)
  assert.equal(refused(records).error, 'INVALID_TIMESTAMP')
})

test('garbage is refused and never throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      refused(Buffer.from(bytes), { batchesMax: 100 })
    })
  )
})

test('garbage behind a plausible frame is refused and never throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 44, maxLength: 200 }), fc.boolean(), (tail, goodChecksum) => {
      const records = Buffer.concat([
        Buffer.alloc(17),
        Buffer.alloc(4),
        Buffer.from(tail.subarray(0, 40)),
        Buffer.from(tail)
      ])
      records.writeInt32BE(records.length - 12, 8)
      records.writeInt8(2, 16)
      if (goodChecksum) records.writeUInt32BE(computeBatchCrc(records, 0, records.length), 17)
      const result = splitBatches(records)
      if (!goodChecksum) assert.equal(result.error, 'CORRUPT_MESSAGE')
      else if (result.error === undefined) assert.equal(result.batches[0]?.header.recordCount, records.readInt32BE(57))
    })
  )
})
