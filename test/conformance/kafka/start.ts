/**
 * `node dist/test/conformance/kafka/start.js [COMMAND…]`: runs Apache Kafka until Ctrl-C, or while COMMAND runs
 * with its address in LONGHAUL_TEST_BOOTSTRAP, which makes a suite a control run; ends with the status of COMMAND.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { startKafka } from './kafka.ts'

const kafka = await startKafka()
const [command, ...args] = process.argv.slice(2)
if (command === undefined) {
  console.log(`kafka listening on ${kafka.bootstrap}`)
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
} else {
  const env = { ...process.env, LONGHAUL_TEST_BOOTSTRAP: kafka.bootstrap }
  const child = spawn(command, args, { stdio: 'inherit', env })
  const [code] = await once(child, 'close')
  process.exitCode = typeof code === 'number' ? code : 1
}
await kafka.stop()
