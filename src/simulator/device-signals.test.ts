import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isUnreadable, parseDeviceRecord } from '../fleet/device-record.ts'
import { seededRandom } from '../runtime/random.ts'
import { DeviceSignals } from './device-signals.ts'

test('one seed gives one sequence, another seed another', () => {
  const texts = (seed: number) => {
    const signals = new DeviceSignals(seededRandom(seed))
    return Array.from({ length: 100 }, () => signals.nextData())
  }
  assert.deepEqual(texts(1), texts(1))
  assert.notDeepEqual(texts(1), texts(2))
})

test('data is JSON that would not survive being re-formatted', () => {
  const signals = new DeviceSignals(seededRandom(1))
  const texts = Array.from({ length: 200 }, () => signals.nextData())
  assert.ok(texts.every((text) => typeof JSON.parse(text).speed === 'number'))
  assert.ok(texts.some((text) => JSON.stringify(JSON.parse(text)) !== text))
})

test('broken payloads are never readable, fit a line, and keep their epoch', () => {
  const signals = new DeviceSignals(seededRandom(3))
  const reasons = new Set<string>()
  for (let seq = 0; seq < 400; seq++) {
    const broken = signals.breakPayload(Buffer.from(`{"epoch":7,"seq":${seq},"data":${signals.nextData()}}`))
    const record = parseDeviceRecord(broken)
    assert.ok(isUnreadable(record), broken.toString())
    reasons.add(record.reason)
    assert.ok(!broken.includes('\n') && broken.includes('"epoch":7,'))
  }
  assert.deepEqual([...reasons].sort(), ['invalid-field', 'not-json', 'not-utf8', 'unknown-field'])
})

test('the rate is kept over bursts and gaps', () => {
  const signals = new DeviceSignals(seededRandom(4))
  let due = 0
  let quiet = 0
  for (let tick = 0; tick < 40_000; tick++) {
    const count = signals.recordsDue(25, 100)
    due += count
    if (count === 0) quiet++
  }
  assert.ok(Math.abs(due - 100_000) < 10_000, `${due}`)
  assert.ok(quiet > 1000, `${quiet}`)
})
