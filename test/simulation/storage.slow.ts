/**
 * `npm run simulate:storage -- [--seeds N] [--seed FIRST] [--wal file|object] [--bug NAME] [--history FILE]`: the storage
 * simulation over many seeds. Prints a line per failed seed with how to repeat it, and a report; status 1 on a violation.
 */
import { createWriteStream } from 'node:fs'
import { parseArgs } from 'node:util'
import { plantedBugs } from './storage/planted-bug.ts'
import { failureOf, Summary } from './storage/report.ts'
import { type SimulationOptions, simulate } from './storage/simulation.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    wal: { type: 'string' },
    bug: { type: 'string' },
    history: { type: 'string' }
  }
})
const [seeds, first] = [Number(values.seeds), Number(values.seed)]
if (!Number.isInteger(seeds) || !Number.isInteger(first)) throw new Error('--seeds and --seed are whole numbers')
const bug = values.bug === undefined ? undefined : plantedBugs[values.bug]
if (values.bug !== undefined && bug === undefined) {
  throw new Error(`there is no bug "${values.bug}": take one of ${Object.keys(plantedBugs).join(', ')}`)
}
if (values.wal !== undefined && values.wal !== 'file' && values.wal !== 'object')
  throw new Error('--wal is file or object')
const file = values.history === undefined ? undefined : createWriteStream(values.history)
const options: SimulationOptions = {
  ...(bug === undefined ? {} : { bug }),
  ...(values.wal === undefined ? {} : { walKind: values.wal }),
  ...(file === undefined ? {} : { sink: (line: string) => file.write(`${line}\n`) })
}
const summary = new Summary()
for (let seed = first; seed < first + seeds; seed++) {
  const report = await simulate(seed, options)
  summary.add(report)
  if (report.violations.length > 0) console.log(failureOf(report))
}
file?.end()
console.log(summary.text())
process.exitCode = summary.violations === 0 ? 0 : 1
