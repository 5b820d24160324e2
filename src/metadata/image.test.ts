import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { isFault } from '../runtime/fault.ts'
import { seededRandom } from '../runtime/random.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { assertSound, contentsOf } from './image-check.ts'
import type { Compaction, MetadataImage, ObjectRange, Stream, UploadedObject } from './metadata.ts'
import { openDatabase } from './open-database.ts'
import { allocate } from './sequences.ts'
import { SqlMetadata } from './sql-metadata.ts'

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

const topicOf = (name: string, partitions: number) => ({ name, partitions, configs: {}, internal: false, leaders: [1] })

/** Neither rising nor falling. */
const timestampAt = (offset: number): number => (offset * 37) % 101

async function commit(metadata: SqlMetadata, streams: readonly Stream[], count: number): Promise<void> {
  const { id } = await metadata.prepareObject('main')
  await metadata.commitUpload({
    nodeId: 1,
    objects: [
      {
        objectId: id,
        bytes: 1,
        ranges: streams.map(({ id: streamId, endOffset: startOffset }) => {
          return {
            streamId,
            startOffset,
            endOffset: startOffset + count,
            bytes: 1,
            maxTimestamp: timestampAt(startOffset)
          }
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
  readonly kind:
    | 'create'
    | 'grow'
    | 'delete'
    | 'configure'
    | 'set'
    | 'open'
    | 'commit'
    | 'trim'
    | 'merge'
    | 'split'
    | 'compact'
  readonly which: number
  readonly size: number
  /** Which of the two writers makes it. */
  readonly second: boolean
}

const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 2, arbitrary: fc.constant('create' as const) },
    { weight: 6, arbitrary: fc.constant('commit' as const) },
    { weight: 6, arbitrary: fc.constantFrom('grow' as const, 'delete', 'configure', 'set', 'open', 'trim', 'trim') },
    { weight: 9, arbitrary: fc.constantFrom('merge' as const, 'split', 'compact') }
  ),
  which: fc.nat(1000),
  size: fc.integer({ min: 1, max: 12 }),
  second: fc.boolean()
})

/** Compactions that were planned, from whatever the image showed then. Those that were committed may come again. */
class Plans {
  readonly #planned: Compaction[] = []
  readonly #committed = new Set<Compaction>()

  /** Puts the groups of adjacent ranges of a stream into objects of their own, each cut in two where `cut` falls into it. */
  async plan(metadata: SqlMetadata, groups: readonly (readonly ObjectRange[])[], cut: number): Promise<void> {
    const objects: UploadedObject[] = []
    for (const group of groups) {
      const [first, last] = [group[0], group.at(-1)]
      if (first === undefined || last === undefined) continue
      const places = [
        first.startOffset,
        ...[first.startOffset + cut].filter((at) => at < last.endOffset),
        last.endOffset
      ]
      for (const [index, startOffset] of places.slice(0, -1).entries()) {
        const { id } = await metadata.prepareObject('main')
        const endOffset = places[index + 1] ?? 0
        const range = {
          streamId: first.streamId,
          startOffset,
          endOffset,
          bytes: 1,
          maxTimestamp: timestampAt(startOffset)
        }
        objects.push({ objectId: id, bytes: 1, ranges: [range] })
      }
    }
    this.#planned.unshift({ objects, removed: groups.flat() })
    this.#planned.splice(6)
  }

  /** Commits a planned one, 0 being the newest; the image, which must be current, tells whether that must be a conflict. */
  async commit(metadata: SqlMetadata, which: number): Promise<void> {
    const compaction = this.#planned[which % Math.max(1, this.#planned.length)]
    if (compaction === undefined) return
    const refused =
      !this.#committed.has(compaction) && compaction.removed.some((range) => isMissing(metadata.image, range))
    try {
      await metadata.commitCompaction(compaction)
      assert.equal(refused, false, 'a compaction of ranges that are no longer there was committed')
      this.#committed.add(compaction)
    } catch (error) {
      if (!refused || !isFault(error, 'conflict')) throw error
    }
  }
}

/** True when a range that still matters is no longer in its object. */
function isMissing(image: MetadataImage, { objectId, streamId, startOffset, endOffset }: ObjectRange): boolean {
  const stream = image.stream(streamId)
  if (stream === undefined || endOffset <= stream.startOffset) return false
  return !image.rangesOf(objectId).some((range) => range.streamId === streamId && range.startOffset === startOffset)
}

/** Plans a compaction, now and then with a rival that replaces the same, and commits one of what was planned so far. */
async function compact(
  metadata: SqlMetadata,
  plans: Plans,
  { kind, which, size }: Omit<Step, 'second'>
): Promise<void> {
  const filled = [...metadata.image.streams()]
    .map(({ id }) => metadata.image.ranges(id))
    .filter(({ length }) => length > 0)
  const ranges = filled[which % Math.max(1, filled.length)] ?? []
  const objects = [...metadata.image.objects()]
  const from = which % Math.max(1, ranges.length)
  const shared = metadata.image.rangesOf(objects[which % Math.max(1, objects.length)]?.id ?? 0)
  const groups = kind === 'merge' ? [ranges.slice(from, from + size)] : shared.map((range) => [range])
  if (kind !== 'compact' && ranges.length > 0) {
    for (const cut of which % 2 === 0 ? [1 + (which % 17)] : [100, 3]) await plans.plan(metadata, groups, cut)
    if (which % 3 === 0) return
  }
  await plans.commit(metadata, kind === 'compact' ? which : 0)
}

async function take(metadata: SqlMetadata, plans: Plans, { kind, which, size }: Step): Promise<void> {
  const { image } = metadata
  const topics = [...image.topics()]
  const streams = [...image.streams()]
  const topic = topics[which % Math.max(1, topics.length)]
  const stream = streams[which % Math.max(1, streams.length)]
  if (kind === 'create' && image.topic(`t${which}`) === undefined)
    await metadata.createTopic(topicOf(`t${which}`, size))
  if (topic === undefined || stream === undefined) return
  if (kind === 'grow') await metadata.createPartitions(topic.id, topic.partitions.length + size, [2])
  if (kind === 'delete' && size < 4) await metadata.deleteTopic(topic.id)
  if (kind === 'configure')
    await metadata.setTopicConfigs(topic.id, { [`c${size}`]: which % 2 === 0 ? 'x' : undefined })
  if (kind === 'set') {
    const type = which % 3 === 0 ? 'broker' : 'group'
    await metadata.setResourceConfigs(type, `r${which % 5}`, { [`c${size}`]: which % 2 === 0 ? 'x' : undefined })
  }
  if (kind === 'open') {
    const { partitions } = topic
    await metadata.openStreams(partitions[0]?.leader ?? 0, partitions.slice(0, size).filter(({ leader }) => leader === partitions[0]?.leader).map(({ streamId }) => streamId)) // biome-ignore format: short
  }
  if (kind === 'commit') await commit(metadata, streams.filter((_, i) => (i + which) % size === 0), size) // biome-ignore format: short
  if (kind === 'merge' || kind === 'split' || kind === 'compact') await compact(metadata, plans, { kind, which, size }) // biome-ignore format: short
  if (kind === 'trim') await metadata.trimStream(stream.id, stream.epoch, stream.startOffset + size * 2)
}

test('images that follow the feed equal a fresh load after any operations of two writers', async () => {
  const property = fc.asyncProperty(
    fc.array(stepArbitrary, { minLength: 20, maxLength: 60, size: 'max' }),
    async (steps) => {
      const url = newFile()
      const [one, two, reader] = [await open(url), await open(url), await open(url)]
      const plans = new Plans()
      await one.createTopic(topicOf('first', 3))
      for (const [index, step] of steps.entries()) {
        const writer = step.second ? two : one
        await writer.poll()
        await take(writer, plans, step)
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
    }
  )
  await fc.assert(property, { numRuns: 15, includeErrorInReport: true })
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
