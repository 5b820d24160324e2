/** Objects without bytes: uploads and compactions change a real image, and are counted. */
import assert from 'node:assert/strict'
import { Image } from '../../metadata/image.ts'
import type { ObjectRange, StoredObject } from '../../metadata/metadata.ts'
import { type CompactionJob, type CompactionLimits, planCompaction } from './compaction-plan.ts'

const MiB = 1024 * 1024
/** What the executor copies without reading, reads with one GET, and writes with one PUT. */
const COPY_BYTES_MIN = 8 * MiB
const CHUNK_BYTES = 4 * MiB
const PART_BYTES = 16 * MiB

export class CompactionModel {
  readonly image = new Image()
  readonly limits: CompactionLimits
  now = 0
  ingestedBytes = 0
  rewrittenBytes = 0
  puts = 0
  gets = 0
  copies = 0
  readonly jobs = new Map<string, number>()
  readonly #ends = new Map<number, number>()
  #nextId = 1

  constructor(limits: CompactionLimits) {
    this.limits = limits
  }

  /** Offsets are bytes. */
  upload(bytesByStream: ReadonlyMap<number, number>): void {
    const own: ObjectRange[][] = []
    const shared: ObjectRange[] = []
    for (const [streamId, bytes] of [...bytesByStream].sort(([a], [b]) => a - b)) {
      if (bytes === 0) continue
      const startOffset = this.#ends.get(streamId) ?? 0
      const endOffset = startOffset + bytes
      this.#ends.set(streamId, endOffset)
      const range = { objectId: 0, streamId, startOffset, endOffset, bytes, maxTimestamp: -1 }
      if (bytes >= this.limits.ownBytes) own.push([range])
      else shared.push(range)
      this.ingestedBytes += bytes
    }
    const outputs = shared.length > 0 ? [...own, shared] : own
    for (const ranges of outputs) this.puts += partsOf(sum(ranges))
    this.#commit(outputs, [])
  }

  /** Removes the stream. */
  delete(streamId: number): void {
    this.#ends.delete(streamId)
    const holders = new Set(this.image.ranges(streamId).map(({ objectId }) => objectId))
    this.image.apply({ topics: new Map(), streams: new Map([[streamId, undefined]]), objects: new Map(), ranges: [] })
    const gone = [...holders].filter((id) => this.image.rangesOf(id).length === 0)
    this.image.apply({
      topics: new Map(),
      streams: new Map(),
      objects: new Map(gone.map((id) => [id, undefined])),
      ranges: []
    })
  }

  /** Until nothing is left to do; the number of jobs. */
  compact(jobsMax = 10_000): number {
    for (let done = 0; ; ) {
      // Objects hold exactly their ranges here, until one is taken away: that is what a purge looks for.
      const pure = ({ id, bytes }: StoredObject): boolean => bytes === sum(this.image.rangesOf(id))
      const planned = planCompaction(
        {
          image: this.image,
          now: this.now,
          owns: () => true,
          leftOut: () => false,
          isPure: (ranges) => pure(this.image.object(ranges[0]?.objectId ?? -1) as StoredObject)
        },
        this.limits
      )
      if (planned.length === 0) return done
      for (const job of planned) this.#perform(job)
      done += planned.length
      assert.ok(done < jobsMax, `compaction does not end: ${JSON.stringify([...this.jobs])}`)
    }
  }

  /** Every stream is whole, and every object is where its ranges say. */
  check(): void {
    for (const [streamId, end] of this.#ends) {
      let next = 0
      for (const range of this.image.ranges(streamId)) {
        assert.equal(range.startOffset, next, `stream ${streamId} has a hole`)
        assert.ok(this.image.object(range.objectId) !== undefined)
        next = range.endOffset
      }
      assert.equal(next, end)
    }
  }

  get objects(): number {
    return [...this.image.objects()].length
  }

  /** Bytes written per byte ingested. */
  get amplification(): number {
    return 1 + this.rewrittenBytes / this.ingestedBytes
  }

  get rows(): number {
    let rows = 0
    for (const { id } of this.image.objects()) rows += this.image.rangesOf(id).length
    return rows
  }

  #perform(job: CompactionJob): void {
    this.jobs.set(job.kind, (this.jobs.get(job.kind) ?? 0) + 1)
    this.gets += new Set(job.outputs.flat().map(({ objectId }) => objectId)).size
    for (const ranges of job.outputs) {
      const loaded = new Map<number, number>()
      for (const { objectId, bytes } of ranges) {
        if (bytes >= COPY_BYTES_MIN) this.copies++
        else loaded.set(objectId, (loaded.get(objectId) ?? 0) + bytes)
      }
      for (const bytes of loaded.values()) this.gets += Math.ceil(bytes / CHUNK_BYTES)
      this.puts += partsOf([...loaded.values()].reduce((a, b) => a + b, 0))
      this.rewrittenBytes += sum(ranges)
    }
    this.#commit(
      job.outputs.map((ranges) => mergeRanges(ranges)),
      job.outputs.flat()
    )
  }

  #commit(outputs: readonly (readonly ObjectRange[])[], removed: readonly ObjectRange[]): void {
    const objects = new Map<number, StoredObject | undefined>()
    const ranges: ObjectRange[] = []
    for (const output of outputs) {
      const id = this.#nextId++
      objects.set(id, { id, key: `${id}`, bytes: sum(output), profile: 'default', since: this.now })
      for (const range of output) ranges.push({ ...range, objectId: id })
    }
    ranges.sort((a, b) => a.streamId - b.streamId || a.startOffset - b.startOffset)
    this.image.apply({ topics: new Map(), streams: new Map(), objects, ranges })
    const sources = new Set(removed.map(({ objectId }) => objectId))
    const gone = [...sources].filter((id) => this.image.rangesOf(id).length === 0)
    const update = { topics: new Map(), streams: new Map(), ranges: [] }
    this.image.apply({ ...update, objects: new Map(gone.map((id) => [id, undefined])) })
  }
}

function mergeRanges(ranges: readonly ObjectRange[]): ObjectRange[] {
  const merged: ObjectRange[] = []
  for (const range of ranges) {
    const last = merged.at(-1)
    if (last?.streamId !== range.streamId) {
      merged.push(range)
      continue
    }
    assert.equal(last.endOffset, range.startOffset, 'the ranges of a stream in a job are adjacent')
    merged[merged.length - 1] = { ...last, endOffset: range.endOffset, bytes: last.bytes + range.bytes }
  }
  return merged
}

function partsOf(bytes: number): number {
  const parts = Math.max(1, Math.ceil(bytes / PART_BYTES))
  // Begin and complete a multipart upload.
  return parts === 1 ? 1 : parts + 2
}

function sum(ranges: readonly ObjectRange[]): number {
  return ranges.reduce((bytes, range) => bytes + range.bytes, 0)
}
