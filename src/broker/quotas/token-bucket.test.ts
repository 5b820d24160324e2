import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TokenBucket } from './token-bucket.ts'

describe('token bucket', () => {
  it('begins full with eleven seconds of permits, and may be overdrawn once', () => {
    const bucket = new TokenBucket()
    bucket.take(21, 2, 0)
    assert.equal(bucket.throttleMs(2, 0), 0, '22 permits less 21')
    bucket.take(5, 2, 0)
    assert.equal(bucket.throttleMs(2, 0), 2000, '4 permits of debt at 2 per second')
    assert.equal(bucket.throttleMs(2, 1999), 1)
    assert.equal(bucket.throttleMs(2, 2000), 0)
  })

  it('never holds more than eleven seconds of permits', () => {
    const bucket = new TokenBucket()
    bucket.take(1, 1, 0)
    assert.equal(bucket.isIdle(1, 500), false)
    assert.equal(bucket.isIdle(1, 1000), true)
    bucket.take(12, 1, 1_000_000)
    assert.equal(bucket.throttleMs(1, 1_000_000), 1000)
  })

  it('whoever takes only when out of debt takes no more than rate, burst and one last request', () => {
    const steps = fc.array(fc.record({ afterMs: fc.nat(3000), count: fc.integer({ min: 1, max: 50 }) }))
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 20 }), (list, rate) => {
        const bucket = new TokenBucket()
        let now = 0
        let taken = 0
        for (const { afterMs, count } of list) {
          now += afterMs
          if (bucket.throttleMs(rate, now) > 0) continue
          bucket.take(count, rate, now)
          taken += count
        }
        assert.ok(taken <= (rate * now) / 1000 + 11 * rate + 50)
      })
    )
  })
})
