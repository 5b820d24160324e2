import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { NodeStatus } from '../node/node-status.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { collector } from './program-fixture.ts'
import { bytes, duration, jsonStatus, showStatus } from './status-display.ts'
import { exampleStatus } from './status-example-fixture.ts'

/** A status that grows by 100 acknowledged records per second of the clock. */
function growing(clock: VirtualClock): () => NodeStatus {
  const start = clock.monotonic()
  return () => {
    const uptimeMs = clock.monotonic() - start
    return { ...exampleStatus, uptimeMs, recordsAcknowledged: uptimeMs / 10 }
  }
}

describe('status display', () => {
  test('a terminal is redrawn in place, twice a second, and lines never wrap', async () => {
    const clock = new VirtualClock()
    const { terminal, text } = collector(true)
    const display = showStatus(terminal, clock, growing(clock))
    await clock.advance(1_000)
    display.close()
    const drawings = text().split('\u001b[')
    // The first drawing, two by the clock, and the last; each but the first moves up over the one before.
    assert.equal(drawings.filter((part) => part.startsWith('8A')).length, 3)
    const lines = text().replaceAll('\u001b[8A', '').replaceAll('\u001b[0J', '').split('\n')
    assert.equal(lines.length, 4 * 8 + 1)
    for (const line of lines) assert.ok(line.length < 80, line)
    assert.ok(lines.some((line) => line.startsWith('acknowledged') && line.includes('100/s')))
  })

  test('elsewhere a plain line comes every five seconds, with the rate since the one before', async () => {
    const clock = new VirtualClock()
    const { terminal, text } = collector()
    const display = showStatus(terminal, clock, growing(clock))
    await clock.advance(10_000)
    const lines = text().trimEnd().split('\n')
    assert.equal(lines.length, 3)
    assert.match(lines[2] ?? '', /^up 10 s, 20 devices, .*acknowledged 1,000 \(100\/s\).*WAL 3\.0 MiB/)
    assert.ok(!text().includes('\u001b'))
    display.close()
  })

  test('nothing is drawn after it was closed', async () => {
    const clock = new VirtualClock()
    const { terminal, text } = collector()
    showStatus(terminal, clock, growing(clock)).close()
    const before = text()
    await clock.advance(60_000)
    assert.equal(text(), before)
  })

  test('a program gets a line of JSON per second', async () => {
    const clock = new VirtualClock()
    const { terminal, text } = collector()
    const display = jsonStatus(terminal, clock, growing(clock))
    await clock.advance(2_000)
    display.close()
    const events = text()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      events.map(({ event, uptimeMs }) => [event, uptimeMs]),
      [0, 1_000, 2_000, 2_000].map((uptimeMs) => ['status', uptimeMs])
    )
  })

  test('amounts and times read well', () => {
    assert.deepEqual([0, 1023, 1024, 1_572_864, 2 ** 40].map(bytes), ['0 B', '1023 B', '1.0 KiB', '1.5 MiB', '1.0 TiB'])
    assert.deepEqual([0, 59_999, 60_000, 3_725_000].map(duration), ['0 s', '59 s', '1 min 0 s', '1 h 2 min'])
  })
})
