/**
 * A slice of what `npm run conformance` checks, where LONGHAUL_TEST_CLIENTS is set: clients in Python and Go, with the
 * features that lean most on the broker. They are installed into the test cache, which needs python3, go and registries.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { brokerUnderTest } from './broker-under-test.ts'
import { clientPrograms, programFindings } from './clients/client-programs.ts'

const SLICE: Readonly<Record<string, readonly string[]>> = {
  'confluent-kafka': ['consumer group (KIP-848)', 'transactions', 'offsets in transactions'],
  'franz-go': ['share group (KIP-932)', 'fencing', 'offsets in transactions', 'transaction administration'],
  aiokafka: ['classic group', 'transactions'],
  sarama: ['transactions', 'group administration', 'quotas'],
  'kafka-python': ['transaction administration', 'configs', 'elections and reassignments']
}
const skip = process.env.LONGHAUL_TEST_CLIENTS === undefined && 'LONGHAUL_TEST_CLIENTS is not set'
const broker = skip === false ? await brokerUnderTest() : undefined
after(() => broker?.stop())

for (const program of clientPrograms) {
  test(`${program.name} works as with Apache Kafka`, { skip, timeout: 600_000 }, async () => {
    const features = SLICE[program.name] ?? []
    const findings = await programFindings(program, broker?.bootstrap ?? '', features)
    const failed = findings.filter(({ result }) => result !== 'works')
    assert.deepEqual(failed, [])
    assert.equal(findings.length, features.length, 'each was checked')
  })
}
