/** Several processes on one database, some of which are killed, on both engines. The file runs itself as the writing process. */
import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { sql } from 'kysely'
import { seededRandom } from '../runtime/random.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { assertSound, contentsOf } from './image-check.ts'
import { openDatabase } from './open-database.ts'
import { PostgresServer, skipWithoutPostgres } from './postgres-fixture.ts'
import { SqlMetadata } from './sql-metadata.ts'

const ROUNDS = 8
const COUNTED_NODE = 77

async function open(url: string, seed: number): Promise<SqlMetadata> {
  return SqlMetadata.open({ database: await openDatabase(url), clock: systemClock, random: seededRandom(seed) })
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Creates a topic and uploads to it, trimming as it goes, until it is killed; says what was acknowledged. */
async function writeForever(url: string, seed: number): Promise<void> {
  const metadata = await open(url, seed)
  const random = seededRandom(seed)
  for (let topics = 0; ; topics++) {
    const topic = await metadata.createTopic({
      name: `topic-${seed}-${topics}`,
      partitions: 8,
      configs: { seed: String(seed) },
      internal: false,
      leaders: [seed]
    })
    await metadata.openStreams(
      seed,
      topic.partitions.map((partition) => partition.streamId)
    )
    for (let uploads = 0; uploads < 10; uploads++) await uploadOnce(metadata, topic.id)
    const trimmed = topic.partitions[random.int(8)]?.streamId ?? 0
    await metadata.trimStream(trimmed, 1, 50)
    say(`trimmed ${trimmed} 50`)
    if (random.int(3) === 0) {
      await metadata.deleteTopic(topic.id)
      say(`deleted ${topic.id} 0`)
    }
  }
}

async function uploadOnce(metadata: SqlMetadata, topicId: string): Promise<void> {
  const { id: objectId } = await metadata.prepareObject('main')
  const ids = metadata.image.topicById(topicId)?.partitions.map((partition) => partition.streamId) ?? []
  const parts = ids.map((streamId) => {
    const startOffset = metadata.image.stream(streamId)?.endOffset ?? 0
    return { streamId, startOffset, endOffset: startOffset + 10 }
  })
  await metadata.commitUpload({
    nodeId: 1,
    objects: [{ objectId, bytes: 80, ranges: parts.map((part) => ({ ...part, bytes: 10, maxTimestamp: -1 })) }],
    streams: parts.map((part) => ({ ...part, epoch: 1, snapshot: Buffer.from(`${part.endOffset}`) }))
  })
  for (const { streamId, endOffset } of parts) say(`committed ${streamId} ${endOffset}`)
}

async function writeSome(url: string, seed: number): Promise<void> {
  const metadata = await open(url, seed)
  for (let i = 0; i < 20; i++) {
    await metadata.createTopic({
      name: `topic-${seed}-${i}`,
      partitions: 3,
      configs: {},
      internal: false,
      leaders: [seed]
    })
    say(`producers ${await metadata.allocateProducerIds(100)} 0`)
    say(`objects ${(await metadata.prepareObject('main')).id} 0`)
  }
  say(`cluster ${metadata.clusterId} 0`)
  await metadata.close()
  await countUp(url)
}

/** Reads before it writes, as callers of the database handle do: must wait for others, and never work on what is stale. */
async function countUp(url: string): Promise<void> {
  const database = await openDatabase(url)
  for (let i = 0; i < 20; i++) {
    await database.write(async (tx) => {
      const row = await tx.selectFrom('node').select('epoch').where('id', '=', COUNTED_NODE).executeTakeFirst()
      const epoch = (row?.epoch ?? 0) + 1
      if (row === undefined) await tx.insertInto('node').values({ id: COUNTED_NODE, epoch }).execute()
      else await tx.updateTable('node').set({ epoch }).where('id', '=', COUNTED_NODE).execute()
    })
  }
  await database.close()
}

type Writer = ChildProcessByStdio<null, Readable, null>
type Spoken = readonly [word: string, subject: string, value: number]

function startWriter(mode: 'forever' | 'some', url: string, seed: number): Writer {
  const self = new URL(import.meta.url).pathname
  return spawn(process.execPath, [self, mode, url, String(seed)], { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Everything that the process says until it ends. */
async function listen(writer: Writer, heard: (line: Spoken) => void): Promise<void> {
  for await (const line of createInterface({ input: writer.stdout })) {
    const [word = '', subject = '', value] = line.split(' ')
    // A line that the kill cut short was not said.
    if (value !== undefined && value !== '') heard([word, subject, Number(value)])
  }
}

async function killedAtRandomMoments(url: string): Promise<void> {
  const seed = Math.trunc(Math.random() * 2 ** 31)
  const random = seededRandom(seed)
  const observer = await open(url, 1)
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const ends = new Map<number, number>()
      const deleted = new Set<string>()
      const writer = startWriter('forever', url, 100 + round)
      const exit = once(writer, 'exit')
      let lines = 0
      const target = 1 + random.int(300)
      await listen(writer, ([word, subject, value]) => {
        if (word === 'committed') ends.set(Number(subject), value)
        if (word === 'deleted') deleted.add(subject)
        lines += 1
        if (lines === target) setImmediate(() => writer.kill('SIGKILL'))
        if (lines % 100 === 0) void observer.poll()
      })
      await exit
      assert.ok(lines >= target, `the writer ended by itself after ${lines} lines`)
      await checkAfterCrash(url, observer, ends, deleted)
    }
  } catch (error) {
    throw new Error(`failed with seed ${seed}`, { cause: error })
  } finally {
    await observer.close()
  }
}

async function checkAfterCrash(
  url: string,
  observer: SqlMetadata,
  ends: ReadonlyMap<number, number>,
  deleted: ReadonlySet<string>
): Promise<void> {
  const fresh = await open(url, 2)
  assertSound(fresh.image)
  await observer.poll()
  assert.deepEqual(contentsOf(observer.image), contentsOf(fresh.image))
  for (const id of deleted) assert.equal(fresh.image.topicById(id), undefined)
  let kept = 0
  for (const [streamId, end] of ends) {
    const stream = fresh.image.stream(streamId)
    if (stream === undefined) continue
    kept += 1
    assert.ok(stream.endOffset >= end, `stream ${streamId} ends at ${stream.endOffset}, ${end} was acknowledged`)
  }
  // Per topic 8 streams; only deleted ones, and the one whose deletion was under way, may be missing.
  assert.ok(ends.size - kept <= 8 * (deleted.size + 1), `${ends.size - kept} acknowledged streams are gone`)
  if (url.startsWith('sqlite:')) await checkFile(url)
  await fresh.close()
}

async function checkFile(url: string): Promise<void> {
  const database = await openDatabase(url)
  const { rows } = await database.read((tx) => sql<Record<string, unknown>>`pragma integrity_check`.execute(tx))
  assert.deepEqual(Object.values(rows[0] ?? {}), ['ok'])
  await database.close()
}

async function fourAtOnce(url: string): Promise<void> {
  const heard: Spoken[] = []
  await Promise.all(
    [1, 2, 3, 4].map(async (seed) => {
      const writer = startWriter('some', url, seed)
      const exit = once(writer, 'exit')
      await listen(writer, (line) => heard.push(line))
      assert.deepEqual(await exit, [0, null])
    })
  )
  const subjects = (word: string) => heard.filter(([said]) => said === word).map(([, subject]) => subject)
  assert.equal(new Set(subjects('cluster')).size, 1)
  assert.equal(new Set(subjects('objects')).size, 80)
  const blocks = subjects('producers').map(Number)
  assert.equal(new Set(blocks.map((first) => Math.floor((first - 1) / 100))).size, 80)
  const metadata = await open(url, 9)
  assert.equal([...metadata.image.topics()].length, 80)
  assertSound(metadata.image)
  assert.equal(await metadata.registerNode(COUNTED_NODE), 81)
  await metadata.close()
}

async function withFile(run: (url: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'longhaul-processes-'))
  try {
    await run(`sqlite://${directory}/metadata.db`)
  } finally {
    await rm(directory, { recursive: true })
  }
}

async function withServer(run: (url: string) => Promise<void>): Promise<void> {
  const server = await PostgresServer.start()
  try {
    await run(await server.createDatabase())
  } finally {
    await server.stop()
  }
}

const [, , mode, url = '', seed = ''] = process.argv
if (mode === 'forever') {
  await writeForever(url, Number(seed))
} else if (mode === 'some') {
  await writeSome(url, Number(seed))
} else {
  for (const [engine, withDatabase, skip] of [
    ['SQLite', withFile, false],
    ['PostgreSQL', withServer, skipWithoutPostgres]
  ] as const) {
    describe(engine, { skip }, () => {
      test('a writer killed at random moments loses nothing acknowledged, and images stay equal to the tables', () =>
        withDatabase(killedAtRandomMoments))
      test('four processes create one database and write it at once without losing or sharing anything', () =>
        withDatabase(fourAtOnce))
    })
  }
}
