/** Streams in a memory store and an SQLite database in memory, filled by uploads, read without any cache. */
import assert from 'node:assert/strict'
import type { Metadata } from '../../metadata/metadata.ts'
import { openDatabase } from '../../metadata/open-database.ts'
import { SqlMetadata } from '../../metadata/sql-metadata.ts'
import { FaultyObjectStore } from '../../object-store/faulty-object-store.ts'
import { MemoryObjectStore } from '../../object-store/memory-object-store.ts'
import type { ByteRange, ObjectStore } from '../../object-store/object-store.ts'
import type { ObjectStores } from '../../object-store/object-stores.ts'
import { Fault } from '../../runtime/fault.ts'
import { silentLog } from '../../runtime/log.ts'
import { type Random, seededRandom } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import type { Entry } from '../entry.ts'
import { ObjectReader } from '../objects/object-reader.ts'
import { buildObject } from '../objects/object-writer.ts'
import type { TransferBudget } from '../read/transfer-budget.ts'
import { CompactionTurn } from './compaction-turn.ts'
import { COMPACTION_SETTINGS, Compactor, type CompactorParts } from './compactor.ts'
import { StreamRewriter } from './stream-rewriter.ts'

const KiB = 1024
const MiB = 1024 * KiB
const NODE_ID = 1

/** The default settings a thousand times smaller. */
const SMALL_SETTINGS = {
  ...COMPACTION_SETTINGS,
  ownBytes: 8 * KiB,
  agedOwnBytes: KiB,
  setBytesMax: MiB,
  objectBytesMax: 512 * KiB
}

/** A memory store that counts what is read. */
class CountingStore extends MemoryObjectStore {
  gets = 0
  bytesRead = 0

  override get(key: string, range?: ByteRange): Promise<Buffer> {
    this.gets++
    this.bytesRead += range === undefined ? 0 : range.end - range.start
    return super.get(key, range)
  }
}

export class CompactionWorld {
  readonly clock = new VirtualClock()
  readonly random: Random
  readonly memory = new CountingStore()
  readonly store: FaultyObjectStore
  readonly turn = new CompactionTurn()
  readonly metadata: SqlMetadata
  readonly topicIds: string[]
  readonly streamIds: number[]
  /** All that was ever uploaded, by stream. */
  readonly written = new Map<number, Entry[]>()
  /** Bytes that were read on compaction's account, and what was asked for it. */
  readonly budgeted = { bytes: 0, kinds: new Set<string>() }

  private constructor(metadata: SqlMetadata, clock: VirtualClock, random: Random, topicIds: string[], ids: number[]) {
    this.metadata = metadata
    this.clock = clock
    this.random = random
    this.topicIds = topicIds
    this.streamIds = ids
    this.store = new FaultyObjectStore({ store: this.memory, random, clock })
  }

  /** One topic per stream. */
  static async start(streams: number, seed = 1): Promise<CompactionWorld> {
    const clock = new VirtualClock()
    const random = seededRandom(seed)
    const metadata = await SqlMetadata.open({ database: await openDatabase('sqlite::memory:'), clock, random })
    const topicIds: string[] = []
    const streamIds: number[] = []
    for (let i = 0; i < streams; i++) {
      const name = `topic-${i}`
      const topic = await metadata.createTopic({
        name,
        partitions: 1,
        configs: {},
        internal: false,
        leaders: [NODE_ID]
      })
      topicIds.push(topic.id)
      for (const { streamId } of topic.partitions) streamIds.push(streamId)
    }
    await metadata.openStreams(NODE_ID, streamIds)
    return new CompactionWorld(metadata, clock, random, topicIds, streamIds)
  }

  get stores(): ObjectStores {
    return storesOf(this.store)
  }

  get budget(): TransferBudget {
    return {
      run: (kind, bytes, work) => {
        this.budgeted.bytes += bytes
        this.budgeted.kinds.add(kind)
        return work()
      }
    }
  }

  compactor(differs: Partial<CompactorParts> = {}): Compactor {
    const { clock, metadata, stores, budget, turn } = this
    return new Compactor({
      clock,
      log: silentLog,
      metadata,
      stores,
      budget,
      turn,
      settings: SMALL_SETTINGS,
      ...differs
    })
  }

  rewriter(stepBytes: number, metadata: Metadata = this.metadata): StreamRewriter {
    const { clock, stores, budget, turn } = this
    return new StreamRewriter({ clock, log: silentLog, metadata, stores, budget, turn, stepBytes })
  }

  /** Appends entries of about these bytes to the streams, in one object. */
  async upload(bytesByStream: readonly (readonly [at: number, bytes: number, entryBytes?: number])[]): Promise<void> {
    const streams = bytesByStream.map(([at, bytes, entryBytes = 100]) => {
      const streamId = this.streamIds[at] ?? -1
      const all = this.written.get(streamId) ?? []
      const entries: Entry[] = []
      for (let left = bytes, next = (all.at(-1)?.lastOffset ?? -1) + 1; left > 0; left -= entryBytes) {
        const lastOffset = next + this.random.int(3)
        const maxTimestamp = this.clock.now() - this.random.int(1_000)
        const payload = Buffer.alloc(Math.min(left, entryBytes), this.random.bytes(97))
        entries.push({ baseOffset: next, lastOffset, maxTimestamp, payload })
        next = lastOffset + 1
      }
      this.written.set(streamId, [...all, ...entries])
      return { streamId, entries }
    })
    const built = buildObject(streams)
    const object = await this.metadata.prepareObject('default')
    await this.memory.put(object.key, built.parts)
    await this.metadata.commitUpload({
      nodeId: NODE_ID,
      objects: [{ objectId: object.id, bytes: built.bytes, ranges: built.ranges }],
      streams: built.ranges.map(({ streamId, startOffset, endOffset }) => ({
        streamId,
        epoch: this.metadata.image.stream(streamId)?.epoch ?? 0,
        startOffset,
        endOffset,
        snapshot: undefined
      }))
    })
  }

  trim(at: number, offset: number): Promise<void> {
    const stream = this.metadata.image.stream(this.streamIds[at] ?? -1)
    return this.metadata.trimStream(stream?.id ?? -1, stream?.epoch ?? 0, offset)
  }

  /** All entries of a stream from its start on, as a reader finds them: range by range. */
  async read(at: number): Promise<Entry[]> {
    const { image } = this.metadata
    const stream = image.stream(this.streamIds[at] ?? -1)
    if (stream === undefined) return []
    const found: Entry[] = []
    let next = stream.startOffset
    for (const range of image.ranges(stream.id)) {
      assert.ok(range.startOffset <= next, `stream ${stream.id} has a hole before ${range.startOffset}`)
      next = range.endOffset
      const object = image.object(range.objectId)
      assert.ok(object !== undefined, `object ${range.objectId} is not committed`)
      const reader = new ObjectReader({ store: this.memory, key: object.key, size: object.bytes })
      for (const block of (await reader.loadIndex()).blocks(stream.id, range.startOffset)) {
        if (block.firstOffset >= range.endOffset) break
        found.push(...(await reader.loadBlock(block)).filter((entry) => entry.lastOffset >= stream.startOffset))
      }
    }
    assert.ok(next >= stream.endOffset, `stream ${stream.id} ends at ${next} instead of ${stream.endOffset}`)
    return found
  }

  /** Every stream that exists holds what was written and not trimmed. */
  async verify(): Promise<void> {
    for (const [at, streamId] of this.streamIds.entries()) {
      const start = this.metadata.image.stream(streamId)?.startOffset
      const expected = start === undefined ? [] : this.written.get(streamId)?.filter((e) => e.lastOffset >= start)
      assertSame(await this.read(at), expected ?? [])
    }
  }

  async keys(): Promise<string[]> {
    const keys: string[] = []
    for await (const { key } of this.memory.list('')) keys.push(key)
    return keys
  }

  /** Keys of committed objects. */
  liveKeys(): string[] {
    return [...this.metadata.image.objects()].map(({ key }) => key).sort()
  }

  /** Lets time pass until `promise` settles. */
  async pass<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const mark = () => {
      settled = true
    }
    promise.then(mark, mark)
    for (let i = 0; i < 100_000 && !settled; i++) await this.clock.advance(10)
    assert.ok(settled, 'a promise has not settled')
    return promise
  }
}

/** As deepEqual, which takes seconds over megabytes. */
export function assertSame(found: readonly Entry[], expected: readonly Entry[]): void {
  assert.deepEqual(found.map(placeOf), expected.map(placeOf))
  for (const [at, { payload, baseOffset }] of found.entries()) {
    assert.ok(expected[at]?.payload.equals(payload), `other bytes at offset ${baseOffset}`)
  }
}

function placeOf({ baseOffset, lastOffset, maxTimestamp }: Entry): string {
  return `${baseOffset}-${lastOffset}@${maxTimestamp}`
}

export function storesOf(store: ObjectStore): ObjectStores {
  return {
    store: (profile) => {
      if (profile !== 'default') throw new Fault('invalid', `no profile ${profile}`)
      return store
    },
    profiles: () => ['default'],
    close: () => store.close()
  }
}

/** Whether a process still runs. What belongs to a dead one never hears of anything again. */
export interface Life {
  alive: boolean
  /** Calls until it dies. */
  callsLeft: number
}

/** `target` as one process sees it: it may die at any call, before or after the effect, and then no answer arrives. */
export function mortal<T extends object>(target: T, life: Life): T {
  const forever = () => new Promise(() => undefined)
  return new Proxy(target, {
    get(_, name) {
      const member = Reflect.get(target, name) as unknown
      if (typeof member !== 'function') return member
      return (...args: unknown[]) => {
        if (!life.alive) return forever()
        const result = member.apply(
          target,
          args.map((arg) => guarded(arg, life))
        ) as unknown
        if (!(result instanceof Promise)) return result
        if (--life.callsLeft <= 0) life.alive = false
        return result.then(
          (value) => (life.alive ? value : forever()),
          (error) => (life.alive ? Promise.reject(error) : forever())
        )
      }
    }
  })
}

function guarded(arg: unknown, life: Life): unknown {
  return typeof arg === 'function' ? (...given: unknown[]) => (life.alive ? arg(...given) : undefined) : arg
}
