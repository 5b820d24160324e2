import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../runtime/log.ts'
import { seededRandom } from '../../runtime/random.ts'
import { settle, VirtualClock } from '../../runtime/virtual-clock.ts'
import { MemoryWalDevice } from './memory-wal-device.ts'
import { SegmentPool } from './segment-pool.ts'

test('a file whose filling was interrupted is filled to its end the next time', async () => {
  const device = new MemoryWalDevice({ random: seededRandom(1), clock: new VirtualClock() })
  const segmentBytes = 4 * 1024 * 1024
  const warnings: string[] = []
  const log = { ...silentLog, warn: (_: unknown, message: string) => void warnings.push(message) }
  const pool = new SegmentPool({ device, log, segmentBytes, bytesMax: 4 * segmentBytes, spareBytesMax: segmentBytes })
  const file = await device.create('segment-000001.wal')
  await file.write([Buffer.alloc(1024 * 1024)], 0)
  pool.adopt([], [{ name: 'segment-000001.wal', file, length: 1024 * 1024, freed: undefined }])
  pool.prepare()
  for (let turn = 0; turn < 100; turn++) await settle()
  const taken = await pool.take()
  assert.deepEqual(warnings, [])
  assert.equal(taken?.name, 'segment-000001.wal')
  assert.equal(taken?.length, segmentBytes)
})
