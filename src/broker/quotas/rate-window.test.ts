import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { burstOf, RateWindow } from './rate-window.ts'

describe('rate window', () => {
  it('a start is measured as if ten windows had passed', () => {
    const window = new RateWindow()
    window.record(1000, 0)
    assert.equal(window.throttleMs(100, 0), 0, '1000 in ten seconds are 100 per second')
    window.record(1, 0)
    assert.equal(window.throttleMs(100, 0), 10, '1001 need 10 010 ms')
  })

  it('what is as much as a burst passes, one more does not', () => {
    const window = new RateWindow()
    window.record(burstOf(7), 5)
    assert.equal(window.throttleMs(7, 5), 0)
    window.record(1, 5)
    assert.ok(window.throttleMs(7, 5) > 0)
  })

  it('records count until their window is eleven seconds old', () => {
    const window = new RateWindow()
    window.record(10, 0)
    window.record(5, 999)
    window.record(1, 1000)
    assert.equal(window.total(11_998), 16, 'the last record of the first window is not yet eleven seconds old')
    assert.equal(window.total(11_999), 1)
    assert.equal(window.isIdle(11_999), false)
    assert.equal(window.total(12_000), 0)
    assert.equal(window.isIdle(12_000), true)
  })

  it('what is taken back leaves no trace', () => {
    const window = new RateWindow()
    window.record(500, 0)
    window.record(9999, 10)
    window.record(-9999, 10)
    assert.equal(window.total(10), 500)
    assert.equal(window.throttleMs(100, 10), 0)
  })

  const events = fc.array(fc.record({ afterMs: fc.nat(4000), amount: fc.integer({ min: 1, max: 5000 }) }), {
    minLength: 1,
    maxLength: 60
  })

  it('a wait is at most what brings the rate down if nothing else came, and once eleven seconds are over there is none', () => {
    fc.assert(
      fc.property(events, fc.integer({ min: 1, max: 2000 }), (list, perSecond) => {
        const window = new RateWindow()
        let now = 0
        for (const { afterMs, amount } of list) {
          now += afterMs
          window.record(amount, now)
          const waitMs = window.throttleMs(perSecond, now)
          assert.ok(Number.isInteger(waitMs) && waitMs >= 0)
          assert.ok(waitMs <= (window.total(now) / perSecond) * 1000)
        }
        assert.equal(window.throttleMs(perSecond, now + 12_000), 0)
      })
    )
  })

  it('whoever waits as told gets about the quota in the long run, and one burst', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 200, maxLength: 300 }), (amounts) => {
        const perSecond = 1000
        const window = new RateWindow()
        let now = 0
        let sent = 0
        for (const amount of amounts) {
          window.record(amount, now)
          sent += amount
          now += 10 + window.throttleMs(perSecond, now)
        }
        // Windows are forgotten as a whole, so there is some play.
        const allowed = (1.1 * perSecond * now) / 1000 + burstOf(perSecond) + 3000
        assert.ok(sent <= allowed, `${sent} were sent in ${now} ms, ${allowed} are allowed`)
      })
    )
  })
})
