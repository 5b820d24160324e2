/**
 * `node dist/test/conformance/clients.slow.js [--peer longhaul|kafka] [--only NAME]`: Python, Go and JavaScript clients
 * against our broker, or against Apache Kafka as the control. Prints what each can do; against ours, saves it for the page
 * of compatibility. Ends with status 1 when something that is offered fails.
 */
import { parseArgs } from 'node:util'
import { brokerUnderTest } from './broker-under-test.ts'
import { clientPrograms, programFindings } from './clients/client-programs.ts'
import { kafkaJsFindings } from './clients/javascript/kafkajs-checks.ts'
import { platformaticFindings } from './clients/javascript/platformatic-checks.ts'
import { type Finding, saveFindings } from './compatibility.ts'
import { startKafka } from './kafka/kafka.ts'

const { values } = parseArgs({
  options: { peer: { type: 'string', default: 'longhaul' }, only: { type: 'string' } }
})
const broker = values.peer === 'kafka' ? await startKafka() : await brokerUnderTest()
const suites: Readonly<Record<string, (bootstrap: string) => Promise<Finding[]>>> = {
  ...Object.fromEntries(clientPrograms.map((one) => [one.name, (at: string) => programFindings(one, at)])),
  kafkajs: kafkaJsFindings,
  platformatic: platformaticFindings
}
const findings: Finding[] = []
try {
  for (const [name, suite] of Object.entries(suites)) {
    if (values.only !== undefined && values.only !== name) continue
    for (const finding of await suite(broker.bootstrap)) {
      findings.push(finding)
      const { client, version, feature, result, detail } = finding
      console.log(`${client} ${version}: ${feature} ${result}${detail === '' ? '' : ` (${detail})`}`)
    }
  }
} finally {
  await broker.stop()
}
if (values.peer === 'longhaul' && values.only === undefined) await saveFindings('clients', findings)
const failed = findings.filter(({ result }) => result === 'fails').length
console.log(`${findings.length} checks, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
