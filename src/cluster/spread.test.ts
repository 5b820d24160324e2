import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { spreadOver } from './spread.ts'

const loadOf = ({ load }: { readonly load: number }): number => load

const counts = (receivers: ReadonlyMap<unknown, number>): Map<number, number> => {
  const result = new Map<number, number>()
  for (const id of receivers.values()) result.set(id, (result.get(id) ?? 0) + 1)
  return result
}

test('every partition gets one of the survivors, and no survivor more than one above another', () => {
  const survivor = fc.record({ id: fc.nat(50), load: fc.nat(1000) })
  const property = fc.property(
    fc.array(fc.record({ load: fc.nat(100) }), { maxLength: 40 }),
    fc.uniqueArray(survivor, { minLength: 1, maxLength: 8, selector: ({ id }) => id }),
    (partitions, survivors) => {
      const receivers = spreadOver(partitions, survivors, loadOf)
      assert.deepEqual(new Set(receivers.keys()), new Set(partitions))
      const each = survivors.map(({ id }) => counts(receivers).get(id) ?? 0)
      assert.equal(
        each.reduce((sum, count) => sum + count, 0),
        partitions.length
      )
      assert.ok(Math.max(...each) - Math.min(...each) <= 1)
      const again = spreadOver(partitions, [...survivors].reverse(), loadOf)
      assert.deepEqual(
        partitions.map((one) => again.get(one)),
        partitions.map((one) => receivers.get(one))
      )
    }
  )
  fc.assert(property, { numRuns: 100 })
})

test('the one partition over goes to the survivor with less load', () => {
  const survivors = [{ id: 1, load: 9 }, { id: 2, load: 1 }, { id: 3, load: 5 }] // biome-ignore format: one line
  const partitions = Array.from({ length: 4 }, () => ({}))
  assert.equal(counts(spreadOver(partitions, survivors)).get(2), 2)
})

test('heavy partitions go to different survivors', () => {
  const partitions = [{ load: 1 }, { load: 100 }, { load: 1 }, { load: 100 }]
  const receivers = spreadOver(partitions, [{ id: 1 }, { id: 2 }], loadOf)
  const heavy = partitions.filter(({ load }) => load === 100).map((one) => receivers.get(one))
  assert.deepEqual(new Set(heavy), new Set([1, 2]))
})

test('somebody must be left', () => {
  assert.throws(() => spreadOver([{}], []), /nobody is left/)
})
