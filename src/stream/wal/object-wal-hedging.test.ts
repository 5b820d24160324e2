import assert from 'node:assert/strict'
import { it } from 'node:test'
import { HEDGE_DEFAULTS, HedgePolicy } from './object-wal-hedging.ts'

const KIBIBYTE = 1024
const MEBIBYTE = 1024 * 1024

it('a PUT is hedged when it is slower than nearly all recent ones of its size', () => {
  const policy = new HedgePolicy(HEDGE_DEFAULTS)
  assert.equal(policy.begin(KIBIBYTE), HEDGE_DEFAULTS.delayMsMax, 'nothing is known yet')
  for (let number = 0; number < 100; number++) {
    policy.answered(KIBIBYTE, 60 + number)
    policy.answered(8 * MEBIBYTE, 400 + number)
  }
  assert.equal(policy.begin(KIBIBYTE), 155 * 1.5)
  assert.equal(policy.begin(100 * KIBIBYTE), 155 * 1.5)
  assert.equal(policy.begin(8 * MEBIBYTE), 495 * 1.5)
})

it('the wait follows a store that becomes slower or faster, within its bounds', () => {
  const policy = new HedgePolicy(HEDGE_DEFAULTS)
  const wait = (durationMs: number) => {
    for (let number = 0; number < 200; number++) policy.answered(KIBIBYTE, durationMs)
    return policy.begin(KIBIBYTE)
  }
  assert.equal(wait(100), 150)
  assert.equal(wait(700), 1050)
  assert.equal(wait(90), 135)
  assert.equal(wait(1), HEDGE_DEFAULTS.delayMsMin)
  assert.equal(wait(60_000), HEDGE_DEFAULTS.delayMsMax)
})

it('hedges stay a few in a hundred PUTs, also when all of them are slow', () => {
  const policy = new HedgePolicy(HEDGE_DEFAULTS)
  let hedges = 0
  for (let number = 0; number < 2000; number++) {
    policy.begin(KIBIBYTE)
    if (policy.spend()) hedges++
  }
  assert.ok(hedges >= 90 && hedges <= 105, `${hedges} of 2000 PUTs were hedged`)
})

it('a share of nothing turns hedging off', () => {
  const policy = new HedgePolicy({ ...HEDGE_DEFAULTS, share: 0 })
  policy.begin(KIBIBYTE)
  assert.equal(policy.spend(), false)
})
