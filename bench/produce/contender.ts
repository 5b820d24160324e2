/** The two systems that are measured, each a process of its own that listens on 127.0.0.1, and the load generator. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { apis } from '../../test/faults/apis.ts'
import { RawConnection } from '../../test/faults/raw-client.ts'
import type { BareLoopOrder } from './bare-loop.ts'
import type { LoadOrder, Measurement } from './load-generator.ts'
import { processCpuSeconds } from './process-usage.ts'
import { PARTITIONS, TOPIC } from './workload.ts'

export interface Contender {
  readonly pid: number
  readonly port: number
  /** Resolves when it does nothing any more, or has had 10 seconds for it. */
  settle(): Promise<void>
  stop(): Promise<void>
}

const STOP_MS = 20_000
const SETTLE_MS = 10_000
const BARE_FILE_BYTES = 256 * 1024 * 1024

/** @param nodeOptions for Node itself: a profile, for instance. */
export async function startBroker(
  folder: string,
  settings: readonly string[],
  nodeOptions: readonly string[]
): Promise<Contender> {
  const ports = ['--kafka-port', '0', '--mqtt-port', '0', '--http-port', '0']
  const options = ['start', '--json', '--no-fleet', '--data-dir', join(folder, 'data'), ...ports, ...settings]
  const child = launch([...nodeOptions, script('../../src/main.js'), ...options])
  const { kafkaAddress } = JSON.parse(await firstLine(child))
  const port = Number(String(kafkaAddress).split(':').at(-1))
  const connection = await RawConnection.open({ host: '127.0.0.1', port })
  const topic = { name: TOPIC, numPartitions: PARTITIONS, replicationFactor: 1, assignments: [], configs: [] }
  const created = await connection.send(apis.createTopics, 7, { topics: [topic] })
  connection.close()
  const errorCode = created.topics[0]?.errorCode
  if (errorCode !== 0) throw new Error(`the topic could not be created: error ${errorCode}`)
  return contender(child, port)
}

export async function startBareLoop(
  folder: string,
  batchAt: number,
  nodeOptions: readonly string[]
): Promise<Contender> {
  const order: BareLoopOrder = { file: join(folder, 'bare'), fileBytes: BARE_FILE_BYTES, batchAt }
  const child = launch([...nodeOptions, script('./bare-loop.js'), JSON.stringify(order)])
  return contender(child, JSON.parse(await firstLine(child)).port)
}

export async function load(order: LoadOrder): Promise<Measurement> {
  const child = launch([script('./load-generator.js'), JSON.stringify(order)])
  return JSON.parse(await firstLine(child))
}

/** Processes that this one started and that have not ended. */
const running = new Set<ChildProcess>()

/** For when nothing else can be done any more. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

function contender(child: ChildProcess, port: number): Contender {
  const pid = child.pid ?? 0
  return { pid, port, settle: () => settled(pid), stop: () => stopped(child) }
}

function script(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url))
}

function launch(options: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, options, { stdio: ['ignore', 'pipe', 'inherit'] })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** The rest of the output is read and dropped, so that the process never waits for it. */
function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null) throw new Error('a process without output')
    createInterface({ input: child.stdout }).on('line', resolve)
    child.once('exit', (code) => reject(new Error(`${child.spawnargs.join(' ')} ended with ${code} and said nothing`)))
  })
}

async function settled(pid: number): Promise<void> {
  const tooLate = performance.now() + SETTLE_MS
  for (let before = -1, now = processCpuSeconds(pid); now - before > 0.01; now = processCpuSeconds(pid)) {
    before = now
    if (performance.now() > tooLate) return
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  child.kill('SIGTERM')
  await exited
  clearTimeout(impatience)
}
