import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { StateBatch } from './share-state.ts'
import { joinStateBatches } from './state-batches.ts'

const batch = fc
  .record({
    firstOffset: fc.nat(30),
    length: fc.integer({ min: 1, max: 8 }),
    deliveryState: fc.constantFrom(0, 2, 4),
    deliveryCount: fc.integer({ min: 1, max: 4 })
  })
  .map(({ length, ...rest }): StateBatch => ({ ...rest, lastOffset: rest.firstOffset + length - 1 }))

/** What is known of one offset, reckoned the slow way. */
function winner(batches: readonly StateBatch[], offset: number): string | undefined {
  const own = batches.filter(({ firstOffset, lastOffset }) => firstOffset <= offset && offset <= lastOffset)
  own.sort((a, b) => b.deliveryCount - a.deliveryCount || b.deliveryState - a.deliveryState)
  return own[0] && `${own[0].deliveryState} ${own[0].deliveryCount}`
}

it('of each record the latest delivery counts, and then the more final state, in as few runs as can be', () => {
  fc.assert(
    fc.property(fc.array(batch), fc.array(batch), fc.nat(20), (known, added, startOffset) => {
      const joined = joinStateBatches(known, added, startOffset)
      for (let offset = 0; offset < 40; offset++) {
        const expected = offset < startOffset ? undefined : winner([...known, ...added], offset)
        assert.equal(winner(joined, offset), expected, `offset ${offset}`)
      }
      for (const [place, run] of joined.entries()) {
        const next = joined[place + 1]
        if (next === undefined) continue
        assert.ok(run.lastOffset < next.firstOffset)
        const alike = run.deliveryState === next.deliveryState && run.deliveryCount === next.deliveryCount
        assert.ok(!alike || run.lastOffset + 1 < next.firstOffset)
      }
      assert.deepEqual(joinStateBatches(added, known, startOffset), joined, 'in whatever order they come')
    })
  )
})
