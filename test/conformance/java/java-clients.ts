/**
 * Kafka's Java clients: the checks of `src/common` with two versions of them, those of `src/v4` with the newest only.
 * One JVM runs all of a version and prints a line of JSON for each.
 */
import type { Finding } from '../compatibility.ts'
import { KAFKA_VERSION } from '../kafka/kafka.ts'
import type { CheckReport } from './check-report.ts'
import { startJava } from './java-process.ts'
import { type JavaSetUp, OLD_VERSION } from './java-set-up.ts'

export const JAVA_CLIENT = 'Java'
const RUN_MS = 1_500_000
const CLASSES = [
  'ProducerChecks',
  'ConsumerChecks',
  'GroupChecks',
  'TransactionChecks',
  'AdminChecks',
  'AdminGroupChecks',
  'AdminClusterChecks'
]
const NEWER_CLASSES = ['ShareChecks', 'NewerChecks']
const OLDER_CLASSES = ['OlderChecks']

export async function javaClientChecks(setUp: JavaSetUp, bootstrap: string, report: CheckReport): Promise<void> {
  await runChecks(setUp.newest, KAFKA_VERSION, [...CLASSES, ...NEWER_CLASSES], bootstrap, report)
  await runChecks(setUp.older, OLD_VERSION, [...CLASSES, ...OLDER_CLASSES], bootstrap, report)
}

/** Runs the checks of the named classes whose features contain what the report looks for. */
export async function runChecks(
  classPath: string,
  version: string,
  classes: readonly string[],
  bootstrap: string,
  report: CheckReport
): Promise<void> {
  const java = startJava(classPath, 'Checks', [bootstrap, report.filter, ...classes], { heapMb: 384, log: 'off' })
  const timer = setTimeout(() => java.child.kill('SIGKILL'), RUN_MS)
  let told = 0
  const tell = (): void => {
    const lines = java.stdout.split('\n').slice(0, -1)
    for (const line of lines.slice(told)) {
      report.add({ client: JAVA_CLIENT, version, ...(JSON.parse(line) as Omit<Finding, 'client' | 'version'>) })
    }
    told = lines.length
  }
  java.child.stdout?.on('data', tell)
  const status = await java.ended
  clearTimeout(timer)
  tell()
  if (status !== 0) throw new Error(`the Java checks ended with ${status}\n${java.lastOutput()}`)
}
