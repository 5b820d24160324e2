import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { pieces } from './compose-contract.ts'
import type { Piece } from './object-store.ts'
import { type PartLimits, type PlannedPart, planParts, type Source } from './part-planner.ts'

/** Small numbers stand for megabytes. */
const limits: PartLimits = { partBytesMin: 5, partBytes: 8, copyBytesMax: 20 }
const stored: Readonly<Record<string, Buffer>> = {
  a: Buffer.from(Array.from({ length: 100 }, (_, index) => index)),
  b: Buffer.from(Array.from({ length: 100 }, (_, index) => 100 + index))
}

async function plan(...all: readonly Piece[]): Promise<PlannedPart[]> {
  const parts: PlannedPart[] = []
  for await (const part of planParts(pieces(...all), limits)) parts.push(part)
  return parts
}

const bytesOf = (source: Source): Buffer =>
  Buffer.isBuffer(source)
    ? source
    : (stored[source.key] ?? Buffer.alloc(0)).subarray(source.range.start, source.range.end)
const partBytes = (part: PlannedPart): Buffer =>
  part.kind === 'copy' ? bytesOf(part.source) : Buffer.concat(part.sources.map(bytesOf))
const copy = (key: string, start: number, end: number) => ({ key, range: { start, end } })
const shape = (parts: readonly PlannedPart[]) => parts.map(({ kind, size }) => `${kind} ${size}`)

test('large ranges are copied, small ones gathered with the bytes around them', async () => {
  assert.deepEqual(shape(await plan(copy('a', 0, 20))), ['copy 20'])
  assert.deepEqual(shape(await plan(copy('a', 0, 3), copy('b', 0, 2))), ['upload 5'])
  assert.deepEqual(shape(await plan({ parts: [Buffer.alloc(6)] }, copy('a', 0, 9))), ['upload 6', 'copy 9'])
})

test('too few bytes before a large range borrow from its head', async () => {
  const parts = await plan({ parts: [Buffer.alloc(2)] }, copy('a', 10, 30))
  assert.deepEqual(shape(parts), ['upload 5', 'copy 17'])
  assert.deepEqual(parts[1], { kind: 'copy', source: copy('a', 13, 30), size: 17 })
  assert.deepEqual(shape(await plan({ parts: [Buffer.alloc(2)] }, copy('a', 0, 8))), ['upload 10'])
})

test('copies above the limit of one request are shared out evenly', async () => {
  assert.deepEqual(shape(await plan(copy('a', 0, 41))), ['copy 14', 'copy 14', 'copy 13'])
})

test('neighbouring small ranges of one object are read together', async () => {
  const parts = await plan(copy('a', 0, 2), copy('a', 2, 4), copy('a', 5, 6))
  assert.deepEqual(parts, [{ kind: 'upload', sources: [copy('a', 0, 4), copy('a', 5, 6)], size: 5 }])
})

test('nothing makes no part', async () => {
  assert.deepEqual(await plan(), [])
  assert.deepEqual(await plan({ parts: [Buffer.alloc(0)] }), [])
})

test('the parts are the pieces, and all but the last are large enough and none too large', async () => {
  const bytes = fc.array(
    fc.uint8Array({ maxLength: 30 }).map((array) => Buffer.from(array)),
    { maxLength: 4 }
  )
  const range = fc
    .tuple(fc.constantFrom('a', 'b'), fc.nat(99), fc.nat(99))
    .map(([key, from, to]) => copy(key, Math.min(from, to), Math.max(from, to) + 1))
  const piece: fc.Arbitrary<Piece> = fc.oneof(
    bytes.map((parts) => ({ parts })),
    range
  )
  await fc.assert(
    fc.asyncProperty(fc.array(piece), async (all) => {
      const parts = await plan(...all)
      const expected = all.flatMap((one) => ('key' in one ? [bytesOf(one)] : one.parts))
      assert.deepEqual(Buffer.concat(parts.map(partBytes)), Buffer.concat(expected))
      parts.forEach((part, index) => {
        assert.equal(partBytes(part).length, part.size)
        if (index < parts.length - 1) assert.ok(part.size >= limits.partBytesMin, `part of ${part.size}`)
        if (part.kind === 'copy') assert.ok(part.size <= limits.copyBytesMax)
        // Less than a part is gathered, and one more range comes on top: too small to copy after what it lent.
        else assert.ok(part.size < limits.partBytes + 2 * limits.partBytesMin, `part of ${part.size}`)
      })
    })
  )
})
