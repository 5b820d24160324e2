import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FEATURES, type FeatureName, featureNames, featureUpdateProblem, UPGRADE_TYPE } from './features.ts'

const { upgrade, safeDowngrade, unsafeDowngrade } = UPGRADE_TYPE
const unset = new Map(featureNames().map((name) => [name, FEATURES[name].unset] as const))

function problem(
  changes: [string, number, number][],
  current: Partial<Record<FeatureName, number>> = {}
): string | undefined {
  const levels = new Map<FeatureName, number>([...unset, ...(Object.entries(current) as [FeatureName, number][])])
  return featureUpdateProblem(
    levels,
    changes.map(([feature, level, upgradeType]) => ({ feature, level, upgradeType }))
  )
}

describe('features', () => {
  it('every feature is legal at the level that nobody set', () => {
    for (const name of featureNames()) {
      const { min, max, unset: level } = FEATURES[name]
      assert.ok(min <= level && level <= max, name)
      assert.equal(problem([[name, level, upgrade]]), undefined, name)
    }
  })

  it('an upgrade goes up and a downgrade goes down', () => {
    assert.equal(problem([['transaction.version', 1, safeDowngrade]]), undefined)
    assert.equal(problem([['transaction.version', 0, unsafeDowngrade]]), undefined)
    assert.match(problem([['transaction.version', 1, upgrade]]) ?? '', /ask for a safe or unsafe downgrade/)
    assert.equal(problem([['transaction.version', 2, upgrade]], { 'transaction.version': 0 }), undefined)
    assert.match(problem([['transaction.version', 2, safeDowngrade]], { 'transaction.version': 1 }) ?? '', /newer/)
  })

  it('unknown features, levels and upgrade types are refused', () => {
    assert.match(problem([['nope.version', 1, upgrade]]) ?? '', /does not support/)
    assert.match(problem([['toString', 1, upgrade]]) ?? '', /does not support/)
    assert.match(problem([['transaction.version', 3, upgrade]]) ?? '', /0 to 2/)
    assert.match(problem([['transaction.version', -1, safeDowngrade]]) ?? '', /less than 0/)
    assert.match(problem([['metadata.version', 6, safeDowngrade]]) ?? '', /7 to 30/)
    assert.match(problem([['group.version', 1, 0]]) ?? '', /upgrade type/)
    assert.match(problem([['group.version', 1, 4]]) ?? '', /upgrade type/)
  })

  it('metadata.version goes down only over levels that changed nothing stored, and kraft.version never', () => {
    assert.match(problem([['metadata.version', 29, safeDowngrade]]) ?? '', /is not open/)
    assert.match(problem([['metadata.version', 29, unsafeDowngrade]]) ?? '', /is not open/)
    assert.equal(problem([['metadata.version', 23, safeDowngrade]], { 'metadata.version': 29 }), undefined)
    assert.match(problem([['metadata.version', 22, safeDowngrade]], { 'metadata.version': 29 }) ?? '', /is not open/)
    assert.equal(problem([['kraft.version', 1, upgrade]]), undefined)
    assert.match(problem([['kraft.version', 0, safeDowngrade]], { 'kraft.version': 1 }) ?? '', /cannot be lowered/)
  })

  it('what a feature needs may come with the same request', () => {
    const old = { 'metadata.version': 22, 'eligible.leader.replicas.version': 0 }
    assert.match(problem([['eligible.leader.replicas.version', 1, upgrade]], old) ?? '', /metadata.version at level 23/)
    const both: [string, number, number][] = [
      ['eligible.leader.replicas.version', 1, upgrade],
      ['metadata.version', 23, upgrade]
    ]
    assert.equal(problem(both, old), undefined)
  })

  it('one bad update fails all', () => {
    assert.ok(
      problem([
        ['transaction.version', 1, safeDowngrade],
        ['group.version', 9, upgrade]
      ])
    )
  })
})
