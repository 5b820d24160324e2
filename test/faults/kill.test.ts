/** A short slice of the kill run; `kill.slow.ts` is the long one. */
import assert from 'node:assert/strict'
import { cp, rename, rm } from 'node:fs/promises'
import { test } from 'node:test'
import { findS3Server, NO_S3_SERVER } from '../../src/object-store/s3-server-fixture.ts'
import { runKills } from './kill.ts'
import { type KillTarget, kafkaTarget, longhaulTarget, objectStoreTarget } from './kill-target.ts'

const SEED = Number(process.env.LONGHAUL_TEST_SEED ?? Date.now() % 1_000_000)
const KILLS = 4
/** A control run starts an Apache Kafka of its own: the one under LONGHAUL_TEST_BOOTSTRAP is not ours to kill. */
const isControl = process.env.LONGHAUL_TEST_BOOTSTRAP !== undefined

const targets: Readonly<Record<string, { open: () => Promise<KillTarget>; skip: string | boolean }>> = {
  'files, a directory': { open: () => (isControl ? kafkaTarget() : longhaulTarget()), skip: false },
  'the object log, S3': { open: objectStoreTarget, skip: isControl || (findS3Server() === undefined && NO_S3_SERVER) }
}

for (const [name, { open, skip }] of Object.entries(targets)) {
  test(`kill -9 under load loses nothing and doubles nothing: ${name} (LONGHAUL_TEST_SEED=${SEED})`, {
    timeout: 240_000,
    skip
  }, async (t) => {
    const target = await open()
    const report = await runKills(target, { seed: SEED, kills: KILLS, progress: (sentence) => t.diagnostic(sentence) })
    t.diagnostic(JSON.stringify(report))
    assert.deepEqual(report.violations, [])
    // Without these the run would have proved nothing.
    assert.ok(report.recordsAcknowledged > 100, 'hardly anything was acknowledged')
    assert.ok(report.libraryRecordsAcknowledged > 0, 'the library producer got nothing acknowledged')
    assert.ok(report.recordsSeenByGroup > 0, 'the group consumed nothing')
    assert.ok(report.commitsAcknowledged > 0, 'no commit was acknowledged')
    assert.ok(report.topicChangesAcknowledged > 0, 'no topic was created or deleted')
  })
}

test('a broker that forgets what it acknowledged is found out', { timeout: 240_000, skip: isControl }, async (t) => {
  const snapshot = (dataDir: string): string => `${dataDir}-snapshot`
  const damage = async (dataDir: string, start: number): Promise<void> => {
    if (start === 2) await cp(dataDir, snapshot(dataDir), { recursive: true })
    if (start !== 3) return
    await rm(dataDir, { recursive: true })
    await rename(snapshot(dataDir), dataDir)
  }
  const target = await longhaulTarget({ damage })
  const report = await runKills(target, { seed: SEED, kills: 2, upMsMax: 2000 })
  t.diagnostic(report.violations.slice(0, 5).join('; '))
  // By a log that is too short, by what came to lie there instead, or by two claims to one place, as its producers wrote on.
  const signs = /partition \d (ends at|offset \d+ was acknowledged)|was acknowledged at partition \d offset \d+, where/
  assert.match(report.violations.join('\n'), signs)
})
