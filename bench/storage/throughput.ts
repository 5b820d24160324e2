/**
 * What the storage engine costs over what lies beneath it, in one run, turn by turn: append against a bare loop of writev
 * and fdatasync, tail and cold reads against reading the same bytes from files; and what cold readers do to the latency
 * of live appends.
 *
 *     node dist/bench/storage/throughput.js [--megabytes 512] [--turns 5] [--payload 65536] [--streams 8]
 *                                           [--readers 4] [--folder /tmp]
 *
 * Rate and CPU are medians of the turns' ratios; the absolute figures are those of this machine at this moment.
 */
import { closeSync, fdatasync, fsyncSync, mkdtempSync, openSync, read, rmSync, writeSync, writev } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import type { Stream } from '../../src/stream/stream.ts'
import { appendAll, openPlace, type Place, payloads } from './place.ts'

const MEBIBYTE = 1024 * 1024
const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '512' },
    turns: { type: 'string', default: '5' },
    payload: { type: 'string', default: '65536' },
    streams: { type: 'string', default: '8' },
    readers: { type: 'string', default: '4' },
    folder: { type: 'string', default: tmpdir() }
  }
})
const bytes = Number(values.megabytes) * MEBIBYTE
const payloadBytes = Number(values.payload)
const turns = Number(values.turns)
const WINDOW_BYTES = 4 * MEBIBYTE
const READ_BYTES = MEBIBYTE

interface Measured {
  readonly megabytesPerSecond: number
  readonly cpuSecondsPerGb: number
}

async function measured(work: () => Promise<number>): Promise<Measured> {
  const cpuBefore = process.cpuUsage()
  const began = performance.now()
  const moved = await work()
  const seconds = (performance.now() - began) / 1000
  const cpu = process.cpuUsage(cpuBefore)
  return { megabytesPerSecond: moved / 1e6 / seconds, cpuSecondsPerGb: (cpu.user + cpu.system) / 1e6 / (moved / 1e9) }
}

/** Writes rounds as the log does, over a file of full length. */
async function bareAppend(folder: string): Promise<() => Promise<number>> {
  const file = openSync(join(folder, 'bare'), 'w+')
  const filling = Buffer.alloc(MEBIBYTE, 1)
  for (let at = 0; at < 64 * MEBIBYTE; at += MEBIBYTE) writeSync(file, filling, 0, MEBIBYTE, at)
  fsyncSync(file)
  const next = payloads(payloadBytes)
  const write = promisify(writev) as (file: number, buffers: readonly Buffer[], at: number) => Promise<unknown>
  const sync = promisify(fdatasync)
  return async () => {
    let at = 0
    for (let done = 0; done < bytes; done += WINDOW_BYTES) {
      const round = Array.from({ length: WINDOW_BYTES / payloadBytes }, next)
      await write(file, round, at)
      await sync(file)
      at = (at + WINDOW_BYTES) % (64 * MEBIBYTE)
    }
    return bytes
  }
}

/** Reads the objects' files from beginning to end, as many bytes at a time as a reader of the engine asks for. */
function bareRead(place: Place, folder: string): () => Promise<number> {
  const readAt = promisify(read) as unknown as (
    file: number,
    options: { buffer: Buffer; position: number }
  ) => Promise<{ bytesRead: number }>
  return async () => {
    let moved = 0
    for (const { key } of place.storage.metadata.image.objects()) {
      const file = openSync(join(folder, key), 'r')
      for (let position = 0; ; ) {
        const { bytesRead } = await readAt(file, { buffer: Buffer.allocUnsafe(READ_BYTES), position })
        if (bytesRead === 0) break
        position += bytesRead
        moved += bytesRead
      }
      closeSync(file)
    }
    return moved
  }
}

async function readAll(streams: readonly Stream[], from: (stream: Stream) => number): Promise<number> {
  let moved = 0
  for (const stream of streams) {
    for (let next = from(stream); next < stream.endOffset; ) {
      const entries = await stream.read(next, READ_BYTES)
      for (const { payload } of entries) moved += payload.length
      next = (entries.at(-1)?.lastOffset ?? stream.endOffset) + 1
    }
  }
  return moved
}

function roundRobin(place: Place): () => { stream: Stream; payload: Buffer } {
  const next = payloads(payloadBytes)
  let turn = 0
  return () => ({ stream: place.streams[turn++ % place.streams.length] as Stream, payload: next() })
}

/** Appends one payload every few milliseconds and returns the latencies, milliseconds. */
async function liveLatencies(place: Place, count: number): Promise<number[]> {
  const next = roundRobin(place)
  const latencies: Promise<number>[] = []
  for (let i = 0; i < count; i++) {
    const { stream, payload } = next()
    const began = performance.now()
    const { nextOffset: baseOffset } = stream
    const entry = { baseOffset, lastOffset: baseOffset, maxTimestamp: -1, payload }
    latencies.push(stream.append(entry).then(() => performance.now() - began))
    await new Promise((resolve) => setTimeout(resolve, 4))
  }
  return (await Promise.all(latencies)).sort((a, b) => a - b)
}

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0
const quantile = (sorted: readonly number[], q: number): number => sorted[Math.floor((sorted.length - 1) * q)] ?? 0

function row(name: string, rounds: readonly { ours: Measured; bare: Measured }[]): string {
  const rate = median(rounds.map(({ ours, bare }) => ours.megabytesPerSecond / bare.megabytesPerSecond))
  const cpu = median(rounds.map(({ ours, bare }) => ours.cpuSecondsPerGb / bare.cpuSecondsPerGb))
  const cells = [
    name,
    rate.toFixed(2),
    cpu.toFixed(1),
    median(rounds.map(({ ours }) => ours.megabytesPerSecond)).toFixed(0),
    median(rounds.map(({ bare }) => bare.megabytesPerSecond)).toFixed(0),
    median(rounds.map(({ ours }) => ours.cpuSecondsPerGb)).toFixed(2),
    median(rounds.map(({ bare }) => bare.cpuSecondsPerGb)).toFixed(2)
  ]
  return `| ${cells.join(' | ')} |`
}

/** Turn by turn, so that a disk that others use too treats both alike. */
async function contest(ours: () => Promise<number>, bare: () => Promise<number>) {
  const rounds: { ours: Measured; bare: Measured }[] = []
  for (let turn = 0; turn < turns; turn++) rounds.push({ bare: await measured(bare), ours: await measured(ours) })
  return rounds
}

const folder = mkdtempSync(join(values.folder, 'longhaul-bench-storage-'))
try {
  const settings = { logCacheBytes: '256MiB', walBytesMax: '2GiB', uploadIntervalMs: '1000' }
  const place = await openPlace({ folder, streams: Number(values.streams), settings })
  const { engine } = place.storage
  const append = async () => {
    await appendAll(place, bytes, WINDOW_BYTES, roundRobin(place))
    return bytes
  }
  // Until the log's files are written again, zeros are written as well: the steady state is what counts.
  await append()
  const lines = [row('append', await contest(append, await bareAppend(folder)))]

  await engine.flush()
  await engine.compactAll()
  await appendAll(place, 64 * MEBIBYTE, WINDOW_BYTES, roundRobin(place))
  const tails = new Map(place.streams.map((stream) => [stream, stream.endOffset - 64]))
  const filesRead = bareRead(place, join(folder, 'data', 'objects'))
  lines.push(
    row('tail read (log cache)', await contest(() => readAll(place.streams, (s) => tails.get(s) ?? 0), filesRead))
  )
  lines.push(row('cold read (objects)', await contest(() => readAll(place.streams, (s) => s.startOffset), filesRead)))
  console.log(`| | rate, ours ÷ bare | CPU, ours ÷ bare | ours MB/s | bare MB/s | ours s/GB | bare s/GB |
|---|---|---|---|---|---|---|
${lines.join('\n')}\n`)

  const alone: number[][] = []
  const beside: number[][] = []
  for (let turn = 0; turn < turns; turn++) {
    alone.push(await liveLatencies(place, 500))
    let reading = true
    const readers = Array.from({ length: Number(values.readers) }, async () => {
      while (reading) {
        for (const stream of place.streams) {
          for (let next = stream.startOffset; reading && next < stream.endOffset; ) {
            const entries = await stream.read(next, READ_BYTES)
            next = (entries.at(-1)?.lastOffset ?? stream.endOffset) + 1
            await new Promise((resolve) => setImmediate(resolve))
          }
        }
      }
    })
    beside.push(await liveLatencies(place, 500))
    reading = false
    await Promise.all(readers)
  }
  for (const q of [0.5, 0.99]) {
    const [quiet, busy] = [alone, beside].map((rounds) => median(rounds.map((sorted) => quantile(sorted, q)))) as [
      number,
      number
    ]
    console.log(
      `live append p${q * 100}: ${quiet.toFixed(1)} ms alone, ${busy.toFixed(1)} ms beside ${values.readers} cold readers, ratio ${(busy / quiet).toFixed(2)}`
    )
  }
  await place.close()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
