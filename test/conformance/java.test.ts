/**
 * A short part of the Java conformance suite (`java.slow.ts`): a few of Kafka's own tools and of the checks of its Java
 * producer, also in transactions. It downloads nothing.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brokerUnderTest } from './broker-under-test.ts'
import { CheckReport } from './java/check-report.ts'
import { runChecks } from './java/java-clients.ts'
import { setUpJava, whyNoJava } from './java/java-set-up.ts'
import { KafkaTools } from './java/tools/kafka-tools.ts'
import { topicTools } from './java/tools/topic-tools.ts'
import { KAFKA_VERSION } from './kafka/kafka.ts'

test("Kafka's own tools and Java client", { skip: (await whyNoJava()) ?? false }, async (t) => {
  const setUp = await setUpJava()
  const broker = await brokerUnderTest()
  try {
    const report = new CheckReport()
    const tools = await KafkaTools.create(setUp, broker.bootstrap, report)
    await topicTools(tools).finally(() => tools.close())
    await runChecks(setUp.newest, KAFKA_VERSION, ['ProducerChecks'], broker.bootstrap, report)
    const transactions = new CheckReport('exactly once')
    await runChecks(setUp.newest, KAFKA_VERSION, ['TransactionChecks'], broker.bootstrap, transactions)
    const findings = [...report.findings, ...transactions.findings]
    assert.ok(findings.length > 20, `only ${findings.length} checks ran`)
    for (const { client, feature, result, detail } of findings) {
      await t.test(`${client}: ${feature}`, () => assert.equal(result, 'works', detail))
    }
  } finally {
    await broker.stop()
  }
})
