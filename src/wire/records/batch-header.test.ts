import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../../runtime/fault.ts'
import { readInt64, writeInt64 } from '../../runtime/int64.ts'
import {
  compressionCodec,
  computeBatchCrc,
  decrementSequence,
  hasDeleteHorizon,
  hasProducerId,
  incrementSequence,
  isControl,
  isTransactional,
  lastOffset,
  lastSequence,
  nextSequence,
  parseBatchHeader,
  patchBatchHeader,
  patchLogAppendTime,
  timestampType,
  writeBatchHeader
} from './batch-header.ts'
import { COMMIT_MARKER, PLAIN_BATCH, SMALL_BATCHES, STAMPED_BATCH, TRANSACTIONAL_BATCH } from './golden-batches.ts'

const decode = (base64: string): Buffer => Buffer.from(base64, 'base64')

test('the header of a batch by the Java client is read field by field', () => {
  const bytes = decode(SMALL_BATCHES.zstd)
  const header = parseBatchHeader(bytes, 0)
  assert.deepEqual(header, {
    baseOffset: 0,
    batchLength: bytes.length - 12,
    partitionLeaderEpoch: -1,
    magic: 2,
    crc: computeBatchCrc(bytes, 0, bytes.length),
    attributes: 4,
    lastOffsetDelta: 3,
    baseTimestamp: 1700000000000,
    maxTimestamp: 1700000000005,
    producerId: 4200,
    producerEpoch: 3,
    baseSequence: 17,
    recordCount: 4,
    sizeInBytes: bytes.length
  })
  assert.equal(compressionCodec(header), 4)
  assert.equal(timestampType(header), 'create-time')
  assert.equal(isTransactional(header) || isControl(header) || hasDeleteHorizon(header), false)
  assert.equal(hasProducerId(header), true)
  assert.equal(lastOffset(header), 3)
  assert.equal(lastSequence(header), 20)
  assert.equal(nextSequence(header), 21)
})

test('a header is read at a position', () => {
  const bytes = decode(SMALL_BATCHES.none)
  const shifted = Buffer.concat([Buffer.alloc(7, 0xff), bytes])
  assert.deepEqual(parseBatchHeader(shifted, 7), parseBatchHeader(bytes, 0))
})

test('attributes and extreme fields of transactional and control batches are read', () => {
  const transactional = parseBatchHeader(decode(TRANSACTIONAL_BATCH), 0)
  assert.equal(isTransactional(transactional), true)
  assert.equal(isControl(transactional), false)
  assert.equal(transactional.producerId, Number.MAX_SAFE_INTEGER)
  assert.equal(transactional.producerEpoch, 32767)
  assert.equal(transactional.partitionLeaderEpoch, 8)
  assert.equal(transactional.maxTimestamp, -1)
  assert.equal(lastSequence(transactional), 0)
  assert.equal(nextSequence(transactional), 1)

  const marker = parseBatchHeader(decode(COMMIT_MARKER), 0)
  assert.equal(isTransactional(marker) && isControl(marker), true)
  assert.equal(marker.baseOffset, 5)
  assert.equal(nextSequence(marker), -1)
})

test('placing a batch needs no new checksum', () => {
  const bytes = decode(SMALL_BATCHES.lz4)
  const before = parseBatchHeader(bytes, 0)
  const baseOffset = 2 ** 40 + 5
  patchBatchHeader(bytes, 0, baseOffset, 77)
  const after = parseBatchHeader(bytes, 0)
  assert.deepEqual(after, { ...before, baseOffset, partitionLeaderEpoch: 77 })
  assert.equal(computeBatchCrc(bytes, 0, bytes.length), after.crc)
})

test('a batch placed with log append time is the one the Java broker makes of it', () => {
  const prefix = Buffer.alloc(3)
  const bytes = Buffer.concat([prefix, decode(PLAIN_BATCH)])
  patchBatchHeader(bytes, prefix.length, 1000, 12)
  patchLogAppendTime(bytes, prefix.length, 1700000000123)
  assert.equal(bytes.subarray(prefix.length).toString('base64'), STAMPED_BATCH)
  assert.equal(timestampType(parseBatchHeader(bytes, prefix.length)), 'log-append-time')
})

test('a header written again is the same, checksum included', () => {
  for (const base64 of [...Object.values(SMALL_BATCHES), TRANSACTIONAL_BATCH, COMMIT_MARKER, STAMPED_BATCH]) {
    const bytes = decode(base64)
    const copy = Buffer.from(bytes)
    copy.fill(0xee, 0, 61)
    writeBatchHeader(copy, 0, parseBatchHeader(bytes, 0))
    assert.equal(copy.toString('base64'), base64)
  }
})

test('fewer bytes than a header are corrupt', () => {
  for (let length = 0; length < 61; length++) {
    assert.throws(
      () => parseBatchHeader(Buffer.alloc(length), 0),
      (error) => isFault(error, 'corrupt')
    )
  }
  assert.throws(
    () => parseBatchHeader(Buffer.alloc(100), 40),
    (error) => isFault(error, 'corrupt')
  )
})

test('sequences wrap after 2^31 - 1, as DefaultRecordBatch does', () => {
  const max = 2 ** 31 - 1
  assert.equal(incrementSequence(max, 1), 0)
  assert.equal(incrementSequence(max - 2, 5), 2)
  assert.equal(incrementSequence(5, max), 4)
  assert.equal(incrementSequence(5, 6), 11)
  assert.equal(decrementSequence(0, 1), max)
  assert.equal(decrementSequence(2, 5), max - 2)
  assert.equal(decrementSequence(11, 6), 5)
})

test('incrementing and decrementing a sequence undo each other', () => {
  const sequence = fc.integer({ min: 0, max: 2 ** 31 - 1 })
  fc.assert(
    fc.property(sequence, sequence, (start, step) => {
      const end = incrementSequence(start, step)
      assert.ok(end >= 0 && end < 2 ** 31)
      assert.equal(decrementSequence(end, step), start)
    })
  )
})

test('every safe integer survives as 64 bits', () => {
  const buffer = Buffer.alloc(8)
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      writeInt64(buffer, value, 0)
      assert.equal(buffer.readBigInt64BE(0), BigInt(value))
      assert.equal(readInt64(buffer, 0), value)
    })
  )
})
