/**
 * What the write-ahead log costs over the disk: FileWal against a bare loop of writev and fdatasync on a preallocated
 * file, in one run, on one disk, in rounds of the same size.
 *
 *     node dist/bench/wal.js [--payload 65536] [--megabytes 256] [--turns 7] [--window 64] [--segment-megabytes 64]
 *                            [--folder /tmp]
 *
 * `--window` is how many appends wait for durability at any time. It prints MB/s of payload and, per turn of
 * `--megabytes` each, the ratio; the median of the ratios is the result.
 */
import * as fs from 'node:fs'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { silentLog } from '../src/runtime/log.ts'
import { systemClock } from '../src/runtime/system-clock.ts'
import { systemRandom } from '../src/runtime/system-random.ts'
import { FileWal } from '../src/stream/wal/file-wal.ts'
import { FileWalDevice } from '../src/stream/wal/file-wal-device.ts'

const MEBIBYTE = 1024 * 1024
const { values } = parseArgs({
  options: {
    payload: { type: 'string', default: '65536' },
    megabytes: { type: 'string', default: '256' },
    turns: { type: 'string', default: '7' },
    window: { type: 'string', default: '64' },
    'segment-megabytes': { type: 'string', default: '64' },
    folder: { type: 'string', default: tmpdir() }
  }
})
const payload = systemRandom.bytes(Number(values.payload))
const window = Number(values.window)
const appends = Math.ceil((Number(values.megabytes) * MEBIBYTE) / payload.length)
const segmentBytes = Number(values['segment-megabytes']) * MEBIBYTE

const options = { clock: systemClock, random: systemRandom, log: silentLog, segmentBytes }

interface Contender {
  readonly name: string
  /** Writes `appends` payloads, all of them durable when it resolves. */
  run(): Promise<void>
  close(): Promise<void>
}

/** The floor: `window` payloads per writev, one fdatasync, over a file of full length that is written again and again. */
async function bareLoop(folder: string): Promise<Contender> {
  const descriptor = fs.openSync(join(folder, 'bare'), 'w+')
  const filling = Buffer.alloc(MEBIBYTE, 1)
  for (let at = 0; at < segmentBytes; at += filling.length) fs.writeSync(descriptor, filling, 0, filling.length, at)
  fs.fsyncSync(descriptor)
  const writev = (buffers: Buffer[], at: number) =>
    new Promise<void>((resolve, reject) =>
      fs.writev(descriptor, buffers, at, (error) => (error ? reject(error) : resolve()))
    )
  const fdatasync = () =>
    new Promise<void>((resolve, reject) => fs.fdatasync(descriptor, (error) => (error ? reject(error) : resolve())))
  let at = 0
  return {
    name: 'writev + fdatasync',
    async run() {
      for (let done = 0; done < appends; done += window) {
        const round = Array.from({ length: Math.min(window, appends - done) }, () => payload)
        if (at + window * payload.length > segmentBytes) at = 0
        await writev(round, at)
        await fdatasync()
        at += window * payload.length
      }
    },
    close: async () => fs.closeSync(descriptor)
  }
}

/** Keeps `window` appends waiting, and trims what is more than two segments behind, as an upload would. */
async function fileWal(folder: string): Promise<Contender> {
  const wal = new FileWal({ device: await FileWalDevice.open(join(folder, 'wal')), ...options })
  await wal.replay(() => {})
  let trimmed = 0
  const appendAll = (count: number) =>
    new Promise<void>((resolve, reject) => {
      let begun = 0
      let done = 0
      const appendNext = () => {
        begun++
        const entry = { baseOffset: begun, lastOffset: begun, maxTimestamp: -1, payload }
        wal.append({ streamId: 1, epoch: 1, entry }, durable, reject)
      }
      const durable = (end: number) => {
        done++
        if (end - trimmed > 3 * segmentBytes) {
          trimmed = end - 2 * segmentBytes
          wal.trim(trimmed).catch(reject)
        }
        if (begun < count) appendNext()
        else if (done === count) resolve()
      }
      for (let i = 0; i < Math.min(window, count); i++) appendNext()
    })
  // Until files are written again, zeros are written as well: the steady state is what counts.
  await appendAll(Math.ceil((5 * segmentBytes) / payload.length))
  return { name: 'FileWal', run: () => appendAll(appends), close: () => wal.close() }
}

async function measure({ name, run }: Contender): Promise<number> {
  const cpuBefore = process.cpuUsage()
  const began = performance.now()
  await run()
  const seconds = (performance.now() - began) / 1000
  const cpu = process.cpuUsage(cpuBefore)
  const megabytesPerSecond = (appends * payload.length) / 1e6 / seconds
  const cores = (cpu.user + cpu.system) / 1e6 / seconds
  console.log(`${name.padEnd(20)} ${megabytesPerSecond.toFixed(0).padStart(6)} MB/s  ${cores.toFixed(2)} cores`)
  return megabytesPerSecond
}

const folder = mkdtempSync(join(values.folder, 'longhaul-bench-wal-'))
try {
  const bare = await bareLoop(folder)
  const wal = await fileWal(folder)
  const ratios: number[] = []
  // Turn by turn, so that a disk that others use too treats both alike.
  for (let turn = 0; turn < Number(values.turns); turn++) {
    const floor = await measure(bare)
    ratios.push((await measure(wal)) / floor)
  }
  await bare.close()
  await wal.close()
  ratios.sort((a, b) => a - b)
  console.log(`ratio, median of ${ratios.length} turns: ${ratios[ratios.length >> 1]?.toFixed(2)}`)
} finally {
  rmSync(folder, { recursive: true })
}
