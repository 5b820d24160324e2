/**
 * One process of the simulated node: its engine on the machine's effects, from start to death. What it promises is noted
 * in the truth; what it finds at its start is held against it.
 */

import type { Metadata, Topic } from '../../../src/metadata/metadata.ts'
import { SqlMetadata } from '../../../src/metadata/sql-metadata.ts'
import type { ObjectStore } from '../../../src/object-store/object-store.ts'
import { DEFAULT_PROFILE, type ObjectStores } from '../../../src/object-store/object-stores.ts'
import { type Clock, sleep } from '../../../src/runtime/clock.ts'
import { Fault, isFault } from '../../../src/runtime/fault.ts'
import type { Log } from '../../../src/runtime/log.ts'
import type { Random } from '../../../src/runtime/random.ts'
import type { Rewrite } from '../../../src/stream/compaction/stream-rewriting.ts'
import type { Entry } from '../../../src/stream/entry.ts'
import type { Stream } from '../../../src/stream/stream.ts'
import { type OpenedStream, StreamEngine } from '../../../src/stream/stream-engine.ts'
import type { Captured } from '../../../src/stream/uploader.ts'
import { FileWal } from '../../../src/stream/wal/file-wal.ts'
import { ObjectWal } from '../../../src/stream/wal/object-wal.ts'
import type { Wal } from '../../../src/stream/wal/wal.ts'
import type { History } from './history.ts'
import { deviceOf, effectsOf, Life } from './life.ts'
import type { Machine } from './machine.ts'
import { encodeNote } from './noted-offsets.ts'
import type { PlantedBug, StreamView } from './planted-bug.ts'
import type { Shape } from './shape.ts'
import { type Appended, type StreamTruth, written } from './stream-truth.ts'
import type { Truth } from './truth.ts'

export const NODE_ID = 1
/** Setting of a topic that names the profile its objects go to. */
export const PROFILE_CONFIG = 'profile'

/** How often the process looks at what others changed: often at first, when a dead process may still have the last word. */
const POLL_MS_MIN = 1_000
const POLL_MS_MAX = 60_000

export interface ProcessParts {
  readonly machine: Machine
  readonly random: Random
  readonly shape: Shape
  readonly bug: PlantedBug
  readonly truth: Truth
  readonly history: History
}

export class NodeProcess {
  readonly life: Life
  /** Resolves at the death. */
  readonly over: Promise<void>
  /** What was asked of this process and is not answered, with the virtual time of asking. */
  readonly unanswered = new Map<symbol, { readonly what: string; readonly since: number }>()
  readonly streams = new Map<number, Stream>()
  readonly #parts: ProcessParts
  /** As this process sees it: nothing wakes it after its death. */
  readonly clock: Clock
  #metadata: Metadata | undefined
  #engine: StreamEngine | undefined
  /** Another process has taken over: what this one appends is no business of the truth any more. */
  #superseded = false
  #isStarted = false

  constructor(parts: ProcessParts) {
    this.#parts = parts
    const { machine, random, truth, history } = parts
    history.life++
    truth.counts.lives++
    let isOver: () => void = () => {}
    this.over = new Promise((resolve) => {
      isOver = resolve
    })
    this.life = new Life({
      random,
      note: (event) => history.note(event),
      died: (kind) => {
        truth.counts.crashes++
        machine.lose(kind)
        isOver()
      }
    })
    this.clock = this.life.clock(machine.clock)
  }

  get engine(): StreamEngine {
    if (this.#engine === undefined) throw new Fault('closed', 'the process has not started yet')
    return this.#engine
  }

  get metadata(): Metadata {
    if (this.#metadata === undefined) throw new Fault('closed', 'the process has not started yet')
    return this.#metadata
  }

  get isStarted(): boolean {
    return this.#isStarted
  }

  /** Opens everything, and takes over from `predecessor`, which may live. Does not resolve when the process dies of it. */
  async start(predecessor?: NodeProcess): Promise<void> {
    const { machine, random, history, truth } = this.#parts
    history.note('starts')
    const { database } = machine
    const parts = { database, clock: this.clock, random }
    const sql = await this.persist(() => this.life.call('metadata.open', () => SqlMetadata.open(parts)))
    const stores = this.#stores()
    this.#metadata = this.#planted('metadata', effectsOf<Metadata>(sql, this.life, 'metadata'), stores)
    const epoch = await this.persist(() => this.metadata.registerNode(NODE_ID))
    const engine = this.#build(stores, epoch)
    await engine.recover()
    this.#engine = engine
    const topics = [...this.metadata.image.topics()]
    truth.complain(truth.foundTopics(topics))
    await this.open(topics, predecessor)
    this.#follow()
    this.#isStarted = true
    history.note(`has started with ${this.streams.size} streams`)
  }

  /** Takes the topics' streams over. */
  async open(topics: readonly Topic[], predecessor?: NodeProcess): Promise<void> {
    const ids = topics.flatMap(({ partitions }) => partitions.map(({ streamId }) => streamId))
    const profiles = new Map(topics.flatMap((topic) => topic.partitions.map((p) => [p.streamId, profileOf(topic)])))
    const opened = await this.persist(() => this.engine.open(ids))
    // Asked before another took over and done after: what this process believes to hold is no truth any more.
    if (this.#superseded) return
    if (predecessor !== undefined) predecessor.#supersede()
    for (const one of opened) {
      this.#adopt(one)
      const { id } = one.stream
      one.own({
        capture: (startOffset, endOffset) => this.#capture(id, startOffset, endOffset),
        profile: () => profiles.get(id) ?? DEFAULT_PROFILE
      })
    }
  }

  /** Appends at the end of the stream and notes what becomes of it. */
  append(stream: Stream, entry: Entry): void {
    const { truth, history } = this.#parts
    const { id } = stream
    const ofStream = truth.streams.get(id)
    const stray: Appended = { entry, before: -1, acknowledged: false, removal: 'none' }
    const appended = this.#superseded || ofStream === undefined ? stray : ofStream.append(entry)
    const name = written(id, entry)
    truth.counts.appended++
    history.note(`append ${name}`)
    this.ask(`append ${name}`, stream, async () => {
      await stream.append(entry)
      history.note(`ack ${name}`)
      truth.counts.acknowledged++
      truth.counts.acknowledgedBytes += entry.payload.length
      truth.complain(truth.streams.get(id)?.acknowledge(appended) ?? [])
    })
  }

  /** Runs `work`, on a stream if given, beside everything else. What it throws must be a fault of the surroundings. */
  ask(what: string, stream: Stream | undefined, work: () => Promise<void>): void {
    const key = Symbol(what)
    const { truth, history, machine } = this.#parts
    this.unanswered.set(key, { what, since: machine.clock.monotonic() })
    work()
      .catch((error: unknown) => {
        history.note(`${what} failed: ${String(error)}`)
        if (this.life.alive && !this.#isExcused(error, stream)) truth.complain([`${what} failed: ${stackOf(error)}`])
      })
      .finally(() => this.unanswered.delete(key))
  }

  rewrite(rewrite: Rewrite): Promise<boolean> {
    return this.engine.rewriting.rewrite(this.#parts.bug.rewrite?.(rewrite) ?? rewrite)
  }

  view(stream: Stream): StreamView {
    const truth = this.#parts.truth.streams.get(stream.id)
    const { view } = this.#parts.bug
    return view === undefined || truth === undefined ? stream : view(stream, truth)
  }

  forget(streamId: number): void {
    this.engine.discard(streamId)
    this.streams.delete(streamId)
  }

  #supersede(): void {
    this.#superseded = true
    this.#parts.truth.counts.takeovers++
    this.#parts.history.note('is taken over while it lives')
  }

  /** Repeats what fails for now, as whoever starts a process would. */
  async persist<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work()
      } catch (error) {
        if (!isFault(error, 'unavailable')) throw error
        this.#parts.history.note(`tries again: ${error.message}`)
        await sleep(this.clock, 500)
      }
    }
  }

  /** The surroundings fail, and streams are deleted under those who use them; everything else is a bug. */
  #isExcused(error: unknown, stream: Stream | undefined): boolean {
    if (!isFault(error)) return false
    if (this.#superseded || error.kind === 'unavailable' || error.kind === 'closed') return true
    const truth = stream && this.#parts.truth.streams.get(stream.id)
    return stream !== undefined && truth?.topic.deletion !== 'none'
  }

  /** Takes in what others change: here the last words of a dead process, which may still delete a topic. */
  #follow(delayMs = POLL_MS_MIN): void {
    this.clock.after(delayMs, () => {
      this.metadata
        .poll()
        .catch(() => undefined)
        .then(() => {
          for (const id of this.streams.keys()) if (this.metadata.image.stream(id) === undefined) this.forget(id)
          this.#follow(Math.min(delayMs * 2, POLL_MS_MAX))
        })
    })
  }

  #build(stores: ObjectStores, epoch: number): StreamEngine {
    const { shape, random } = this.#parts
    return new StreamEngine({
      nodeId: NODE_ID,
      nodeEpoch: epoch,
      clock: this.clock,
      random,
      log: this.#log(),
      metadata: this.metadata,
      stores,
      wal: this.#planted('wal', this.#wal(stores, epoch), undefined),
      failed: (fault) => this.life.die('process', `of its log: ${fault.message}`),
      settings: shape
    })
  }

  #wal(stores: ObjectStores, epoch: number): Wal {
    const { machine, shape, random, bug } = this.#parts
    const options = { clock: this.clock, random, log: this.#log(), bytesMax: shape.walBytesMax }
    if (shape.walKind === 'file') {
      const device = deviceOf(bug.device?.(machine.device) ?? machine.device, this.life)
      return new FileWal({ ...options, device, segmentBytes: shape.segmentBytes })
    }
    return new ObjectWal({
      ...options,
      store: stores.store(DEFAULT_PROFILE),
      nodeId: NODE_ID,
      epoch,
      loadMark: () => this.metadata.walMark(NODE_ID),
      payloadBytesMax: shape.segmentBytes
    })
  }

  #stores(): ObjectStores {
    const { machine, bug } = this.#parts
    const reached = new Map<string, ObjectStore>()
    for (const [profile, { faulty }] of machine.stores) {
      reached.set(profile, effectsOf<ObjectStore>(bug.store?.(faulty) ?? faulty, this.life, profile))
    }
    return {
      profiles: () => [...reached.keys()],
      store(profile) {
        const store = reached.get(profile)
        if (store === undefined) throw new Fault('invalid', `there is no profile ${profile}`)
        return store
      },
      close: async () => undefined
    }
  }

  #planted(kind: 'metadata', target: Metadata, stores: ObjectStores): Metadata
  #planted(kind: 'wal', target: Wal, stores: undefined): Wal
  #planted(kind: 'metadata' | 'wal', target: Metadata | Wal, stores: ObjectStores | undefined): Metadata | Wal {
    const { bug } = this.#parts
    if (kind === 'wal') return bug.wal?.(target as Wal) ?? target
    return stores === undefined ? target : (bug.metadata?.(target as Metadata, stores) ?? target)
  }

  #log(): Log {
    const { history } = this.#parts
    const say = (level: string) => (fields: Record<string, unknown>, message: string) =>
      history.note(`${level}: ${message} ${JSON.stringify(fields, (_, v) => (v instanceof Error ? v.message : v))}`)
    return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') }
  }

  #adopt({ stream, snapshot }: OpenedStream): void {
    const { truth, history } = this.#parts
    const ofStream = truth.stream(stream.id)
    this.streams.set(stream.id, stream)
    history.note(`opened s${stream.id} [${stream.startOffset}, ${stream.endOffset})`)
    truth.complain(ofStream.recovered(stream.endOffset))
    truth.complain(ofStream.shown(stream.startOffset, stream.endOffset))
    if (snapshot !== undefined) truth.complain(judgeSnapshot(ofStream, stream, snapshot.offset, snapshot.bytes))
  }

  /** The state is the number of entries so far; the note says which offsets it lies beside. */
  #capture(streamId: number, startOffset: number, endOffset: number): Captured {
    const truth = this.#parts.truth.streams.get(streamId)
    const next = this.streams.get(streamId)?.nextOffset ?? endOffset
    const at = this.#parts.bug.captureAt?.(endOffset, next) ?? endOffset
    const snapshot = Buffer.alloc(6)
    snapshot.writeUIntBE(truth?.countBefore(at) ?? 0, 0, 6)
    return { snapshot, note: encodeNote(startOffset, endOffset) }
  }
}

function profileOf(topic: Topic): string {
  return topic.configs[PROFILE_CONFIG] ?? DEFAULT_PROFILE
}

function judgeSnapshot(truth: StreamTruth, stream: Stream, offset: number, state: Buffer): string[] {
  const name = `the snapshot of stream ${stream.id}`
  if (offset > stream.endOffset) return [`${name} is as of ${offset}, the stream ends at ${stream.endOffset}`]
  const saved = state.readUIntBE(0, 6)
  if (offset <= truth.trimmedTo) return []
  const counted = truth.countBefore(offset)
  return saved === counted ? [] : [`${name} as of ${offset} says ${saved} entries, ${counted} were appended`]
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `; caused by ${String(error.cause)}`
  return `${error.stack?.split('\n').slice(0, 6).join(' ') ?? error.message}${cause}`
}
