import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../../runtime/fault.ts'
import { decodePartitionSnapshot, encodePartitionSnapshot } from './partition-snapshot.ts'

const offset = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const int32 = fc.nat({ max: 0x7fff_ffff })
const epoch = fc.nat({ max: 0x7fff })
const producedBatch = fc.record({
  baseSequence: int32,
  lastSequence: int32,
  baseOffset: offset,
  lastOffset: offset,
  timestamp: fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER })
})
const producer = fc
  .record({
    id: offset,
    epoch,
    lastAppendMs: offset,
    coordinatorEpoch: fc.integer({ min: -1, max: 0x7fff_ffff }),
    transactionStart: fc.option(offset, { nil: undefined }),
    lastMarker: fc.option(fc.record({ offset, timestamp: offset }), { nil: undefined }),
    batches: fc.array(producedBatch, { maxLength: 5 })
  })
  .map(({ batches, ...rest }) => ({
    ...rest,
    batches: batches.map((batch) => ({ producerEpoch: rest.epoch, ...batch }))
  }))
const snapshot = fc.record(
  {
    producers: fc.array(producer, { maxLength: 20 }),
    leaderEpochs: fc.array(fc.record({ epoch: int32, startOffset: offset }), { maxLength: 20 })
  },
  { noNullPrototype: true }
)

describe('partition snapshots', () => {
  it('read back what was written', () => {
    fc.assert(
      fc.property(snapshot, (value) => {
        const read = decodePartitionSnapshot(encodePartitionSnapshot(value))
        assert.equal(JSON.stringify(sorted(read)), JSON.stringify(sorted(value)))
      })
    )
  })

  it('every truncation and any other bytes are Fault corrupt', () => {
    fc.assert(
      fc.property(snapshot, fc.nat(), (value, at) => {
        const bytes = encodePartitionSnapshot(value)
        const cut = bytes.subarray(0, at % bytes.length)
        assert.throws(
          () => decodePartitionSnapshot(cut),
          (error) => isFault(error, 'corrupt')
        )
      })
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodePartitionSnapshot(Buffer.from(bytes))
        } catch (error) {
          assert.ok(isFault(error, 'corrupt'))
        }
      })
    )
  })

  it('version 1, which knew no transactions, is still read', () => {
    const [leaderEpochs, producers] = ['00000001 00000007 0000000000000005', '00000001']
    const head = '000000000000002a 0002 000000000000007b 02'
    const old = '0001 00000001 00000002 0000000000000003 0000000000000004 0000000000000006'
    const last = '0002 00000000 00000001 0000000000000008 0000000000000009 000000000000000a'
    const hex = `0001 ${leaderEpochs} ${producers} ${head} ${old} ${last}`.replaceAll(' ', '')
    assert.deepEqual(decodePartitionSnapshot(Buffer.from(hex, 'hex')), {
      leaderEpochs: [{ epoch: 7, startOffset: 5 }],
      producers: [
        {
          id: 42,
          epoch: 2,
          lastAppendMs: 123,
          coordinatorEpoch: -1,
          transactionStart: undefined,
          lastMarker: undefined,
          batches: [{ producerEpoch: 2, baseSequence: 0, lastSequence: 1, baseOffset: 8, lastOffset: 9, timestamp: 10 }]
        }
      ]
    })
  })

  it('a newer version is refused', () => {
    const bytes = encodePartitionSnapshot({ producers: [], leaderEpochs: [] })
    bytes.writeInt16BE(3, 0)
    assert.throws(
      () => decodePartitionSnapshot(bytes),
      (error) => isFault(error, 'corrupt')
    )
  })
})

/** Keys in one order, so that two values can be compared as text. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)])
  )
}
