import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { MaxTree } from './max-tree.ts'

type Step = { readonly push: number; readonly value: number } | { readonly drop: number }

/** Runs of one value, rising or falling, so that trees of several levels appear in few steps. */
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ push: fc.integer({ min: 1, max: 3000 }), value: fc.integer() }) },
  { weight: 2, arbitrary: fc.record({ drop: fc.integer({ min: 0, max: 4000 }) }) }
)

/** Deterministic values that neither rise nor fall for long. */
const scattered = (seed: number, index: number): number => (Math.imul(seed + index, 0x9e3779b1) >>> 0) % 10_000

function assertLike(tree: MaxTree, model: readonly number[], from: number): void {
  const rest = model.slice(from)
  const max = rest.reduce((a, b) => Math.max(a, b), -Infinity)
  assert.equal(tree.size, model.length)
  assert.equal(tree.maxFrom(from), max)
  for (const value of [-1, max - 50, max, max + 1, rest[rest.length >> 1] ?? 7]) {
    const index = rest.findIndex((each) => each >= value)
    assert.equal(tree.firstAtLeast(value, from), index < 0 ? -1 : index + from, `first at least ${value} from ${from}`)
  }
}

test('a tree answers like a plain array whatever was pushed and dropped', () => {
  const property = fc.property(
    fc.array(stepArbitrary, { maxLength: 12 }),
    fc.array(fc.nat(10_000)),
    (steps, places) => {
      const tree = new MaxTree()
      let model: number[] = []
      for (const step of steps) {
        if ('drop' in step) {
          tree.dropFirst(step.drop)
          model = model.slice(step.drop)
        } else {
          for (let i = 0; i < step.push; i++) {
            tree.push(scattered(step.value, i))
            model.push(scattered(step.value, i))
          }
        }
        for (const place of [0, 1, 63, 64, 65, 4096, ...places]) assertLike(tree, model, place)
      }
    }
  )
  fc.assert(property, { numRuns: 60 })
})

test('three levels: the first and the last of 300 000 values are found', () => {
  const tree = new MaxTree()
  for (let i = 0; i < 300_000; i++) tree.push(i)
  assert.equal(tree.firstAtLeast(0, 0), 0)
  assert.equal(tree.firstAtLeast(299_999, 5), 299_999)
  assert.equal(tree.firstAtLeast(300_000, 0), -1)
  assert.equal(tree.firstAtLeast(3, 270_000), 270_000)
  tree.dropFirst(150_001)
  assert.equal(tree.firstAtLeast(299_999, 0), 149_998)
  assert.equal(tree.maxFrom(149_999), -Infinity)
})

test('values that were dropped are not found, also while their block lives on', () => {
  const tree = new MaxTree()
  tree.push(1000)
  for (let i = 0; i < 500; i++) tree.push(i)
  tree.dropFirst(1)
  assert.equal(tree.maxFrom(0), 499)
  assert.equal(tree.firstAtLeast(500, 0), -1)
})

test('a tree through which many values pass holds memory for those that are in it', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const tree = new MaxTree()
  collect()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < 2_000_000; i++) {
    tree.push(i + 0.5)
    if (tree.size > 1000) tree.dropFirst(1)
  }
  collect()
  // 16 MB of values went through it.
  assert.ok(process.memoryUsage().heapUsed - before < 2_000_000)
  assert.equal(tree.maxFrom(0), 1_999_999.5)
  assert.equal(tree.size, 1000)
})
