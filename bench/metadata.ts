/**
 * How long metadata calls take on SQLite and on PostgreSQL, in one run on one machine: with synchronisation to disk, as
 * nodes have it. `node dist/bench/metadata.js [calls]`; without PostgreSQL it measures SQLite alone.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { NewTopic, Upload } from '../src/metadata/metadata.ts'
import { openDatabase } from '../src/metadata/open-database.ts'
import { NO_POSTGRES, PostgresServer, skipWithoutPostgres } from '../src/metadata/postgres-fixture.ts'
import { SqlMetadata } from '../src/metadata/sql-metadata.ts'
import { silentLog } from '../src/runtime/log.ts'
import { systemClock } from '../src/runtime/system-clock.ts'
import { systemRandom } from '../src/runtime/system-random.ts'

const CALLS = Number(process.argv[2] ?? 300)
const STREAMS = 100
const PARTITIONS = 10_000
const NODE = 1

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function open(url: string): Promise<SqlMetadata> {
  const database = await openDatabase(url)
  return SqlMetadata.open({ database, clock: systemClock, random: systemRandom })
}

function topicOf(name: string, partitions: number): NewTopic {
  return { name, partitions, configs: {}, internal: false, leaders: [NODE] }
}

async function measure(what: string, call: (i: number) => Promise<unknown>, calls = CALLS): Promise<void> {
  const times: number[] = []
  for (let i = 0; i < calls; i++) {
    const begun = performance.now()
    await call(i)
    times.push(performance.now() - begun)
  }
  report(what, times)
}

function report(what: string, times: number[]): void {
  times.sort((a, b) => a - b)
  const at = (share: number): string => (times[Math.floor(share * (times.length - 1))] ?? Number.NaN).toFixed(2)
  say(`  ${what.padEnd(44)} median ${at(0.5).padStart(8)} ms   p99 ${at(0.99).padStart(8)} ms   (${times.length})`)
}

async function measureCalls(metadata: SqlMetadata): Promise<void> {
  await measure('createTopic, 1 partition', (i) => metadata.createTopic(topicOf(`t${i}`, 1)))
  const { partitions } = await metadata.createTopic(topicOf('uploaded', STREAMS))
  const streamIds = partitions.map(({ streamId }) => streamId)
  await metadata.openStreams(NODE, streamIds)
  await measure('prepareObject', () => metadata.prepareObject('default'))
  const { id: objectId } = await metadata.prepareObject('default')
  const uploads: Upload[] = []
  for (let i = 0; i < CALLS; i++) uploads.push(uploadOf(objectId + 1 + i, streamIds, i))
  for (let i = 0; i < CALLS; i++) await metadata.prepareObject('default')
  await measure(`commitUpload, ${STREAMS} ranges`, (i) => metadata.commitUpload(uploads[i] ?? uploadOf(0, [], 0)))
  const node = { id: NODE, epoch: await metadata.registerNode(NODE) }
  await measure('renewNodeLease', () => metadata.renewNodeLease(node, 10_000))
  await measure('holdController', () => metadata.holdController(node, 10_000))
  await measure('poll, nothing new', () => metadata.poll())
}

function uploadOf(objectId: number, streamIds: readonly number[], i: number): Upload {
  const parts = streamIds.map((streamId) => ({ streamId, startOffset: 10 * i, endOffset: 10 * i + 10 }))
  const ranges = parts.map((part) => ({ ...part, bytes: 1000, maxTimestamp: 1 }))
  const streams = parts.map((part) => ({ ...part, epoch: 1, snapshot: undefined }))
  return { nodeId: NODE, objects: [{ objectId, bytes: 1000 * parts.length, ranges }], streams }
}

/** From the call of one node to the change in the image of another. */
async function measureNews(writer: SqlMetadata, reader: SqlMetadata): Promise<void> {
  reader.follow(silentLog)
  await pause(500)
  const own: number[] = []
  const others: number[] = []
  for (let i = 0; i < CALLS; i++) {
    const begun = performance.now()
    const heard = new Promise<void>((resolve) => {
      const stop = reader.subscribe(() => {
        if (reader.image.topic(`news${i}`) === undefined) return
        others.push(performance.now() - begun)
        stop()
        resolve()
      })
    })
    await writer.createTopic(topicOf(`news${i}`, 1))
    own.push(performance.now() - begun)
    await heard
  }
  report("createTopic → own image, another's following", own)
  report("createTopic → another's image", others)
}

async function measureLoad(url: string): Promise<void> {
  const metadata = await open(url)
  const begun = performance.now()
  for (let i = 0; i < 10; i++) await metadata.createTopic(topicOf(`many${i}`, PARTITIONS / 10))
  say(`  10 topics of ${PARTITIONS / 10} partitions each made in ${(performance.now() - begun).toFixed(0)} ms`)
  await metadata.close()
  const database = await openDatabase(url)
  const parts = { clock: systemClock, random: systemRandom, database }
  await measure(`image of ${PARTITIONS} partitions`, () => SqlMetadata.open(parts), 10)
  await database.close()
}

async function measureEngine(name: string, createUrl: () => Promise<string>): Promise<void> {
  say(`${name}:`)
  const url = await createUrl()
  const metadata = await open(url)
  await measureCalls(metadata)
  const other = await open(url)
  if (!url.startsWith('sqlite:')) await measureNews(metadata, other)
  await other.close()
  await metadata.close()
  await measureLoad(await createUrl())
}

const directory = await mkdtemp(join(tmpdir(), 'longhaul-bench-'))
let files = 0
await measureEngine('SQLite', async () => `sqlite://${directory}/${files++}.db`)
await rm(directory, { recursive: true })
if (skipWithoutPostgres === false) {
  const server = await PostgresServer.start({ settings: { fsync: 'on', shared_buffers: '128MB' } })
  await measureEngine('PostgreSQL', () => server.createDatabase())
  await server.stop()
} else {
  say(NO_POSTGRES)
}
