import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../runtime/random.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { assertSound, contentsOf } from './image-check.ts'
import type { Stream } from './metadata.ts'
import { allocate } from './sequences.ts'
import { SqlMetadata } from './sql-metadata.ts'
import { openDatabase } from './sqlite-database.ts'

let root = ''
let files = 0
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'longhaul-image-'))
})
after(() => rm(root, { recursive: true }))

const newFile = (): string => `sqlite://${root}/${files++}.db`

async function open(url: string): Promise<SqlMetadata> {
  return SqlMetadata.open({ database: await openDatabase(url), clock: systemClock, random: seededRandom(files++) })
}

const topicOf = (name: string, partitions: number) => ({ name, partitions, configs: {}, internal: false, leader: 1 })

async function commit(metadata: SqlMetadata, streams: readonly Stream[], count: number): Promise<void> {
  const { id } = await metadata.prepareObject('main')
  await metadata.commitUpload({
    nodeId: 1,
    objects: [
      {
        objectId: id,
        bytes: 1,
        ranges: streams.map(({ id: streamId, endOffset: startOffset }) => {
          return { streamId, startOffset, endOffset: startOffset + count, bytes: 1, maxTimestamp: -1 }
        })
      }
    ],
    streams: streams.map(({ id: streamId, epoch, endOffset }) => {
      return { streamId, epoch, startOffset: endOffset, endOffset: endOffset + count, snapshot: undefined }
    })
  })
}

/** One random operation: what it does, and numbers that choose on what. */
interface Step {
  readonly kind: 'create' | 'grow' | 'delete' | 'configure' | 'open' | 'commit' | 'trim'
  readonly which: number
  readonly size: number
  /** Which of the two writers makes it. */
  readonly second: boolean
}

const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 2, arbitrary: fc.constant('create' as const) },
    { weight: 6, arbitrary: fc.constant('commit' as const) },
    { weight: 6, arbitrary: fc.constantFrom('grow' as const, 'delete', 'configure', 'open', 'trim', 'trim') }
  ),
  which: fc.nat(1000),
  size: fc.integer({ min: 1, max: 12 }),
  second: fc.boolean()
})

async function take(metadata: SqlMetadata, { kind, which, size }: Step): Promise<void> {
  const { image } = metadata
  const topics = [...image.topics()]
  const streams = [...image.streams()]
  const topic = topics[which % Math.max(1, topics.length)]
  const stream = streams[which % Math.max(1, streams.length)]
  if (kind === 'create' && image.topic(`t${which}`) === undefined)
    await metadata.createTopic(topicOf(`t${which}`, size))
  if (topic === undefined || stream === undefined) return
  if (kind === 'grow') await metadata.createPartitions(topic.id, topic.partitions.length + size, 2)
  if (kind === 'delete') await metadata.deleteTopic(topic.id)
  if (kind === 'configure')
    await metadata.setTopicConfigs(topic.id, { [`c${size}`]: which % 2 === 0 ? 'x' : undefined })
  if (kind === 'open') await metadata.openStreams(which % 5, streams.slice(0, size).map(({ id }) => id)) // biome-ignore format: short
  if (kind === 'commit') await commit(metadata, streams.filter((_, i) => (i + which) % size === 0), size) // biome-ignore format: short
  if (kind === 'trim') await metadata.trimStream(stream.id, stream.epoch, stream.startOffset + size * 2)
}

test('images that follow the feed equal a fresh load after any operations of two writers', async () => {
  const property = fc.asyncProperty(fc.array(stepArbitrary, { minLength: 10, maxLength: 40 }), async (steps) => {
    const url = newFile()
    const [one, two, reader] = [await open(url), await open(url), await open(url)]
    for (const [index, step] of steps.entries()) {
      const writer = step.second ? two : one
      await writer.poll()
      await take(writer, step)
      if (index % 7 === 0) await reader.poll()
    }
    const fresh = await open(url)
    const expected = contentsOf(fresh.image)
    assertSound(fresh.image)
    for (const follower of [one, two, reader]) {
      await follower.poll()
      assert.deepEqual(contentsOf(follower.image), expected)
    }
    for (const metadata of [one, two, reader, fresh]) await metadata.close()
  })
  await fc.assert(property, { numRuns: 20 })
})

test('every call finds its own change in the image, however many run at once', async () => {
  const metadata = await open(newFile())
  const names = Array.from({ length: 30 }, (_, i) => `topic-${i}`)
  await Promise.all(
    names.map(async (name) => {
      const topic = await metadata.createTopic(topicOf(name, 2))
      assert.equal(metadata.image.topic(name), topic)
      for (const { streamId } of topic.partitions) assert.ok(metadata.image.stream(streamId))
    })
  )
  assertSound(metadata.image)
  await metadata.close()
})

test('a reader that the feed has left behind reads the tables anew', async () => {
  const url = newFile()
  const [writer, reader] = [await open(url), await open(url)]
  const gone = await writer.createTopic(topicOf('gone', 1))
  await reader.poll()
  await writer.deleteTopic(gone.id)
  const kept = await writer.createTopic(topicOf('kept', 3))
  const database = await openDatabase(url)
  await database.write((tx) => tx.deleteFrom('change').where('seq', '<=', 4).execute())
  await reader.poll()
  assert.deepEqual(contentsOf(reader.image), contentsOf(writer.image))
  await writer.setTopicConfigs(kept.id, { a: 'b' })
  await reader.poll()
  assert.deepEqual(contentsOf(reader.image), contentsOf(writer.image))
  for (const each of [writer, reader, database]) await each.close()
})

test('an image skips kinds of change that it does not know', async () => {
  const url = newFile()
  const [writer, database] = [await open(url), await openDatabase(url)]
  await database.write(async (tx) => {
    const seq = await allocate(tx, 'change', 1)
    await tx.insertInto('change').values({ seq, kind: 'future', subject: 'x' }).execute()
  })
  await writer.poll()
  await writer.createTopic(topicOf('t', 1))
  assertSound(writer.image)
  for (const each of [writer, database]) await each.close()
})

test('a stream of many ranges grows without copying them', async () => {
  const metadata = await open('sqlite::memory:')
  const topic = await metadata.createTopic(topicOf('t', 1))
  const streamId = topic.partitions[0]?.streamId ?? 0
  await metadata.openStreams(1, [streamId])
  const step = async () => {
    const stream = metadata.image.stream(streamId)
    assert.ok(stream)
    await commit(metadata, [stream], 10)
  }
  await step()
  const held = metadata.image.ranges(streamId)
  for (let i = 0; i < 20; i++) await step()
  assert.equal(metadata.image.ranges(streamId), held)
  assert.equal(held.length, 21)
  await metadata.trimStream(streamId, 1, 100)
  assert.equal(held.length, 21)
  assert.equal(metadata.image.ranges(streamId).length, 11)
  await metadata.close()
})
