import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PartitionTraffic } from './partition-traffic.ts'

/** Lets `seconds` pass with a sample at the end of each, and so many appends of 100 bytes in each. */
function drive(traffic: PartitionTraffic, fromMs: number, seconds: number, appendsPerSecond: number): number {
  let nowMs = fromMs
  for (let second = 0; second < seconds; second++) {
    for (let i = 0; i < appendsPerSecond; i++) traffic.appended(100)
    nowMs += 1000
    traffic.sample(1, nowMs)
  }
  return nowMs
}

function near(actual: number | undefined, expected: number): void {
  assert.ok(actual !== undefined && Math.abs(actual - expected) < 1e-6 * Math.max(1, expected), `${actual}`)
}

test('a steady partition shows its rates as soon as it shows any', () => {
  const traffic = new PartitionTraffic()
  assert.equal(traffic.sample(1, 0), undefined)
  traffic.appended(100)
  traffic.fetched(500)
  assert.equal(traffic.sample(1, 1000), undefined, 'one second is too little')
  traffic.appended(100)
  traffic.fetched(500)
  const load = traffic.sample(1, 2000)
  near(load?.bytesIn, 100)
  near(load?.bytesOut, 500)
  near(load?.requests, 2)
})

test('what came before it was first looked at does not count, since nobody knows in how much time', () => {
  const traffic = new PartitionTraffic()
  for (let i = 0; i < 1000; i++) traffic.appended(1_000_000)
  traffic.sample(1, 5000)
  near(traffic.sample(1, 10_000)?.bytesIn, 0)
})

test('rates fade by half in thirty seconds', () => {
  const traffic = new PartitionTraffic()
  traffic.sample(1, 0)
  // So long that nothing of the weight is missing any more.
  const busyUntil = drive(traffic, 0, 1000, 10)
  near(traffic.sample(1, busyUntil)?.bytesIn, 1000)
  const half = traffic.sample(1, busyUntil + 30_000)
  near(half?.bytesIn, 500)
  near(half?.requests, 5)
})

test('looking twice at the same moment changes nothing', () => {
  const traffic = new PartitionTraffic()
  traffic.sample(1, 0)
  const nowMs = drive(traffic, 0, 5, 3)
  traffic.appended(100)
  assert.deepEqual(traffic.sample(1, nowMs), traffic.sample(1, nowMs))
  near(
    traffic.sample(1, nowMs + 1000)?.bytesIn,
    (300 * (1 - 2 ** (-5 / 30)) * 2 ** (-1 / 30) + 100 * (1 - 2 ** (-1 / 30))) / (1 - 2 ** (-6 / 30))
  )
})
