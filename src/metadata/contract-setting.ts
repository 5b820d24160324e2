/** What the tests of `metadata-contract.ts` stand on: a database under test, a clock, and short ways to say things. */
import assert from 'node:assert/strict'
import type { Clock } from '../runtime/clock.ts'
import { type FaultKind, isFault } from '../runtime/fault.ts'
import type { Metadata, NewTopic, Stream, Topic, Upload, UploadedObject } from './metadata.ts'

/** One database: what it stores survives `open` after `open`. */
export interface MetadataFixture {
  open(clock: Clock): Promise<Metadata>
  remove(): Promise<void>
}

/** A clock that moves by hand. */
class ManualClock implements Clock {
  time = 1_000_000
  now = (): number => this.time
  monotonic = (): number => this.time
  after = (): (() => void) => () => {}
}

/** The node that opens and writes streams. */
export const NODE = 1

/** The metadata under test, with a topic of two partitions that is new for each test. */
export class Setting {
  readonly clock = new ManualClock()
  readonly #createFixture: () => Promise<MetadataFixture>
  #fixture: MetadataFixture | undefined
  #metadata: Metadata | undefined
  #topic: Topic | undefined
  #topics = 0

  constructor(createFixture: () => Promise<MetadataFixture>) {
    this.#createFixture = createFixture
  }

  async start(): Promise<void> {
    this.#fixture = await this.#createFixture()
    this.#metadata = await this.#fixture.open(this.clock)
  }

  async stop(): Promise<void> {
    await this.#metadata?.close()
    await this.#fixture?.remove()
  }

  async reopen(): Promise<void> {
    await this.metadata.close()
    this.#metadata = await this.#fixture?.open(this.clock)
  }

  async nextTopic(): Promise<void> {
    this.#topic = await this.metadata.createTopic(this.newTopic({ partitions: 2 }))
  }

  newTopic(changes: Partial<NewTopic> = {}): NewTopic {
    this.#topics += 1
    return { name: `topic-${this.#topics}`, partitions: 1, configs: {}, internal: false, leaders: [NODE], ...changes }
  }

  get metadata(): Metadata {
    assert.ok(this.#metadata)
    return this.#metadata
  }

  get topic(): Topic {
    assert.ok(this.#topic)
    return this.#topic
  }

  /** Opens the stream of the topic's partition for `NODE`. */
  async openStream(index = 0): Promise<Stream> {
    const streamId = this.topic.partitions[index]?.streamId
    assert.ok(streamId !== undefined)
    await this.metadata.openStreams(NODE, [streamId])
    return this.stream(streamId)
  }

  stream(streamId: number): Stream {
    const stream = this.metadata.image.stream(streamId)
    assert.ok(stream)
    return stream
  }

  /** An upload of `count` offsets to each stream, all in one new object. */
  async upload(streams: readonly Stream[], count: number, snapshot?: Buffer): Promise<Upload> {
    const { id } = await this.metadata.prepareObject('main')
    const ends = streams.map((stream) => ({ streamId: stream.id, startOffset: stream.endOffset, count }))
    return {
      nodeId: NODE,
      objects: [objectOf(id, ends)],
      streams: streams.map(({ id: streamId, epoch, endOffset }) => ({
        streamId,
        epoch,
        startOffset: endOffset,
        endOffset: endOffset + count,
        snapshot
      }))
    }
  }

  async commit(streams: readonly Stream[], count: number): Promise<Upload> {
    const upload = await this.upload(streams, count)
    await this.metadata.commitUpload(upload)
    return upload
  }

  /** Ids of objects that are due, forgetting them so that the next test starts clean. */
  async expire(before: number): Promise<number[]> {
    const ids = (await this.metadata.expiredObjects(before, 1000)).map((object) => object.id)
    await this.metadata.forgetObjects(ids)
    return ids
  }
}

export function objectOf(
  objectId: number,
  parts: readonly { streamId: number; startOffset: number; count: number }[]
): UploadedObject {
  const ranges = parts.map(({ streamId, startOffset, count }) => ({
    streamId,
    startOffset,
    endOffset: startOffset + count,
    bytes: count * 100,
    maxTimestamp: 1_700_000_000_000 + startOffset
  }))
  return { objectId, bytes: ranges.reduce((sum, range) => sum + range.bytes, 512), ranges }
}

export async function refused(kind: FaultKind, call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(isFault(error, kind), `expected Fault ${kind}, got ${error}`)
    return true
  })
}

export function offsets(setting: Setting, streamId: number): string[] {
  return setting.metadata.image.ranges(streamId).map((range) => `${range.startOffset}-${range.endOffset}`)
}

/** Id of the first new object. */
export function objectId(commit: Pick<Upload, 'objects'>): number {
  const object = commit.objects[0]
  assert.ok(object)
  return object.objectId
}
