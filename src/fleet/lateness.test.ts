import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classifyLateness, defaultLateness, estimateClockOffsetMs } from './lateness.ts'

const ingestTime = 1_700_000_000_000
const classify = (ageMs: number, replay = false) =>
  classifyLateness({ eventTime: ingestTime - ageMs, sentTime: null, ingestTime }, replay, defaultLateness)

test('the class changes just past each threshold', () => {
  assert.equal(classify(60_000), 'live')
  assert.equal(classify(60_001), 'late')
  assert.equal(classify(3_600_000), 'late')
  assert.equal(classify(3_600_001), 'backfill')
  assert.equal(classify(-60_000), 'live')
  assert.equal(classify(-60_001), 'future')
})

test('a declared replay is a replay whatever its age', () => {
  assert.equal(classify(0, true), 'replay')
  assert.equal(classify(10 ** 12, true), 'replay')
})

test('a device with a wrong clock is still live when it says when it sent', () => {
  const times = { eventTime: 1_000, sentTime: 1_500, ingestTime }
  assert.equal(classifyLateness(times, false, defaultLateness), 'live')
  assert.equal(estimateClockOffsetMs(times), 1_500 - ingestTime)
})

test('without a sent time the clock offset is unknown', () => {
  assert.equal(estimateClockOffsetMs({ eventTime: 1, sentTime: null, ingestTime }), null)
})
