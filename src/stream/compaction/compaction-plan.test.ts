import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Image } from '../../metadata/image.ts'
import type { ObjectRange, StoredObject } from '../../metadata/metadata.ts'
import { seededRandom } from '../../runtime/random.ts'
import { CompactionModel } from './compaction-model-fixture.ts'
import { COMPACTION_LIMITS, type CompactionJob, type CompactionView, planCompaction } from './compaction-plan.ts'
import { inWriteOrder } from './write-order.ts'

const KiB = 1024
const MiB = 1024 * KiB
const GB = 1_000_000_000
const HOUR_MS = 3_600_000

/** The default limits a thousand times smaller. */
const SMALL_LIMITS = {
  ...COMPACTION_LIMITS,
  ownBytes: 8 * KiB,
  agedOwnBytes: KiB,
  setBytesMax: 1024 * KiB,
  objectBytesMax: 512 * KiB
}
/** A merge that its limits cut short makes something at least this much larger. */
const GROWTH_MIN = COMPACTION_LIMITS.growth - 1

interface Given {
  readonly id: number
  /** Bytes that nobody needs. */
  readonly dead?: number
  readonly profile?: string
  readonly ageMs?: number
  /** [stream, start, bytes]: offsets are bytes. */
  readonly ranges: readonly (readonly [streamId: number, startOffset: number, bytes: number])[]
}

function viewOf(given: readonly Given[], differs: Partial<CompactionView> = {}): CompactionView {
  const image = new Image()
  const objects = new Map<number, StoredObject>()
  const ranges: ObjectRange[] = []
  const now = 100 * HOUR_MS
  for (const { id, dead = 0, profile = 'default', ageMs = 0, ranges: held } of given) {
    const bytes = held.reduce((sum, [, , size]) => sum + size, dead)
    objects.set(id, { id, key: `${id}`, bytes, profile, since: now - ageMs })
    for (const [streamId, startOffset, size] of held) {
      ranges.push({ objectId: id, streamId, startOffset, endOffset: startOffset + size, bytes: size, maxTimestamp: -1 })
    }
  }
  ranges.sort((a, b) => a.streamId - b.streamId || a.startOffset - b.startOffset)
  image.apply({ topics: new Map(), streams: new Map(), objects, ranges })
  return { image, now, owns: () => true, leftOut: () => false, isPure: () => false, ...differs }
}

function plan(given: readonly Given[], differs?: Partial<CompactionView>): readonly CompactionJob[] {
  return planCompaction(viewOf(given, differs), COMPACTION_LIMITS)
}

/** What a job says, as object ids per output. */
function sourcesOf(job: CompactionJob | undefined): number[][] {
  return (job?.outputs ?? []).map((ranges) => [...new Set(ranges.map(({ objectId }) => objectId))])
}

/** Sets of streams 1 and 2, `bytes` of each, one after the other. */
function sets(count: number, bytes: number, profile = 'default'): Given[] {
  return Array.from({ length: count }, (_, at) => ({
    id: at + 1,
    profile,
    ranges: [
      [1, at * bytes, bytes],
      [2, at * bytes, bytes]
    ]
  }))
}

describe('the compaction plan', () => {
  it('leaves fewer sets than the fan-in alone, and merges as many into one', () => {
    assert.deepEqual(plan(sets(7, 100 * KiB)), [])
    const [job, ...others] = plan(sets(8, 100 * KiB))
    assert.equal(job?.kind, 'merge sets')
    assert.deepEqual(sourcesOf(job), [[1, 2, 3, 4, 5, 6, 7, 8]])
    assert.deepEqual(others, [])
  })

  it('gives a stream with much data in merged sets an object of its own', () => {
    const given = sets(8, 100 * KiB).map((set, at) => ({
      ...set,
      ranges: [...set.ranges, [3, at * MiB, MiB] as const]
    }))
    const [job] = plan(given)
    assert.deepEqual(
      job?.outputs.map((ranges) => [...new Set(ranges.map(({ streamId }) => streamId))]),
      [[1, 2], [3]]
    )
  })

  it('never mixes profiles, touches what is left out, or what another node compacts', () => {
    const mixed = sets(8, 100 * KiB).map((set) => ({ ...set, profile: set.id % 2 === 0 ? 'eu' : 'us' }))
    assert.deepEqual(plan(mixed), [])
    assert.deepEqual(plan(sets(8, 100 * KiB), { leftOut: (id) => id === 5 }), [])
    assert.deepEqual(plan(sets(8, 100 * KiB), { owns: (streamId) => streamId !== 1 }), [])
  })

  it('merges neighbours of one stream, with what lies between them in sets', () => {
    const given: Given[] = Array.from({ length: 8 }, (_, at) => ({ id: at + 1, ranges: [[1, at * 9 * MiB, 8 * MiB]] }))
    const between: Given[] = Array.from({ length: 7 }, (_, at) => ({
      id: at + 11,
      ranges: [
        [1, (at * 9 + 8) * MiB, MiB],
        [2, at * MiB, MiB]
      ]
    }))
    const [job] = plan([...given, ...between])
    assert.equal(job?.kind, 'merge stream')
    assert.deepEqual(sourcesOf(job), [[1, 11, 2, 12, 3, 13, 4, 14, 5, 15, 6, 16, 7, 17, 8]])
  })

  it('does not write a large object anew for the sake of small ones', () => {
    const given: Given[] = [
      { id: 1, ranges: [[1, 0, 100 * MiB]] },
      ...Array.from({ length: 7 }, (_, at): Given => ({ id: at + 2, ranges: [[1, (100 + at) * MiB, MiB]] }))
    ]
    assert.deepEqual(plan(given), [])
  })

  it('gives the parts of a stream that cannot join objects of their own, in commits of their own', () => {
    const given = sets(8, 100 * KiB).map((set, at): Given => {
      return { ...set, ranges: [...set.ranges, [3, at * 9 * MiB, 10 * KiB]] }
    })
    const walls = given.map(
      (_, at): Given => ({ id: at + 20, ranges: [[3, at * 9 * MiB + 10 * KiB, 9 * MiB - 10 * KiB]] })
    )
    const [first, ...further] = plan([...given, ...walls.slice(0, 7)], { leftOut: (id) => id >= 20 })
    assert.deepEqual(sourcesOf(first), [[1, 2, 3, 4, 5, 6, 7, 8]])
    assert.equal(further.length, 7)
    for (const job of further) assert.equal(job.outputs.flat().length, 1)
  })

  it('does not merge parts of which none can join another', () => {
    const apart = Array.from({ length: 8 }, (_, at): Given => ({ id: at + 1, ranges: [[1, at * 2 * KiB, KiB]] }))
    assert.deepEqual(plan(apart), [])
    const together = Array.from({ length: 8 }, (_, at): Given => ({ id: at + 1, ranges: [[1, at * KiB, KiB]] }))
    assert.equal(plan(together).length, 1)
  })

  it('splits a set once it is old, and leaves small streams in it', () => {
    const young: Given = {
      id: 1,
      ranges: [
        [1, 0, 2 * MiB],
        [2, 0, 100 * KiB],
        [3, 0, MiB]
      ]
    }
    assert.deepEqual(plan([young]), [])
    const [job] = plan([{ ...young, ageMs: 7 * HOUR_MS }])
    assert.equal(job?.kind, 'split')
    assert.deepEqual(
      job?.outputs.map((ranges) => ranges.map(({ streamId }) => streamId)),
      [[1], [3]]
    )
  })

  it('writes an object anew when most of it is dead, or when it is old and not known to be pure', () => {
    const ranges = [
      [1, 0, 100 * KiB],
      [2, 0, 100 * KiB]
    ] as const
    assert.equal(plan([{ id: 1, dead: 2 * MiB, ranges }])[0]?.kind, 'purge')
    assert.deepEqual(plan([{ id: 1, dead: 100 * KiB, ranges }]), [])
    assert.equal(plan([{ id: 1, ageMs: 7 * HOUR_MS, ranges }])[0]?.kind, 'purge')
    assert.deepEqual(plan([{ id: 1, dead: 2 * MiB, ageMs: 7 * HOUR_MS, ranges }], { isPure: () => true }), [])
  })

  it('knows the order of sets from their offsets, whatever their ids', () => {
    const range = (streamId: number, startOffset: number) => ({ streamId, startOffset }) as ObjectRange
    const holders = [
      { object: { id: 9 }, ranges: [range(1, 0), range(2, 0)] },
      { object: { id: 1 }, ranges: [range(2, 10)] },
      { object: { id: 2 }, ranges: [range(1, 5), range(2, 20)] },
      { object: { id: 3 }, ranges: [range(4, 0)] }
    ]
    assert.deepEqual(
      inWriteOrder(holders).map(({ object }) => object.id),
      [9, 1, 2, 3]
    )
  })
})

describe('compaction of whatever is uploaded', () => {
  const steps = fc.array(
    fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          streams: fc.dictionary(fc.integer({ min: 1, max: 6 }).map(String), fc.integer({ min: 0, max: 15 }), {
            maxKeys: 6
          }),
          repeat: fc.integer({ min: 1, max: 30 })
        })
      },
      { weight: 1, arbitrary: fc.constant('age' as const) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 6 }) }
    ),
    { minLength: 1, maxLength: 25 }
  )

  it('ends, loses nothing, and keeps objects and rewritten bytes bounded', () => {
    fc.assert(
      fc.property(steps, fc.boolean(), (given, always) => {
        const model = new CompactionModel(SMALL_LIMITS)
        const deleted = new Set<number>()
        for (const step of given) {
          if (step === 'age') model.now += 7 * HOUR_MS
          else if (typeof step === 'number') {
            deleted.add(step)
            model.delete(step)
          } else {
            for (let i = 0; i < step.repeat; i++) {
              // Sizes of 16 bytes to 512 KiB, evenly over the magnitudes.
              const sizes = Object.entries(step.streams).map(([id, power]): [number, number] => [
                Number(id),
                Math.floor(16 * 2 ** power * (1 + i / step.repeat))
              ])
              model.upload(new Map(sizes.filter(([id]) => !deleted.has(id))))
              if (always) model.compact()
            }
          }
          if (always) model.compact()
        }
        model.compact()
        model.check()
        const { fanIn, setBytesMax, objectBytesMax, growth } = SMALL_LIMITS
        // As young, once on growing up, as grown; and what is purged was rewritten for a reason before.
        const rewrites =
          Math.log(setBytesMax / 16) / Math.log(GROWTH_MIN) + 1 + Math.log(objectBytesMax / 16) / Math.log(GROWTH_MIN)
        assert.ok(model.rewrittenBytes <= model.ingestedBytes * rewrites, `amplification ${model.amplification}`)
        const magnitudes = Math.log2(setBytesMax) + Math.log2(objectBytesMax)
        for (let id = 1; id <= 6; id++) {
          const ranges = model.image.ranges(id)
          const bytes = ranges.at(-1)?.endOffset ?? 0
          const most = 2 * fanIn * magnitudes + (2 * bytes * growth) / objectBytesMax
          assert.ok(ranges.length <= most, `stream ${id} has ${ranges.length} ranges in ${bytes} bytes`)
        }
      }),
      { numRuns: 60 }
    )
  })

  it('costs little more per GB when ten times as much is stored: 100 streams of uneven rates, 32 MiB uploads', () => {
    const model = new CompactionModel(COMPACTION_LIMITS)
    const random = seededRandom(1)
    const shares = Array.from({ length: 100 }, (_, at) => 1 / (at + 1))
    const all = shares.reduce((sum, share) => sum + share)
    const grow = (bytes: number) => {
      while (model.ingestedBytes < bytes) {
        const sizes = shares.map((share): number => Math.floor(((32 * MiB * share) / all) * (0.5 + random.float())))
        model.upload(new Map(sizes.map((size, at) => [at + 1, size])))
        model.now += 10_000
        model.compact()
      }
      model.check()
    }
    grow(GB)
    const early = { amplification: model.amplification, rows: model.rows }
    grow(10 * GB)
    assert.ok(early.amplification < 3 && model.amplification < 3.5, `${early.amplification}, ${model.amplification}`)
    assert.ok(model.rows < 8 * early.rows, `${early.rows} rows, then ${model.rows}`)
    assert.ok(model.objects < 200, `${model.objects} objects`)
    for (let id = 1; id <= 100; id++) assert.ok(model.image.ranges(id).length <= 3 * COMPACTION_LIMITS.fanIn)
  })
})
