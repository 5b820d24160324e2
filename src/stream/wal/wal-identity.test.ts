import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFault } from '../../runtime/fault.ts'
import { silentLog } from '../../runtime/log.ts'
import { seededRandom } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { FileWal } from './file-wal.ts'
import { MemoryWalDevice } from './memory-wal-device.ts'
import { establishLogId } from './wal-identity.ts'

const random = seededRandom(1)
const newDevice = () => new MemoryWalDevice({ random, clock: new VirtualClock() })

async function openLog(device: MemoryWalDevice, mark?: string): Promise<FileWal> {
  const logId = await establishLogId(device, random, mark)
  const limits = { segmentBytes: 64 * 1024, bytesMax: 256 * 1024 }
  const wal = new FileWal({ device, clock: new VirtualClock(), random, log: silentLog, logId, mark, ...limits })
  await wal.replay(() => {})
  return wal
}

const append = (wal: FileWal, offset: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const entry = { baseOffset: offset, lastOffset: offset, maxTimestamp: -1, payload: Buffer.alloc(100) }
    wal.append({ streamId: 1, epoch: 1, entry }, resolve, reject)
  })

test('a folder keeps its id, another one has another', async () => {
  const device = newDevice()
  const id = await establishLogId(device, random, undefined)
  assert.match(id, /^[0-9a-f-]{36}$/)
  assert.equal(await establishLogId(device, random, undefined), id)
  assert.notEqual(await establishLogId(newDevice(), random, undefined), id)
})

test('an id that a crash left half written is written anew', async () => {
  const device = newDevice()
  const file = await device.create('log.id')
  await file.write([Buffer.from('3f2c')], 0)
  const id = await establishLogId(device, random, undefined)
  assert.equal(await establishLogId(device, random, undefined), id)
})

test('a log opens with its own mark, trimmed or not, and no other folder opens with it', async () => {
  const device = newDevice()
  const wal = await openLog(device)
  const first = wal.mark(0)
  const end = await append(wal, 0)
  await wal.trim(end)
  const mark = wal.mark(end)
  await wal.close()
  await (await openLog(device, mark)).close()
  await (await openLog(device, first)).close()
  for (const known of [first, mark]) {
    const other = newDevice()
    await assert.rejects(openLog(other, known), (error) => isFault(error, 'invalid'))
    assert.deepEqual(await other.list(), [])
  }
})

test('the folder as it was before the mark is refused', async () => {
  const device = newDevice()
  const wal = await openLog(device)
  const beyond = (await append(wal, 0)) + 1
  await wal.close()
  await assert.rejects(openLog(device, wal.mark(beyond)), /it ends at \d+.*--wal/)
})
