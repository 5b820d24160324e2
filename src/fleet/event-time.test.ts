import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseEventTime } from './event-time.ts'

test('milliseconds and RFC 3339 name the same instant', () => {
  const ms = Date.UTC(2014, 7, 15, 19, 0, 0, 42)
  assert.equal(parseEventTime(ms), ms)
  assert.equal(parseEventTime('2014-08-15T19:00:00.042Z'), ms)
  assert.equal(parseEventTime('2014-08-15T22:30:00.042+03:30'), ms)
  assert.equal(parseEventTime('2014-08-15t19:00:00.042000000z'), ms)
})

test('microseconds survive', () => {
  assert.equal(parseEventTime('1970-01-01T00:00:00.000250Z'), 0.25)
  assert.equal(parseEventTime(1_364_323_939_012.25), 1_364_323_939_012.25)
})

test('leap days and leap seconds are times, other impossible dates are not', () => {
  assert.equal(parseEventTime('2024-02-29T00:00:00Z'), Date.UTC(2024, 1, 29))
  assert.equal(parseEventTime('2016-12-31T23:59:60Z'), Date.UTC(2017, 0, 1))
  for (const text of ['2023-02-29T00:00:00Z', '2024-02-30T00:00:00Z', '2024-13-01T00:00:00Z', '2024-01-01T24:00:00Z']) {
    assert.equal(parseEventTime(text), undefined, text)
  }
})

test('what is not a time is undefined', () => {
  for (const value of ['', 'now', '2024-01-01', '2024-01-01T00:00:00', 1e300, Number.NaN, true, null, {}]) {
    assert.equal(parseEventTime(value), undefined, String(value))
  }
})
