import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../../runtime/fault.ts'
import { decodePartitionSnapshot, encodePartitionSnapshot } from './partition-snapshot.ts'

const offset = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const int32 = fc.nat({ max: 0x7fff_ffff })
const epoch = fc.nat({ max: 0x7fff })
const producedBatch = fc.record({
  producerEpoch: epoch,
  baseSequence: int32,
  lastSequence: int32,
  baseOffset: offset,
  lastOffset: offset,
  timestamp: fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER })
})
const producer = fc.record({
  id: offset,
  epoch,
  lastAppendMs: offset,
  batches: fc.array(producedBatch, { maxLength: 5 })
})
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

  it('another version is refused', () => {
    const bytes = encodePartitionSnapshot({ producers: [], leaderEpochs: [] })
    bytes.writeInt16BE(2, 0)
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
