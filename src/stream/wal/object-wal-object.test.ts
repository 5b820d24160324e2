import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../../runtime/fault.ts'
import { decodeObject, decodeObjectHeader, encodeBatch, encodeFence, OBJECT_HEADER_BYTES } from './object-wal-object.ts'
import {
  decodeMark,
  encodeMark,
  keyOf,
  type LogPlace,
  positionIn,
  SEQUENCE_MAX,
  sequenceOf
} from './object-wal-place.ts'
import type { WalRecord } from './wal.ts'

const number = fc.maxSafeNat()
const plain = { noNullPrototype: true }
/** Of sizes on both sides of the limit up to which payloads are copied. */
const payloads = fc
  .tuple(fc.oneof(fc.nat(300), fc.integer({ min: 2040, max: 2060 })), fc.nat(255))
  .map(([bytes, fill]) => Buffer.alloc(bytes, fill))
const records: fc.Arbitrary<WalRecord> = fc.record(
  {
    streamId: number,
    epoch: number,
    entry: fc.record(
      {
        baseOffset: number,
        lastOffset: number,
        maxTimestamp: fc.oneof(fc.constant(-1), number),
        payload: payloads
      },
      plain
    )
  },
  plain
)
const batches = fc.array(records, { minLength: 1, maxLength: 12 })
const places: fc.Arbitrary<LogPlace> = fc.record({ epoch: number, sequence: number }, plain)
const nonce = Buffer.from('0123456789abcdef', 'hex')

const damaged = (error: unknown) => isFault(error, 'corrupt')

it('a batch decodes to the records that were encoded', () => {
  fc.assert(
    fc.property(batches, number, places, number, (batch, nodeId, place, durableTo) => {
      const { header, parts, bytes } = encodeBatch({ nodeId, place, nonce }, durableTo, batch)
      const stored = Buffer.concat(parts)
      assert.equal(stored.length, bytes)
      assert.ok(stored.subarray(0, OBJECT_HEADER_BYTES).equals(header))
      assert.deepEqual(decodeObject(stored, nodeId, place), { kind: 'batch', records: batch })
      assert.deepEqual(decodeObjectHeader(header, nodeId, place), { kind: 'batch', durableTo, count: batch.length })
    })
  )
})

it('a fence decodes to its successor, and is shorter than any batch', () => {
  fc.assert(
    fc.property(records, number, places, places, (record, nodeId, place, successor) => {
      const { parts, bytes } = encodeFence({ nodeId, place, nonce }, successor)
      assert.deepEqual(decodeObject(Buffer.concat(parts), nodeId, place), { kind: 'fence', successor })
      assert.ok(bytes < encodeBatch({ nodeId, place, nonce }, 0, [record]).bytes)
    })
  )
})

it('no object that was cut, extended or has a flipped bit is taken for an intact one', () => {
  const place = { epoch: 3, sequence: 9 }
  fc.assert(
    fc.property(fc.option(batches, { nil: undefined }), fc.nat(), fc.nat(7), (batch, at, bit) => {
      const identity = { nodeId: 1, place, nonce }
      const { parts } = batch === undefined ? encodeFence(identity, place) : encodeBatch(identity, 2, batch)
      const stored = Buffer.concat(parts)
      const position = at % stored.length
      assert.throws(() => decodeObject(stored.subarray(0, position), 1, place), damaged)
      assert.throws(() => decodeObject(Buffer.concat([stored, Buffer.alloc(1 + bit)]), 1, place), damaged)
      stored.writeUInt8(stored.readUInt8(position) ^ (1 << bit), position)
      assert.throws(
        () => decodeObject(stored, 1, place),
        (error) => damaged(error) && String(error).includes(keyOf(1, place))
      )
    })
  )
})

it('an object that lies under another key than it was written for is not taken for that one', () => {
  const place = { epoch: 3, sequence: 9 }
  const { header } = encodeFence({ nodeId: 1, place, nonce }, { epoch: 4, sequence: 10 })
  assert.throws(() => decodeObject(header, 2, place), damaged)
  assert.throws(() => decodeObject(header, 1, { ...place, epoch: 4 }), damaged)
  assert.throws(
    () => decodeObject(header, 1, { ...place, sequence: 8 }),
    /was written as wal\/1\/0000000003\/000000000009/
  )
})

it('objects of different writers differ in their headers', () => {
  const place = { epoch: 3, sequence: 9 }
  const fenceOf = (nonce: Buffer) => encodeFence({ nodeId: 1, place, nonce }, place).header
  assert.ok(!fenceOf(Buffer.alloc(8, 1)).equals(fenceOf(Buffer.alloc(8, 2))))
})

it('the layout is the one that is documented', () => {
  const identity = { nodeId: 1, place: { epoch: 2, sequence: 2 ** 33 + 3 }, nonce }
  const entry = { baseOffset: 5, lastOffset: 6, maxTimestamp: -1, payload: Buffer.from('x') }
  assert.equal(
    Buffer.concat(encodeBatch(identity, 4, [{ streamId: 3, epoch: 4, entry }]).parts).toString('hex'),
    '4c485701' + // magic, version
      '00000001' + // kind
      '0000000000000001' + // nodeId
      '0000000000000002' + // epoch
      '0000000200000003' + // sequence
      '0123456789abcdef' + // nonce
      '0000000000000004' + // durableTo
      '0000000000000001' + // count
      '0f358b5f' + // bodyCrc
      '4f6d95a4' + // crc
      '00000001' + // length
      '0000000000000003' + // streamId
      '0000000000000004' + // epoch
      '0000000000000005' + // baseOffset
      '0000000000000006' + // lastOffset
      'ffffffffffffffff' + // maxTimestamp
      '78' // payload
  )
  assert.equal(
    encodeFence(identity, { epoch: 7, sequence: 2 ** 33 + 4 }).header.toString('hex'),
    '4c485701' + // magic, version
      '00000002' + // kind
      '0000000000000001' + // nodeId
      '0000000000000002' + // epoch
      '0000000200000003' + // sequence
      '0123456789abcdef' + // nonce
      '0000000000000007' + // epoch of the next log
      '0000000200000004' + // its first sequence
      '00000000' + // bodyCrc
      '6d1fa9c0' // crc
  )
})

it('keys rise with the log, and marks name their place', () => {
  const place = { epoch: 12, sequence: 345 }
  assert.equal(keyOf(7, place), 'wal/7/0000000012/000000000345')
  assert.equal(sequenceOf(keyOf(7, place)), 345)
  assert.equal(sequenceOf('wal/7/notes.txt'), undefined)
  assert.ok(keyOf(7, { epoch: 12, sequence: 9 }) < keyOf(7, place))
  assert.deepEqual(decodeMark(encodeMark(place)), place)
  assert.throws(
    () => decodeMark('file:4096'),
    (error) => isFault(error, 'invalid') && /--wal/.test(error.message)
  )
})

it('positions are exact up to the last sequence', () => {
  assert.ok(Number.isSafeInteger(positionIn(SEQUENCE_MAX, 0xffff)))
  assert.ok(positionIn(SEQUENCE_MAX, 0xffff) < positionIn(SEQUENCE_MAX + 1, 0))
  assert.ok(keyOf(1, { epoch: 1, sequence: SEQUENCE_MAX }).endsWith(`/${SEQUENCE_MAX}`))
})
