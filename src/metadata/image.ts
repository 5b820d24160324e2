/**
 * The in-memory image of the metadata: what brokers read without waiting. It only applies updates, all of one update
 * at once; `image-follower.ts` reads them from the database.
 *
 * Invariant: a value never changes once it was handed out, with one exception made on purpose: the array of a stream's
 * ranges grows at its end, see `image-ranges.ts`.
 */
import { StreamRanges } from './image-ranges.ts'
import type {
  ClientQuota,
  ClusterNode,
  ConfiguredType,
  ConfigValues,
  FeatureLevels,
  MetadataImage,
  ObjectRange,
  StoredObject,
  Stream,
  Topic,
  TopicId
} from './metadata.ts'
import { type ChangedConfigs, ImageConfigs } from './resource-configs.ts'

/** The present state of what changed; undefined for what is gone. */
export interface ImageUpdate {
  readonly topics: ReadonlyMap<TopicId, Topic | undefined>
  readonly streams: ReadonlyMap<number, Stream | undefined>
  readonly objects: ReadonlyMap<number, StoredObject | undefined>
  /** All ranges of the objects above, by stream and offset. */
  readonly ranges: readonly ObjectRange[]
  /** By entity key. */
  readonly quotas?: ReadonlyMap<string, ClientQuota | undefined>
  readonly features?: FeatureLevels
  /** Of resources that are no topics. */
  readonly configs?: ChangedConfigs
  /** All of them. */
  readonly nodes?: ReadonlyMap<number, ClusterNode>
}

const NO_RANGES: readonly ObjectRange[] = []

export class Image implements MetadataImage {
  readonly #topics = new Map<TopicId, Topic>()
  readonly #topicsByName = new Map<string, Topic>()
  readonly #streams = new Map<number, Stream>()
  readonly #objects = new Map<number, StoredObject>()
  /** By stream; none is empty. */
  readonly #ranges = new Map<number, StreamRanges>()
  /** By object, of the same ranges; none is empty. */
  readonly #rangesOf = new Map<number, readonly ObjectRange[]>()
  readonly #configs = new ImageConfigs()
  #quotas: ReadonlyMap<string, ClientQuota> = new Map()
  #features: FeatureLevels = { epoch: 0, levels: new Map() }
  #nodes: ReadonlyMap<number, ClusterNode> = new Map()
  #topicsRevision = 0

  topic(name: string): Topic | undefined {
    return this.#topicsByName.get(name)
  }

  topicById(id: TopicId): Topic | undefined {
    return this.#topics.get(id)
  }

  get topicsRevision(): number {
    return this.#topicsRevision
  }

  topics(): Iterable<Topic> {
    return this.#topics.values()
  }

  stream(streamId: number): Stream | undefined {
    return this.#streams.get(streamId)
  }

  streams(): Iterable<Stream> {
    return this.#streams.values()
  }

  object(objectId: number): StoredObject | undefined {
    return this.#objects.get(objectId)
  }

  objects(): Iterable<StoredObject> {
    return this.#objects.values()
  }

  ranges(streamId: number): readonly ObjectRange[] {
    return this.#ranges.get(streamId)?.list ?? NO_RANGES
  }

  rangesOf(objectId: number): readonly ObjectRange[] {
    return this.#rangesOf.get(objectId) ?? NO_RANGES
  }

  findTimestamp(streamId: number, timestamp: number, fromOffset: number): ObjectRange | undefined {
    return this.#ranges.get(streamId)?.findTimestamp(timestamp, fromOffset)
  }

  maxTimestamp(streamId: number, fromOffset: number): number {
    return this.#ranges.get(streamId)?.maxTimestamp(fromOffset) ?? -1
  }

  clientQuotas(): ReadonlyMap<string, ClientQuota> {
    return this.#quotas
  }

  featureLevels(): FeatureLevels {
    return this.#features
  }

  configs(type: ConfiguredType): ReadonlyMap<string, ConfigValues> {
    return this.#configs.get(type)
  }

  nodes(): ReadonlyMap<number, ClusterNode> {
    return this.#nodes
  }

  /** Forgets everything, then applies the update. */
  replace(update: ImageUpdate): void {
    this.#topics.clear()
    this.#topicsByName.clear()
    this.#streams.clear()
    this.#objects.clear()
    this.#ranges.clear()
    this.#rangesOf.clear()
    this.#configs.clear()
    this.#quotas = new Map()
    this.#topicsRevision++
    this.apply(update)
  }

  apply(update: ImageUpdate): void {
    this.#applyTopics(update.topics)
    this.#applyObjects(update.objects, update.ranges)
    const gone = this.#putRanges(update.ranges)
    for (const [id, stream] of update.streams) {
      if (stream === undefined) this.#streams.delete(id)
      else this.#streams.set(id, stream)
      const ranges = this.#ranges.get(id)
      if (ranges === undefined) continue
      for (const range of ranges.dropBefore(stream?.startOffset ?? Number.POSITIVE_INFINITY)) gone.add(range)
      if (ranges.list.length === 0) this.#ranges.delete(id)
    }
    this.#forget(gone)
    this.#applyQuotas(update.quotas ?? new Map())
    if (update.features !== undefined) this.#features = update.features
    if (update.nodes !== undefined) this.#nodes = update.nodes
    if (update.configs !== undefined) this.#configs.apply(update.configs)
  }

  #applyQuotas(changed: ReadonlyMap<string, ClientQuota | undefined>): void {
    if (changed.size === 0) return
    const quotas = new Map(this.#quotas)
    for (const [key, quota] of changed) {
      if (quota === undefined) quotas.delete(key)
      else quotas.set(key, quota)
    }
    this.#quotas = quotas
  }

  #applyTopics(topics: ImageUpdate['topics']): void {
    if (topics.size > 0) this.#topicsRevision++
    // Removals first: a name may have gone from one topic to another within one update.
    for (const [id, topic] of topics) {
      if (topic !== undefined) continue
      const old = this.#topics.get(id)
      this.#topics.delete(id)
      if (old !== undefined) this.#topicsByName.delete(old.name)
    }
    for (const [id, topic] of topics) {
      if (topic === undefined) continue
      this.#topics.set(id, topic)
      this.#topicsByName.set(topic.name, topic)
    }
  }

  #applyObjects(objects: ImageUpdate['objects'], ranges: readonly ObjectRange[]): void {
    for (const [id, object] of objects) {
      this.#rangesOf.delete(id)
      if (object === undefined) this.#objects.delete(id)
      else this.#objects.set(id, object)
    }
    const held = new Map<number, ObjectRange[]>()
    for (const range of ranges) {
      const others = held.get(range.objectId)
      if (others === undefined) held.set(range.objectId, [range])
      else others.push(range)
    }
    for (const [id, list] of held) this.#rangesOf.set(id, list)
  }

  /** Returns the ranges that were replaced. */
  #putRanges(ranges: readonly ObjectRange[]): Set<ObjectRange> {
    const replaced = new Set<ObjectRange>()
    for (let start = 0; start < ranges.length; ) {
      const streamId = ranges[start]?.streamId ?? -1
      let end = start + 1
      while (ranges[end]?.streamId === streamId) end += 1
      let known = this.#ranges.get(streamId)
      if (known === undefined) {
        known = new StreamRanges()
        this.#ranges.set(streamId, known)
      }
      for (const range of known.put(ranges.slice(start, end))) replaced.add(range)
      this.#extend(streamId, known.endOffset)
      start = end
    }
    return replaced
  }

  /**
   * Moves a stream's end along with its ranges. Uploads announce their objects, and streams only when none of their ranges
   * matters: an end moves with the range that leads there, and whatever takes that range away later comes with the
   * stream (a trim, its deletion) or with a range that ends there as well (a compaction).
   */
  #extend(streamId: number, endOffset: number): void {
    const stream = this.#streams.get(streamId)
    if (stream !== undefined && stream.endOffset < endOffset) this.#streams.set(streamId, { ...stream, endOffset })
  }

  /** Takes ranges from the objects that held them. */
  #forget(gone: ReadonlySet<ObjectRange>): void {
    const holders = new Set<number>()
    for (const range of gone) holders.add(range.objectId)
    for (const id of holders) {
      const kept = this.#rangesOf.get(id)?.filter((range) => !gone.has(range)) ?? NO_RANGES
      if (kept.length === 0) this.#rangesOf.delete(id)
      else this.#rangesOf.set(id, kept)
    }
  }
}
