import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { Entry } from '../entry.ts'
import type { WalRecord } from './wal.ts'
import {
  decodeEntry,
  ENTRY_HEADER_BYTES,
  type EntryStamp,
  encodeEntryHeader,
  entryBytes,
  findEntryMagic,
  peekEntry
} from './wal-entry.ts'

const number = fc.maxSafeNat()
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff })
const plain = { noNullPrototype: true }
const entries: fc.Arbitrary<Entry> = fc.record(
  {
    baseOffset: number,
    lastOffset: number,
    maxTimestamp: fc.oneof(fc.constant(-1), number),
    payload: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes))
  },
  plain
)
const records: fc.Arbitrary<WalRecord> = fc.record({ streamId: number, epoch: number, entry: entries }, plain)
const stamps: fc.Arbitrary<EntryStamp> = fc.record({ sequence: uint32, salt: uint32, syncedTo: number }, plain)

function encoded(record: WalRecord, position: number, stamp: EntryStamp, before = 0): Buffer {
  const bytes = Buffer.alloc(before + entryBytes(record))
  encodeEntryHeader(bytes, before, record, position, stamp)
  record.entry.payload.copy(bytes, before + ENTRY_HEADER_BYTES)
  return bytes
}

it('an entry decodes to what was encoded, wherever it lies', () => {
  fc.assert(
    fc.property(records, number, stamps, fc.nat(50), (record, position, stamp, before) => {
      const bytes = encoded(record, position, stamp, before)
      const head = { position, bytes: entryBytes(record), ...stamp }
      assert.deepEqual(decodeEntry(bytes, before), { head, record })
      assert.deepEqual(peekEntry(bytes, before), head)
      assert.equal(findEntryMagic(bytes, 0), before)
    })
  )
})

it('no truncated entry is taken for an intact one', () => {
  fc.assert(
    fc.property(records, number, stamps, fc.nat(), (record, position, stamp, cut) => {
      const bytes = encoded(record, position, stamp)
      assert.equal(decodeEntry(bytes.subarray(0, cut % bytes.length), 0), undefined)
    })
  )
})

it('no entry with a flipped bit is taken for an intact one', () => {
  fc.assert(
    fc.property(records, number, stamps, fc.nat(), fc.nat(7), (record, position, stamp, place, bit) => {
      const bytes = encoded(record, position, stamp)
      const at = place % bytes.length
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at)
      assert.equal(decodeEntry(bytes, 0), undefined)
    })
  )
})

it('the layout of an entry is the one that is documented', () => {
  const record = {
    streamId: 3,
    epoch: 4,
    entry: { baseOffset: 5, lastOffset: 6, maxTimestamp: -1, payload: Buffer.from('x') }
  }
  const stamp = { sequence: 1, salt: 0xdeadbeef, syncedTo: 2 ** 40 }
  assert.equal(
    encoded(record, 2 ** 33 + 1, stamp).toString('hex'),
    '4c484501' + // magic, version
      '00000001' + // length
      '00000001' + // sequence
      'deadbeef' + // salt
      '0000000200000001' + // position
      '0000010000000000' + // syncedTo
      '0000000000000003' + // streamId
      '0000000000000004' + // epoch
      '0000000000000005' + // baseOffset
      '0000000000000006' + // lastOffset
      'ffffffffffffffff' + // maxTimestamp
      '0040d9f4' + // crc
      '78' // payload
  )
})
