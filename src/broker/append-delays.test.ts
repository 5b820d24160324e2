import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AppendDelays } from './append-delays.ts'

test('the delay that one in a hundred exceeds is told, at most a fifth too long', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 1, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 400 }), (all) => {
      const delays = new AppendDelays()
      for (const ms of all) delays.note(ms)
      const exact = all.toSorted((a, b) => b - a)[Math.floor(all.length / 100)] ?? 0
      const told = delays.take()
      assert.ok(told >= exact * 0.999 && told <= exact * 1.21, `${told} for ${exact}`)
    })
  )
})

test('asking begins anew, and nothing noted is no delay', () => {
  const delays = new AppendDelays()
  delays.note(5000)
  assert.ok(delays.take() >= 5000)
  assert.equal(delays.take(), 0)
  delays.note(0)
  assert.equal(delays.take(), 1)
  delays.note(Number.MAX_VALUE)
  assert.ok(delays.take() >= 3_600_000)
})
