import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import type { Clock } from '../../runtime/clock.ts'
import { isFault } from '../../runtime/fault.ts'
import { silentLog } from '../../runtime/log.ts'
import { seededRandom } from '../../runtime/random.ts'
import { systemClock } from '../../runtime/system-clock.ts'
import { systemRandom } from '../../runtime/system-random.ts'
import { FileWal, type FileWalOptions } from './file-wal.ts'
import { FileWalDevice } from './file-wal-device.ts'
import { MemoryWalDevice } from './memory-wal-device.ts'
import { appended, recordOf, replayed, walContract, withoutEnd } from './wal-contract.ts'

/** Unlike the system's, its timers keep the test alive. */
const clock: Clock = {
  ...systemClock,
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  }
}

const SEGMENT_BYTES = 64 * 1024

function memoryDevice(): MemoryWalDevice {
  return new MemoryWalDevice({ random: seededRandom(1), clock })
}

async function openWal(device: MemoryWalDevice, options: Partial<FileWalOptions> = {}): Promise<FileWal> {
  const wal = new FileWal({
    device,
    clock,
    random: systemRandom,
    log: silentLog,
    segmentBytes: SEGMENT_BYTES,
    bytesMax: 8 * SEGMENT_BYTES,
    ...options
  })
  await wal.replay(() => {})
  return wal
}

walContract('file, on a device in memory', async () => {
  let device = memoryDevice()
  device.faults.shortWrites = 0.3
  return {
    open: async () => new FileWal({ device, clock, random: systemRandom, log: silentLog, segmentBytes: SEGMENT_BYTES }),
    saveMark: () => {},
    abandon: async () => {
      device = device.kill()
    },
    cleanUp: async () => {}
  }
})

walContract('file, on the file system', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'longhaul-wal-'))
  return {
    open: async () =>
      new FileWal({
        device: await FileWalDevice.open(join(folder, 'wal')),
        clock,
        random: systemRandom,
        log: silentLog,
        segmentBytes: SEGMENT_BYTES
      }),
    saveMark: () => {},
    abandon: async () => {},
    cleanUp: () => rm(folder, { recursive: true })
  }
})

it('appends that gather while a sync is under way share the next one', async () => {
  const device = memoryDevice()
  const wal = await openWal(device, { segmentBytes: 1024 * 1024, bytesMax: 4 * 1024 * 1024 })
  device.faults.syncMs = 5
  const first = appended(wal, recordOf(0, 10))
  await new Promise((resolve) => setTimeout(resolve, 1))
  await Promise.all([first, ...Array.from({ length: 300 }, (_, number) => appended(wal, recordOf(number, 100)))])
  assert.equal(device.calls.syncs, 2)
  assert.equal(device.calls.writes, 2)
})

it('more entries than one vectored write takes go in one round and come back in order', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'longhaul-wal-'))
  try {
    const open = async () =>
      new FileWal({
        device: await FileWalDevice.open(folder),
        clock,
        random: systemRandom,
        log: silentLog
      })
    const records = Array.from({ length: 6000 }, (_, number) => recordOf(number, number % 50))
    const wal = await open()
    await wal.replay(() => {})
    const began = performance.now()
    await appended(wal, recordOf(1, 1000))
    const firstMs = performance.now() - began
    assert.ok(firstMs < 1000, `the first append on an empty directory took ${firstMs} ms`)
    await Promise.all(records.map((record) => appended(wal, record)))
    await wal.close()
    const again = await open()
    assert.deepEqual((await replayed(again)).slice(1).map(withoutEnd), records)
    await again.close()
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('trimmed files are written again: in the steady state none is created, removed or grows', async () => {
  const device = memoryDevice()
  const wal = await openWal(device)
  const keep = 3 * SEGMENT_BYTES
  const write = async (count: number) => {
    for (let number = 0; number < count; number++) {
      const end = await appended(wal, recordOf(number, 3000))
      if (number % 10 === 0 && end > keep) await wal.trim(end - keep)
    }
  }
  await write(300)
  const { creates, removes } = { ...device.calls }
  const files = await device.list()
  await write(600)
  assert.equal(device.calls.creates, creates)
  assert.equal(device.calls.removes, removes)
  assert.deepEqual(await device.list(), files)
  assert.ok(creates <= 6, `${creates} files`)
  await wal.close()
})

it('trimmed files beyond the limit for spares are deleted', async () => {
  const device = memoryDevice()
  const wal = await openWal(device, { spareBytesMax: 2 * SEGMENT_BYTES })
  let end = 0
  for (let number = 0; number < 120; number++) end = await appended(wal, recordOf(number, 3000))
  assert.ok(device.names().length >= 6)
  await wal.trim(end)
  assert.ok(device.names().length <= 3, device.names().join())
  await wal.close()
})

it('a log at its limit makes appends wait, in order, until it is trimmed, and never takes more', async () => {
  const device = memoryDevice()
  const bytesMax = 3 * SEGMENT_BYTES
  const wal = await openWal(device, { bytesMax })
  const done: number[] = []
  const ends: number[] = []
  const durable = (number: number) => (end: number) => {
    done.push(number)
    ends.push(end)
  }
  for (let number = 0; number < 200; number++) wal.append(recordOf(number, 3000), durable(number), assert.fail)
  await eventually(() => wal.stalled === 'log-full')
  assert.ok(done.length > 50 && done.length < 65, `${done.length} appends fit`)
  for (let round = 0; done.length < 200 && round < 20; round++) {
    const fits = done.length
    await wal.trim(ends.at(-1) ?? 0)
    await eventually(() => done.length === 200 || (done.length > fits && wal.stalled === 'log-full'))
    const used = (await device.list()).reduce((sum, { bytes }) => sum + bytes, 0)
    assert.ok(used <= bytesMax, `${used} bytes on the device`)
  }
  assert.deepEqual(
    done,
    Array.from({ length: 200 }, (_, number) => number)
  )
  assert.equal(wal.stalled, undefined)
  await wal.close()
})

it('a full disk makes appends wait until there is room again', async () => {
  const device = memoryDevice()
  const warnings: string[] = []
  const wal = await openWal(device, { log: { ...silentLog, warn: (_, message) => warnings.push(message) } })
  await appended(wal, recordOf(0, 1000))
  device.faults.capacityBytes = 10_000
  const later = Array.from({ length: 30 }, (_, index) => appended(wal, recordOf(index + 1, 1000)))
  await eventually(() => wal.stalled === 'disk-full')
  assert.equal(warnings.length, 1)
  device.faults.capacityBytes = Number.POSITIVE_INFINITY
  await Promise.all(later)
  assert.equal(wal.stalled, undefined)
  await wal.close()
  const again = new FileWal({ device, clock, random: systemRandom, log: silentLog })
  assert.deepEqual(
    (await replayed(again)).map(withoutEnd),
    Array.from({ length: 31 }, (_, number) => recordOf(number, 1000))
  )
})

it('on a disk that stays full, trimming alone lets appends go on', async () => {
  const device = memoryDevice()
  const wal = await openWal(device)
  let end = 0
  for (let number = 0; number < 45; number++) end = await appended(wal, recordOf(number, 3000))
  device.faults.capacityBytes = 1
  const later = Array.from({ length: 60 }, (_, index) => appended(wal, recordOf(index, 3000)))
  await eventually(() => wal.stalled === 'disk-full')
  await wal.trim(end)
  await Promise.all(later)
  await wal.close()
  const again = new FileWal({ device, clock, random: systemRandom, log: silentLog })
  assert.deepEqual(
    (await replayed(again)).slice(-60).map(withoutEnd),
    Array.from({ length: 60 }, (_, number) => recordOf(number, 3000))
  )
})

it('closing a log that waits for room fails what waits', async () => {
  const device = memoryDevice()
  const wal = await openWal(device)
  device.faults.capacityBytes = 1
  const waiting = appended(wal, recordOf(1, 1000))
  await eventually(() => wal.stalled === 'disk-full')
  await Promise.all([wal.close(), assert.rejects(waiting, (fault) => isFault(fault, 'closed'))])
})

it('a device that breaks fails the appends that wait, in order, and all later ones', async () => {
  const device = memoryDevice()
  const wal = await openWal(device)
  const end = await appended(wal, recordOf(0, 100))
  device.faults.broken = new Error('injected: I/O error')
  const failures: number[] = []
  for (let number = 1; number < 4; number++) {
    wal.append(recordOf(number, 100), unexpected, (fault) => {
      assert.ok(isFault(fault, 'closed'))
      assert.equal(fault.cause, device.faults.broken)
      failures.push(number)
    })
  }
  await eventually(() => failures.length === 3)
  device.faults.broken = undefined
  await assert.rejects(appended(wal, recordOf(5, 1)), (fault) => isFault(fault, 'closed'))
  assert.deepEqual(failures, [1, 2, 3])
  const again = new FileWal({ device: device.crash(), clock, random: systemRandom, log: silentLog })
  assert.equal((await replayed(again))[0]?.end, end)
})

it('an entry that fits no segment is refused, and the log goes on', async () => {
  const wal = await openWal(memoryDevice())
  await assert.rejects(appended(wal, recordOf(1, SEGMENT_BYTES)), (fault) => isFault(fault, 'invalid'))
  await appended(wal, recordOf(2, SEGMENT_BYTES - 4096 - 76))
  await appended(wal, recordOf(3, 10))
  await wal.close()
})

it('a limit that does not hold two segments is refused', () => {
  const options = { device: memoryDevice(), clock, random: systemRandom, log: silentLog }
  assert.throws(
    () => new FileWal({ ...options, segmentBytes: 1000, bytesMax: 1999 }),
    (fault) => isFault(fault, 'invalid')
  )
})

function unexpected(end: number): void {
  assert.fail(`durable up to ${end}`)
}

async function eventually(holds: () => boolean): Promise<void> {
  for (let attempt = 0; !holds(); attempt++) {
    assert.ok(attempt < 500, 'it did not come true')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
