/**
 * How long recovery takes after kill -9 with a full write-ahead log, for each kind of log, per GB replayed.
 *
 *     node dist/bench/storage/recovery.js [--megabytes 1000] [--turns 3] [--payload 65536] [--folder /tmp]
 *
 * A child process fills the log while nothing is uploaded, and is killed; then the time is taken from the opening of the
 * storage to the moment its streams can be read, beside a bare read of the log's bytes. The object log needs an S3
 * server on this machine (CONTRIBUTING.md says which).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { locationIn, startS3Server } from '../../src/object-store/s3-server-fixture.ts'
import type { Stream } from '../../src/stream/stream.ts'
import { appendAll, openPlace, payloads } from './place.ts'

const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '1000' },
    turns: { type: 'string', default: '3' },
    payload: { type: 'string', default: '65536' },
    folder: { type: 'string', default: tmpdir() },
    fill: { type: 'string' },
    store: { type: 'string' },
    wal: { type: 'string' }
  }
})
const STREAMS = 100
const bytes = Number(values.megabytes) * 1e6

function open(folder: string, store: string | undefined, wal: string | undefined) {
  const settings = {
    ...(store === undefined ? {} : { objectStore: store }),
    ...(wal === undefined ? {} : { wal }),
    walBytesMax: '4GiB',
    logCacheBytes: '4GiB',
    uploadBytes: '1GiB',
    uploadIntervalMs: '3600000'
  }
  return openPlace({ folder, streams: STREAMS, settings })
}

async function fill(folder: string): Promise<void> {
  const place = await open(folder, values.store, values.wal)
  const next = payloads(Number(values.payload))
  let turn = 0
  const pick = () => ({ stream: place.streams[turn++ % STREAMS] as Stream, payload: next() })
  await appendAll(place, bytes, 16 * 1024 * 1024, pick)
  process.kill(process.pid, 'SIGKILL')
}

async function recover(folder: string, store: string | undefined, wal: string | undefined): Promise<number> {
  const flags = [
    `--fill=${folder}`,
    `--megabytes=${values.megabytes}`,
    `--payload=${values.payload}`,
    ...(store === undefined ? [] : [`--store=${store}`]),
    ...(wal === undefined ? [] : [`--wal=${wal}`])
  ]
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...flags], { stdio: 'inherit' })
  const [, signal] = await once(child, 'exit')
  if (signal !== 'SIGKILL') throw new Error('the process that fills the log ended before it was killed')
  const began = performance.now()
  const place = await open(folder, store, wal)
  const seconds = (performance.now() - began) / 1000
  const found = place.streams.reduce((sum, stream) => sum + stream.endOffset, 0)
  if (found * Number(values.payload) < bytes) throw new Error(`only ${found} of the entries came back`)
  await place.close()
  return seconds
}

if (values.fill !== undefined) {
  await fill(values.fill)
} else {
  const folder = mkdtempSync(join(values.folder, 'longhaul-bench-recovery-'))
  const server = await startS3Server()
  Object.assign(process.env, server.environment)
  try {
    for (const [name, wal] of [
      ['file', undefined],
      ['object', 'object:']
    ] as const) {
      for (let turn = 0; turn < Number(values.turns); turn++) {
        const store = wal && locationIn(server, `turn-${turn}`)
        const place = join(folder, `${name}-${turn}`)
        const seconds = await recover(place, store, wal)
        console.log(
          `${name} log: ${seconds.toFixed(2)} s for ${values.megabytes} MB, ${(seconds / (bytes / 1e9)).toFixed(2)} s/GB`
        )
        rmSync(place, { recursive: true, force: true })
      }
    }
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
