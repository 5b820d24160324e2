import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../runtime/fault.ts'
import type { NodeLoad } from './metadata.ts'
import { decodeNodeLoad, encodeNodeLoad } from './node-loads.ts'

const rate = fc.nat({ max: 2 ** 31 - 1 })
const tenths = fc.nat({ max: 1_000_000 }).map((value) => value / 10)

test('a report is read as it was written, in the order of streams', () => {
  const plain = { noNullPrototype: true }
  const partition = fc.record({ streamId: rate, bytesIn: rate, bytesOut: rate, requests: tenths }, plain)
  const partitions = fc.uniqueArray(partition, { selector: ({ streamId }) => streamId })
  fc.assert(
    fc.property(fc.record({ eventLoopDelayMs: tenths, appendDelayMs: tenths, partitions }, plain), (load: NodeLoad) => {
      const sorted = load.partitions.toSorted((a, b) => a.streamId - b.streamId)
      assert.deepEqual(decodeNodeLoad(encodeNodeLoad(load)), { ...load, partitions: sorted })
    })
  )
})

test('what is too large or no number of its kind is written as the nearest that can be', () => {
  const load = {
    eventLoopDelayMs: -1,
    appendDelayMs: 1e12,
    partitions: [{ streamId: 1, bytesIn: 1e12, bytesOut: 0.4, requests: 0 }]
  }
  const read = decodeNodeLoad(encodeNodeLoad(load))
  assert.deepEqual(
    [read.eventLoopDelayMs, read.appendDelayMs, read.partitions[0]?.bytesIn],
    [0, 429_496_729.5, 2 ** 32 - 1]
  )
  assert.equal(read.partitions[0]?.bytesOut, 0)
})

test('a busy partition takes at most 14 bytes, an idle one 4', () => {
  const size = (busy: number) =>
    encodeNodeLoad({
      eventLoopDelayMs: 0,
      appendDelayMs: 0,
      partitions: Array.from({ length: 10_000 }, (_, streamId) => ({
        streamId: streamId * 3,
        bytesIn: busy * 5e6,
        bytesOut: busy * 2e7,
        requests: busy * 200
      }))
    }).length / 10_000
  assert.ok(size(0) < 4.01, `${size(0)}`)
  assert.ok(size(1) < 14, `${size(1)}`)
})

test('a report of another version is refused', () => {
  assert.throws(
    () => decodeNodeLoad(Buffer.from([9, 0])),
    (error) => isFault(error, 'corrupt')
  )
})
