/** A slice of the storage simulation; `npm run simulate:storage -- --seeds N` runs more. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { plantedBugs } from './storage/planted-bug.ts'
import { failureOf, Summary } from './storage/report.ts'
import { type SimulationOptions, simulate } from './storage/simulation.ts'

const WALL_MS_MAX = 60_000

describe('a storage node in a simulation of crashes, outages, lost answers and jumping clocks', () => {
  const summary = new Summary()
  const holds = async (seed: number, options: SimulationOptions): Promise<string> => {
    const report = await simulate(seed, options)
    summary.add(report)
    assert.ok(report.violations.length === 0, failureOf(report))
    return report.digest
  }

  for (const walKind of ['file', 'object'] as const) {
    it(`keeps every promise over days with the ${walKind} WAL`, async () => {
      await holds(1, { walKind })
    })

    it(`keeps every promise with the ${walKind} WAL in more seeds, and repeats itself byte for byte`, async () => {
      for (let seed = 2; seed <= 4; seed++) {
        const options = { walKind, isBrief: true }
        assert.equal(await holds(seed, options), await holds(seed, options), `seed ${seed} has two histories`)
      }
    })
  }

  it('has looked at a fair amount of what can happen', (test) => {
    test.diagnostic(summary.text())
    assert.ok(summary.hours > 20, `${summary.hours} simulated hours`)
    assert.ok(summary.count('acknowledged') > 1_000 && summary.count('crashes') > 100 && summary.count('takeovers') > 3)
  })
})

describe('the simulation finds a planted bug within a minute', () => {
  for (const [name, bug] of Object.entries(plantedBugs)) {
    it(name, async (test) => {
      const begun = performance.now()
      for (let seed = 1; ; seed++) {
        const { violations } = await simulate(seed, { bug, isBrief: true })
        const seconds = ((performance.now() - begun) / 1000).toFixed(1)
        assert.ok(performance.now() - begun < WALL_MS_MAX, `not found in ${seed} seeds and ${seconds} s`)
        if (violations.length === 0) continue
        test.diagnostic(`seed ${seed}, after ${seconds} s: ${violations[0]?.split('\n', 1)[0]}`)
        return
      }
    })
  }
})
