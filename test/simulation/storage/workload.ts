/**
 * Random use of one process: appends of all sizes, readers at the tail and in the cold, look-ups by time, trims, flushes,
 * topics that come and go. Nothing here waits: what was asked is answered while time passes.
 */
import { sleep } from '../../../src/runtime/clock.ts'
import { Fault, isFault } from '../../../src/runtime/fault.ts'
import type { Random } from '../../../src/runtime/random.ts'
import type { Entry } from '../../../src/stream/entry.ts'
import type { Stream } from '../../../src/stream/stream.ts'
import type { History } from './history.ts'
import type { Machine } from './machine.ts'
import { NODE_ID, type NodeProcess, PROFILE_CONFIG } from './node-process.ts'
import type { Shape } from './shape.ts'
import type { TopicTruth } from './stream-truth.ts'
import type { Truth } from './truth.ts'

const TOPICS_MAX = 5
const STREAMS_PER_TOPIC_MAX = 3

export interface WorkloadParts {
  readonly machine: Machine
  readonly random: Random
  readonly shape: Shape
  readonly truth: Truth
  readonly history: History
}

export class Workload {
  readonly #parts: WorkloadParts
  readonly #noise: Buffer
  #topics = 0
  #payloads = 0
  readonly #rewriting = new Set<Stream>()

  constructor(parts: WorkloadParts) {
    this.#parts = parts
    this.#noise = parts.random.bytes(64 * 1024)
  }

  /** One random request. */
  act(node: NodeProcess): void {
    const { random } = this.#parts
    const dice = random.int(1000)
    if (node.streams.size === 0 || dice < 8) {
      this.#createTopic(node)
      return
    }
    const stream = this.#anyStream(node)
    if (dice < 700) this.#append(node, stream)
    else if (dice < 860) this.#read(node, stream)
    else if (dice < 910) this.#findTimestamp(node, stream)
    else if (dice < 940) this.#trim(node, stream)
    else if (dice < 970) this.#rewrite(node, stream)
    else if (dice < 985) node.ask('flush', undefined, () => node.engine.flush())
    else if (dice < 990) this.#deleteTopic(node)
    else this.#burst(node, stream)
  }

  /** What a process is asked that does not know that another has taken over. */
  haunt(node: NodeProcess): void {
    if (node.streams.size === 0) return
    const stream = this.#anyStream(node)
    const dice = this.#parts.random.int(10)
    if (dice < 6) this.#append(node, stream)
    else if (dice < 8) this.#read(node, stream)
    else if (dice < 9) node.ask('flush', undefined, () => node.engine.flush())
    else this.#burst(node, stream)
  }

  #append(node: NodeProcess, stream: Stream): void {
    const { random, machine, shape, history } = this.#parts
    if (node.engine.room() !== undefined) {
      history.note('no room')
      return
    }
    const now = machine.clock.now()
    const kind = random.int(10)
    const maxTimestamp = kind === 0 ? -1 : kind === 1 ? now - random.int(100_000_000) : now
    const baseOffset = stream.nextOffset
    const lastOffset = baseOffset + (random.int(4) === 0 ? random.int(500) : 0)
    const bytes = 1 + random.int(random.int(3) === 0 ? shape.payloadBytesMax : shape.payloadBytesMax / 10)
    node.append(stream, { baseOffset, lastOffset, maxTimestamp, payload: this.#payload(bytes) })
  }

  #createTopic(node: NodeProcess): void {
    const { random, truth } = this.#parts
    if ([...truth.topics.values()].filter(({ deletion }) => deletion !== 'done').length >= TOPICS_MAX) return
    const profile = random.int(4) === 0 ? 'eu' : 'default'
    const isCompacted = random.int(3) === 0
    const name = `topic-${++this.#topics}`
    const topic: TopicTruth = { name, profile, isCompacted, id: undefined, deletion: 'none' }
    const partitions = 1 + random.int(STREAMS_PER_TOPIC_MAX)
    truth.topics.set(topic.name, topic)
    node.ask(`create ${topic.name}`, undefined, () => this.#create(node, topic, partitions))
  }

  async #create(node: NodeProcess, topic: TopicTruth, partitions: number): Promise<void> {
    const { metadata } = node
    const configs = { [PROFILE_CONFIG]: topic.profile }
    const created = await node.persist(() =>
      metadata
        .createTopic({ name: topic.name, partitions, configs, internal: false, leaders: [NODE_ID] })
        .catch((error: unknown) => {
          if (!isFault(error, 'conflict')) throw error
          // The answer to an earlier attempt was lost.
          const known = metadata.image.topic(topic.name)
          if (known === undefined) throw new Fault('unavailable', `${topic.name} is not in the image yet`)
          return known
        })
    )
    this.#parts.truth.created(
      topic,
      created.id,
      created.partitions.map(({ streamId }) => streamId)
    )
    await node.open([created])
  }

  #deleteTopic(node: NodeProcess): void {
    const { truth, random, history } = this.#parts
    const candidates = [...truth.topics.values()].filter(({ id, deletion }) => id !== undefined && deletion !== 'done')
    const topic = candidates[random.int(candidates.length)]
    const row = topic?.id === undefined ? undefined : node.metadata.image.topicById(topic.id)
    if (topic === undefined || row?.partitions.every(({ streamId }) => node.streams.has(streamId)) !== true) return
    topic.deletion = 'asked'
    history.note(`delete ${topic.name}`)
    node.ask(`delete ${topic.name}`, undefined, async () => {
      await node.persist(() =>
        node.metadata.deleteTopic(row.id).catch((error: unknown) => {
          if (!isFault(error, 'missing')) throw error
        })
      )
      const ids = row.partitions.map(({ streamId }) => streamId)
      for (const id of ids) node.forget(id)
      truth.deleted(topic)
    })
  }

  /** A reader that goes on for a while from somewhere. */
  #read(node: NodeProcess, stream: Stream): void {
    const { random } = this.#parts
    const { startOffset, endOffset } = node.view(stream)
    const isTail = random.int(3) === 0
    const from = isTail
      ? endOffset - Math.min(endOffset - startOffset, 5)
      : startOffset + random.int(endOffset - startOffset + 1)
    const passes = 1 + random.int(12)
    const bytesMax = [1, 500, 4_000, 50_000][random.int(4)] as number
    const thinkMs = [0, 0, 5, 300][random.int(4)] as number
    node.ask(`read s${stream.id} from ${from}`, stream, async () => {
      let next: number | undefined = from
      for (let pass = 0; pass < passes && next !== undefined; pass++) {
        next = await this.#readOnce(node, stream, next, bytesMax)
        if (thinkMs > 0) await sleep(node.clock, thinkMs)
      }
    })
  }

  /** Where to go on; undefined at the end of the stream or when it is gone. */
  async #readOnce(node: NodeProcess, stream: Stream, from: number, bytesMax: number): Promise<number | undefined> {
    const { truth, history } = this.#parts
    const view = node.view(stream)
    if (!this.#isOpen(node, stream) || from < view.startOffset || from >= view.endOffset) return undefined
    truth.counts.reads++
    const { endOffset } = view
    const found = await view.read(from, bytesMax)
    const ofStream = truth.streams.get(stream.id)
    if (ofStream === undefined || !this.#isOpen(node, stream)) return undefined
    const last = found.at(-1)
    history.note(`read s${stream.id} from ${from}: ${found.length} entries to ${last?.lastOffset}`)
    if (last === undefined) {
      const isThere = view.startOffset <= from && ofStream.topic.deletion === 'none'
      if (isThere) truth.complain(ofStream.judgeNothing(from, endOffset))
      return undefined
    }
    truth.complain(ofStream.judgeRead(from, found))
    return last.lastOffset + 1
  }

  #findTimestamp(node: NodeProcess, stream: Stream): void {
    const { truth, random, history, machine } = this.#parts
    const entries = truth.streams.get(stream.id)?.entries ?? []
    const { entry } = entries[random.int(entries.length)] ?? {}
    const timestamp =
      entry === undefined || random.int(5) === 0
        ? machine.clock.now() - random.int(10_000)
        : entry.maxTimestamp + random.int(2)
    const { startOffset, endOffset } = stream
    node.ask(`look up ${timestamp} in s${stream.id}`, stream, async () => {
      truth.counts.lookUps++
      const found = await stream.findTimestamp(timestamp)
      const ofStream = truth.streams.get(stream.id)
      if (ofStream?.topic.deletion !== 'none' || !this.#isOpen(node, stream)) return
      history.note(`look-up of ${timestamp} in s${stream.id}: ${found?.baseOffset}`)
      const expected = ofStream.findTimestamp(timestamp, Math.max(stream.startOffset, startOffset))
      // What was trimmed or appended meanwhile may be found or not.
      if (expected === undefined || expected.lastOffset >= endOffset || found?.baseOffset === expected.baseOffset)
        return
      if (found !== undefined && found.baseOffset < expected.baseOffset && found.baseOffset < stream.startOffset) return
      if (found !== undefined && ofStream.at(found.baseOffset)?.removal !== 'none') return
      const name = `the look-up of ${timestamp} in stream ${stream.id}`
      truth.complain([`${name} found ${found?.baseOffset}, not ${expected.baseOffset}`])
    })
  }

  #trim(node: NodeProcess, stream: Stream): void {
    const { truth, random, history } = this.#parts
    const { startOffset, endOffset } = stream
    const isFar = random.int(4) === 0
    const to = isFar ? endOffset : startOffset + Math.floor(random.int(endOffset - startOffset + 1) / 2)
    const ofStream = truth.streams.get(stream.id)
    if (ofStream === undefined || to <= startOffset) return
    history.note(`trim s${stream.id} to ${to}`)
    ofStream.trimming(to)
    node.ask(`trim s${stream.id} to ${to}`, stream, async () => {
      await stream.trim(to)
      ofStream.trimmed(to)
    })
  }

  /** Compaction by key, as far as the engine knows of it: some entries are left out of what objects hold. */
  #rewrite(node: NodeProcess, stream: Stream): void {
    const { truth, random, history } = this.#parts
    const ofStream = truth.streams.get(stream.id)
    const { startOffset: fromOffset } = stream
    const committed = node.metadata.image.stream(stream.id)?.endOffset ?? 0
    if (!ofStream?.topic.isCompacted || committed <= fromOffset || this.#rewriting.has(stream)) return
    const toOffset = fromOffset + 1 + random.int(committed - fromOffset)
    const doomed = ofStream.entries.filter(
      ({ entry }) => entry.baseOffset >= fromOffset && entry.lastOffset < toOffset && random.int(2) === 0
    )
    const offsets = new Set(doomed.map(({ entry }) => entry.baseOffset))
    const keep = async (entry: Entry) => (offsets.has(entry.baseOffset) ? undefined : entry)
    const name = `rewrite of s${stream.id} [${fromOffset}, ${toOffset}) without ${doomed.length}`
    history.note(name)
    ofStream.removing(doomed)
    this.#rewriting.add(stream)
    node.ask(name, stream, async () => {
      const rewrite = { streamId: stream.id, fromOffset, toOffset, cleanedTo: toOffset, keep }
      const isDone = await node.rewrite(rewrite).finally(() => this.#rewriting.delete(stream))
      history.note(`${name}: ${isDone}`)
      if (isDone) truth.counts.rewrites++
      if (isDone) for (const appended of doomed) appended.removal = 'done'
    })
  }

  #burst(node: NodeProcess, stream: Stream): void {
    for (let i = this.#parts.random.int(60); i > 0; i--) this.#append(node, stream)
  }

  #isOpen(node: NodeProcess, stream: Stream): boolean {
    return node.streams.get(stream.id) === stream
  }

  #anyStream(node: NodeProcess): Stream {
    const streams = [...node.streams.values()]
    // The first streams get most: rates are uneven.
    const at = Math.floor(streams.length * this.#parts.random.float() ** 2)
    return streams[at] as Stream
  }

  /** Bytes that no other payload has. */
  #payload(bytes: number): Buffer {
    const payload = Buffer.alloc(bytes)
    for (let at = 0; at < bytes; at += this.#noise.length) this.#noise.copy(payload, at)
    const stamp = Buffer.alloc(6)
    stamp.writeUIntBE(++this.#payloads, 0, 6)
    stamp.copy(payload, 0, Math.max(0, 6 - bytes))
    return payload
  }
}
