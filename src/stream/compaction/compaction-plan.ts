/**
 * What to compact next. Pure: it reads the image and decides; `compactor.ts` acts.
 *
 * An object lives in one of two worlds. *Young* are stream sets, and objects too small to stand alone. They merge with their
 * neighbours in the order in which they were written; a stream with `ownBytes` in such a merge leaves it for an object of
 * its own, as does one with `agedOwnBytes` in a set that has become old. *Grown* are the objects of one stream that this
 * yields (or a large upload), and they merge with the neighbours in their stream. Nothing ever goes back.
 *
 * Why this is bounded (`merge-window.ts` has the rule): a byte is rewritten at most log(setBytesMax / upload, growth)
 * times as young, once when it grows up, and log(objectBytesMax / agedOwnBytes, growth) times as grown. Objects are fewer
 * than `fanIn` per order of magnitude and stream, plus one per `objectBytesMax / growth` bytes.
 *
 * Streams that are small for good stay in sets for good: an object for each would cost more requests than reading
 * them from a set of up to `setBytesMax` ever does. What remains of an old set merges on, so they need not be small in it.
 *
 * An object that holds much that nobody needs is written anew (*purge*): at once when that is more than half of it, else
 * when it is old, so that the bytes of deleted streams go for good.
 */
import type { MetadataImage, ObjectRange, StoredObject } from '../../metadata/metadata.ts'
import { firstIndexWhere } from '../objects/binary-search.ts'
import { findMerge, type MergeLimits, mayMerge } from './merge-window.ts'
import { inWriteOrder } from './write-order.ts'

const KiB = 1024
const MiB = 1024 * KiB
const HOUR_MS = 3_600_000

export interface CompactionLimits {
  /** Neighbours that are merged at least. Doubling it makes for more, smaller objects and fewer bytes rewritten. */
  readonly fanIn: number
  /** How many times larger the result must be than the largest that is merged. */
  readonly growth: number
  /** A stream with this much in a merge of sets gets an object of its own. */
  readonly ownBytes: number
  /** A stream with this much in a set older than `splitAgeMs` gets an object of its own. At most `ownBytes`. */
  readonly agedOwnBytes: number
  readonly splitAgeMs: number
  /** Sets do not merge into larger ones. */
  readonly setBytesMax: number
  /** Objects of one stream do not merge into larger ones. */
  readonly objectBytesMax: number
}

export const COMPACTION_LIMITS: CompactionLimits = {
  fanIn: 8,
  growth: 4,
  ownBytes: 8 * MiB,
  agedOwnBytes: MiB,
  splitAgeMs: 6 * HOUR_MS,
  setBytesMax: 1024 * MiB,
  objectBytesMax: 512 * MiB
}

/** Objects that one merge reads: each takes a buffer. */
const SOURCES_MAX = 64
/** Objects that one split writes: it must be committed long before its objects count as orphans. */
const SPLIT_OBJECTS_MAX = 64
/** Less than this is not worth an object. */
const PURGE_BYTES_MIN = MiB
/** Purges in one plan. */
const PURGES_MAX = 256

/** An old object of one stream that holds at least 1/64 of other bytes is looked at. */
const SUSPICIOUS_PART = 64

/** One commit: every output becomes an object that takes the place of its ranges. */
export interface CompactionJob {
  readonly kind: 'merge sets' | 'merge stream' | 'split' | 'purge'
  readonly profile: string
  /** Each sorted by stream, then offset; those of a stream are adjacent, over all outputs. */
  readonly outputs: readonly (readonly ObjectRange[])[]
}

export interface CompactionView {
  readonly image: Pick<MetadataImage, 'objects' | 'object' | 'rangesOf' | 'ranges'>
  /** Wall milliseconds. */
  readonly now: number
  /** Whether this node compacts the stream; an object is compacted by who has the first stream in it. */
  readonly owns: (streamId: number) => boolean
  /** Objects that must not be touched: they are damaged. */
  readonly leftOut: (objectId: number) => boolean
  /** Whether the object that has these ranges (as the image hands them out) is known to hold hardly anything else. */
  readonly isPure: (ranges: readonly ObjectRange[]) => boolean
}

/** A committed object, and what it holds that is still needed. */
interface Held {
  readonly object: StoredObject
  readonly ranges: readonly ObjectRange[]
  /** Payload bytes of the ranges. */
  readonly bytes: number
  readonly isSet: boolean
}

/** Jobs to run one after the other, none when nothing is worth doing. When one fails, plan anew. */
export function planCompaction(view: CompactionView, limits: CompactionLimits): readonly CompactionJob[] {
  return new Planner(view, limits).plan()
}

class Planner {
  readonly #view: CompactionView
  readonly #limits: CompactionLimits
  readonly #held = new Map<number, Held>()
  readonly #young = new Set<number>()

  constructor(view: CompactionView, limits: CompactionLimits) {
    this.#view = view
    this.#limits = limits
    for (const object of view.image.objects()) {
      const ranges = view.image.rangesOf(object.id)
      const first = ranges[0]
      if (first === undefined || !view.owns(first.streamId) || view.leftOut(object.id)) continue
      const isSet = first.streamId !== ranges.at(-1)?.streamId
      this.#held.set(object.id, { object, ranges, bytes: sumOf(ranges), isSet })
    }
    for (const [id, held] of this.#held) if (this.#isYoung(held)) this.#young.add(id)
  }

  plan(): readonly CompactionJob[] {
    return this.#mergeStreams() ?? this.#mergeSets() ?? this.#split() ?? this.#purge() ?? []
  }

  #isYoung(held: Held): boolean {
    return held.isSet || (held.bytes < this.#limits.agedOwnBytes && !this.#isEnclosed(held.ranges, held.object.profile))
  }

  /** A grown object, or one of somebody else: nothing that a merge of young ones could join. */
  #isWall(range: ObjectRange | undefined, profile: string): boolean {
    if (range === undefined) return false
    const held = this.#held.get(range.objectId)
    if (held === undefined || held.object.profile !== profile) return true
    return !held.isSet && held.bytes >= this.#limits.agedOwnBytes
  }

  /** Small and alone between walls: only a merge of its stream can take it along. */
  #isEnclosed(ranges: readonly ObjectRange[], profile: string): boolean {
    const [first, last] = [ranges[0], ranges.at(-1)]
    if (first === undefined || last === undefined) return false
    const [previous, next] = this.#around(first, last)
    return (previous === undefined || this.#isWall(previous, profile)) && this.#isWall(next, profile)
  }

  /** The ranges of the stream before and after these. */
  #around(first: ObjectRange, last: ObjectRange): [ObjectRange | undefined, ObjectRange | undefined] {
    const all = this.#view.image.ranges(first.streamId)
    const at = firstIndexWhere(all.length, (index) => (all[index]?.startOffset ?? 0) >= first.startOffset)
    const after = firstIndexWhere(all.length, (index) => (all[index]?.startOffset ?? 0) > last.startOffset)
    return [all[at - 1], all[after]]
  }

  #mergeStreams(): CompactionJob[] | undefined {
    const grown = new Map<number, number>()
    for (const [id, { ranges, bytes }] of this.#held) {
      const streamId = ranges[0]?.streamId
      if (streamId === undefined || this.#young.has(id) || this.#isFull(bytes)) continue
      grown.set(streamId, (grown.get(streamId) ?? 0) + 1)
    }
    for (const [streamId, count] of grown) {
      const job = count < this.#limits.fanIn ? undefined : this.#mergeStream(streamId)
      if (job !== undefined) return [job]
    }
    return undefined
  }

  #isFull(bytes: number): boolean {
    return bytes > this.#limits.objectBytesMax / this.#limits.growth
  }

  #mergeStream(streamId: number): CompactionJob | undefined {
    for (const stretch of this.#stretches(streamId)) {
      const neighbours = stretch.map(({ objectId, bytes }) => ({ bytes, counts: !this.#young.has(objectId) }))
      const job = findMerge(neighbours, this.#merge(this.#limits.objectBytesMax), (start, end): CompactionJob => {
        const outputs = [stretch.slice(start, end)]
        return { kind: 'merge stream', profile: this.#profileOf(stretch[start]), outputs }
      })
      if (job !== undefined) return job
    }
    return undefined
  }

  /** A stream's ranges between those that cannot be merged. */
  #stretches(streamId: number): ObjectRange[][] {
    const stretches: ObjectRange[][] = [[]]
    for (const range of this.#view.image.ranges(streamId)) {
      const last = stretches.at(-1) ?? []
      const held = this.#held.get(range.objectId)
      const profile = last.length === 0 ? undefined : this.#profileOf(last[0])
      if (held === undefined || this.#isFull(range.bytes)) stretches.push([])
      else if (profile !== undefined && held.object.profile !== profile) stretches.push([range])
      else last.push(range)
    }
    return stretches
  }

  #profileOf(range: ObjectRange | undefined): string {
    return this.#held.get(range?.objectId ?? -1)?.object.profile ?? ''
  }

  #merge(bytesMax: number): MergeLimits {
    return { fanIn: this.#limits.fanIn, growth: this.#limits.growth, bytesMax, sourcesMax: SOURCES_MAX }
  }

  #mergeSets(): CompactionJob[] | undefined {
    const profiles = new Map<string, Held[]>()
    for (const [id, held] of this.#held) {
      if (!this.#young.has(id)) continue
      const sets = profiles.get(held.object.profile)
      if (sets === undefined) profiles.set(held.object.profile, [held])
      else sets.push(held)
    }
    for (const [profile, sets] of profiles) {
      const jobs = this.#mergeSetsOf(profile, sets)
      if (jobs !== undefined) return jobs
    }
    return undefined
  }

  #mergeSetsOf(profile: string, sets: readonly Held[]): CompactionJob[] | undefined {
    const { setBytesMax, growth } = this.#limits
    const limits = this.#merge(setBytesMax)
    const isFull = ({ bytes }: Held): boolean => bytes > setBytesMax / growth
    // The order costs much more than this look.
    const sizes = sets.filter((set) => !isFull(set)).map(({ bytes }) => bytes)
    if (!mayMerge(sizes, limits)) return undefined
    for (const stretch of splitAt(inWriteOrder(sets), isFull)) {
      const neighbours = stretch.map(({ bytes }) => ({ bytes, counts: true }))
      const jobs = findMerge(neighbours, limits, (start, end) => this.#joinSets(profile, stretch.slice(start, end)))
      if (jobs !== undefined) return jobs
    }
    return undefined
  }

  /**
   * One set in the place of several. Where something else lies between a stream's ranges, the parts cannot join: the
   * largest goes along with the others, and the rest become objects of their own that wait for a merge of the stream.
   */
  #joinSets(profile: string, sets: readonly Held[]): CompactionJob[] | undefined {
    const rest: ObjectRange[] = []
    const own: ObjectRange[][] = []
    const further: ObjectRange[][][] = []
    let stillYoung = 1
    for (const ranges of byStream(sets).values()) {
      const [largest = [], ...others] = runsOf(ranges).sort((a, b) => sumOf(b) - sumOf(a))
      if (sumOf(largest) >= this.#limits.ownBytes) own.push(largest)
      else rest.push(...largest)
      for (const [index, run] of others.entries()) {
        further[index] = [...(further[index] ?? []), run]
        if (sumOf(run) < this.#limits.agedOwnBytes && !this.#isEnclosed(run, profile)) stillYoung++
      }
    }
    // Otherwise the same parts would be merged again and again.
    if (sets.length - stillYoung < Math.min(this.#limits.fanIn, sets.length) / 2) return undefined
    const outputs = rest.length === 0 ? own : [rest, ...own]
    return [outputs, ...further].map((each) => ({ kind: 'merge sets', profile, outputs: each }))
  }

  /** What stays in the set is not written anew: should it be the lesser part, a purge is next. */
  #split(): CompactionJob[] | undefined {
    const { agedOwnBytes } = this.#limits
    for (const { object, ranges, isSet } of this.#held.values()) {
      if (!isSet || !this.#isAged(object)) continue
      const large = ranges.filter(({ bytes }) => bytes >= agedOwnBytes).slice(0, SPLIT_OBJECTS_MAX)
      if (large.length > 0) {
        return [{ kind: 'split', profile: object.profile, outputs: large.map((range) => [range]) }]
      }
    }
    return undefined
  }

  /** Several at once: each may turn out to be pure, and planning looks at everything. */
  #purge(): CompactionJob[] | undefined {
    const jobs: CompactionJob[] = []
    for (const { object, ranges, bytes, isSet } of this.#held.values()) {
      // Counts the headers of blocks and entries as well, which is why the compactor looks before it acts.
      const other = object.bytes - bytes
      const mostlyDead = other * 2 > object.bytes && other >= PURGE_BYTES_MIN
      const suspect = mostlyDead || (this.#isAged(object) && (isSet || other * SUSPICIOUS_PART > object.bytes))
      if (!suspect || this.#view.isPure(ranges)) continue
      jobs.push({ kind: 'purge', profile: object.profile, outputs: [ranges] })
      if (jobs.length === PURGES_MAX) break
    }
    return jobs.length > 0 ? jobs : undefined
  }

  #isAged({ since }: StoredObject): boolean {
    return this.#view.now - since >= this.#limits.splitAgeMs
  }
}

/** The sets' ranges of each stream by offset, streams by id. */
function byStream(sets: readonly Held[]): Map<number, ObjectRange[]> {
  const all = sets.flatMap(({ ranges }) => ranges)
  all.sort((a, b) => a.streamId - b.streamId || a.startOffset - b.startOffset)
  const streams = new Map<number, ObjectRange[]>()
  for (const range of all) {
    const ranges = streams.get(range.streamId)
    if (ranges === undefined) streams.set(range.streamId, [range])
    else ranges.push(range)
  }
  return streams
}

/** Adjacent ranges together. */
function runsOf(ranges: readonly ObjectRange[]): ObjectRange[][] {
  const runs: ObjectRange[][] = []
  for (const range of ranges) {
    const run = runs.at(-1)
    if (run?.at(-1)?.endOffset === range.startOffset) run.push(range)
    else runs.push([range])
  }
  return runs
}

function splitAt<T>(all: readonly T[], isBorder: (one: T) => boolean): T[][] {
  const stretches: T[][] = [[]]
  for (const one of all) {
    if (isBorder(one)) stretches.push([])
    else stretches.at(-1)?.push(one)
  }
  return stretches
}

function sumOf(ranges: readonly ObjectRange[]): number {
  let bytes = 0
  for (const range of ranges) bytes += range.bytes
  return bytes
}
