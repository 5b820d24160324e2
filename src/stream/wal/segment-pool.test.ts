import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault } from '../../runtime/fault.ts'
import { silentLog } from '../../runtime/log.ts'
import { seededRandom } from '../../runtime/random.ts'
import { settle, VirtualClock } from '../../runtime/virtual-clock.ts'
import { FileWal } from './file-wal.ts'
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

test('a file that could not be deleted is never written again, and not released twice', async () => {
  const [clock, random] = [new VirtualClock(), seededRandom(1)]
  const device = new MemoryWalDevice({ random, clock })
  let failing = false
  // As unlink(2) does its work and the sync of the folder finds no descriptor.
  const remove = async (name: string) => {
    await device.remove(name)
    if (failing) throw new Fault('unavailable', 'out of file descriptors')
  }
  const unreliable = new Proxy(device, {
    get(_, name) {
      const member = Reflect.get(device, name) as unknown
      return name === 'remove' ? remove : typeof member === 'function' ? member.bind(device) : member
    }
  })
  const segmentBytes = 64 * 1024
  const limits = { segmentBytes, bytesMax: 12 * segmentBytes, spareBytesMax: segmentBytes }
  const wal = new FileWal({ device: unreliable, clock, random, log: silentLog, ...limits })
  await wal.replay(() => {})
  const ends: number[] = []
  const append = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const at = ends.length
      const entry = { baseOffset: at, lastOffset: at, maxTimestamp: -1, payload: Buffer.alloc(20_000, at) }
      ends.push(0)
      wal.append({ streamId: 1, epoch: 1, entry }, (end) => { ends[at] = end }, assert.ifError) // biome-ignore format: short
    }
    await clock.advance(10)
  }
  await append(18)
  failing = true
  for (const last of [5, 8, 11]) await wal.trim(ends[last] ?? 0)
  await append(3)
  failing = false
  await wal.trim(ends[11] ?? 0)
  await append(9)
  const again = new FileWal({ device: device.crash(), clock, random, log: silentLog, ...limits })
  const found: number[] = []
  await again.replay(({ entry }) => found.push(entry.baseOffset))
  assert.deepEqual(found.filter((offset) => offset > 11), Array.from({ length: 18 }, (_, i) => 12 + i)) // biome-ignore format: short
})
