import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sleep } from './clock.ts'
import { VirtualClock } from './virtual-clock.ts'

test('sleepers wake in the order of their times, and equal times in the order they were set', async () => {
  const clock = new VirtualClock()
  const woken: string[] = []
  clock.after(20, () => woken.push('late'))
  clock.after(10, () => woken.push('first'))
  clock.after(10, () => woken.push('second'))
  await clock.advance(9)
  assert.deepEqual(woken, [])
  await clock.advance(100)
  assert.deepEqual(woken, ['first', 'second', 'late'])
})

test('what a sleeper starts goes on within the same advance, at its own time', async () => {
  const clock = new VirtualClock(1_000)
  const times: number[] = []
  const ticking = (async () => {
    for (let i = 0; i < 3; i++) {
      await sleep(clock, 10)
      times.push(clock.now())
    }
  })()
  await clock.advance(30)
  await ticking
  assert.deepEqual(times, [1_010, 1_020, 1_030])
  assert.equal(clock.monotonic(), 30)
})

test('a cancelled sleeper never wakes and no longer counts', async () => {
  const clock = new VirtualClock()
  const cancel = clock.after(5, () => assert.fail('it was cancelled'))
  assert.equal(clock.nextIn, 5)
  cancel()
  cancel()
  assert.equal(clock.sleeping, 0)
  await clock.advance(10)
})
