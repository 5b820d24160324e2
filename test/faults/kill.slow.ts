/**
 * `node dist/test/faults/kill.slow.js [--kills 100] [--transactions N] [--seed N] [--up-ms-max 1200] [--s3|--kafka]`: the
 * long kill run. Prints its seed, a line per kill and a report; ends with status 1 when a promise was broken. The broker
 * lives up to --up-ms-max between kills. With --transactions it is the run of read-process-write, which ends after so many
 * transactions instead. `--s3` keeps log and objects in an S3 server; `--kafka` runs it against Apache Kafka.
 */
import { parseArgs } from 'node:util'
import { runKills } from './kill.ts'
import { kafkaTarget, longhaulTarget, objectStoreTarget } from './kill-target.ts'
import { runTransactions } from './transactions/transaction-run.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    transactions: { type: 'string', default: '0' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    'up-ms-max': { type: 'string', default: '1200' },
    s3: { type: 'boolean', default: false },
    kafka: { type: 'boolean', default: false }
  }
})
const options = {
  kills: Number(values.kills),
  transactions: Number(values.transactions),
  seed: Number(values.seed),
  upMsMax: Number(values['up-ms-max'])
}
if (!Object.values(options).every((value) => Number.isInteger(value))) {
  throw new Error('--kills, --transactions, --seed and --up-ms-max are whole numbers')
}
const { kills, transactions, seed } = options
console.log(`seed ${seed}, ${transactions > 0 ? `${transactions} transactions` : `${kills} kills`}`)
const target = await (values.kafka ? kafkaTarget() : values.s3 ? objectStoreTarget() : longhaulTarget())
const run = transactions > 0 ? runTransactions : runKills
const report = await run(target, { ...options, progress: (sentence) => console.log(sentence) })
console.log(JSON.stringify(report, null, 2))
process.exit(report.violations.length === 0 ? 0 : 1)
