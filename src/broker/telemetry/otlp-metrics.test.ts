import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../../runtime/fault.ts'
import { counter, gauge, histogram, metricsData } from './otlp-fixture.ts'
import { readOtlpMetrics } from './otlp-metrics.ts'

describe('OTLP metrics', () => {
  it('gauges, sums and histograms come with the labels of the client and of the point', () => {
    const message = metricsData(
      [
        gauge('a.gauge', -1.5, { node: '1' }),
        counter('a.sum', 42n, 2),
        counter('a.delta', 7n, 1),
        histogram('a.histogram', [1, 2.5], [3, 0, 4], 12.5)
      ],
      { 'group.id': 'g' }
    )
    const client = ['group.id', 'g']
    assert.deepEqual(
      [...readOtlpMetrics(message)],
      [
        { name: 'a.gauge', kind: 'gauge', delta: false, labels: [client, ['node', '1']], value: -1.5 },
        { name: 'a.sum', kind: 'counter', delta: false, labels: [client], value: 42 },
        { name: 'a.delta', kind: 'counter', delta: true, labels: [client], value: 7 },
        {
          name: 'a.histogram',
          kind: 'histogram',
          delta: true,
          labels: [client],
          value: { bounds: [1, 2.5], counts: [3, 0, 4], sum: 12.5 }
        }
      ]
    )
  })

  it('a histogram whose buckets and bounds do not fit is corrupt', () => {
    const message = metricsData([histogram('h', [1, 2], [1, 2], 3)])
    assert.throws(
      () => [...readOtlpMetrics(message)],
      (error) => isFault(error, 'corrupt')
    )
  })

  it('any bytes are metrics or a fault, also those that once were metrics', () => {
    const good = metricsData([gauge('g', 1, { a: 'b' }), counter('c', 1n, 1), histogram('h', [1], [1, 2], 3)])
    const read = (bytes: Buffer) => {
      try {
        return [...readOtlpMetrics(bytes)].length
      } catch (error) {
        assert.ok(isFault(error, 'corrupt'), String(error))
        return -1
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void read(Buffer.from(bytes))))
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
        const broken = Buffer.from(good)
        broken[at] = byte
        read(broken)
      })
    )
    for (let length = 1; length < good.length; length++) assert.equal(read(good.subarray(0, length)), -1)
    assert.equal(read(good), 3)
  })
})
