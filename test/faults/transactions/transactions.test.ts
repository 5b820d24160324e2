/** A short slice of the run of transactions; `npm run kill -- --transactions N` is the long one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kafkaTarget, longhaulTarget } from '../kill-target.ts'
import { runTransactions } from './transaction-run.ts'

const SEED = Number(process.env.LONGHAUL_TEST_SEED ?? Date.now() % 1_000_000)
/** A control run starts an Apache Kafka of its own: the one under LONGHAUL_TEST_BOOTSTRAP is not ours to kill. */
const isControl = process.env.LONGHAUL_TEST_BOOTSTRAP !== undefined

test(`read-process-write under kill -9 of broker and clients is exact (LONGHAUL_TEST_SEED=${SEED})`, {
  timeout: 240_000
}, async (t) => {
  const target = await (isControl ? kafkaTarget() : longhaulTarget())
  const progress = (sentence: string) => t.diagnostic(sentence)
  const report = await runTransactions(target, { seed: SEED, transactions: 1500, upMsMax: 3000, progress })
  t.diagnostic(JSON.stringify(report))
  assert.deepEqual(report.violations, [])
  // Without these the run would have proved nothing.
  assert.ok(report.outcomes.committed > 500, 'hardly anything was committed')
  assert.ok(report.outcomes.aborted > 50, 'hardly anything was aborted')
  assert.ok(report.recordsProcessed > 500, 'hardly anything was processed')
  assert.ok(report.recordsSeenLive > 500, 'live readers saw hardly anything')
  assert.ok(report.zombiesRefused > 0, 'no zombie came back')
})
