/**
 * Apache Kafka with a plugin that takes what clients push of their metrics: it serves the APIs of telemetry (KIP-714) only
 * then. The plugin is compiled against the jars that KAFKA_LIB names, where there is a `javac`; otherwise Kafka starts
 * without it.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commandExists, run } from '../peer-process.ts'
import { type RunningKafka, startKafka } from './kafka.ts'

/** From the root of the repository, where every script runs. */
const PLUGIN = join('test', 'conformance', 'java', 'src', 'broker', 'TelemetryReceiver.java')
const PLUGIN_CLASS = 'TelemetryReceiver'

export async function startKafkaWithTelemetry(): Promise<RunningKafka> {
  const jars = process.env.KAFKA_LIB
  if (jars === undefined || !(await commandExists('javac', ['-version']))) return startKafka()
  const classes = await mkdtemp(join(tmpdir(), 'longhaul-plugin-'))
  const remove = (): Promise<void> => rm(classes, { recursive: true, force: true })
  try {
    const flags = ['-nowarn', '--release', '17', '-cp', `${jars}/*`, '-d', classes]
    await run('javac', [...flags, PLUGIN], { timeoutMs: 120_000 })
    const kafka = await startKafka({ 'metric.reporters': PLUGIN_CLASS }, `${classes}:${jars}/*`)
    const stop = async (): Promise<void> => {
      await kafka.stop()
      await remove()
    }
    return { bootstrap: kafka.bootstrap, stop }
  } catch (error) {
    await remove()
    throw error
  }
}
