/**
 * The whole way in, against a node as a real process: recorded drives of real vehicles, and a simulated fleet that goes
 * on while the node is killed. The recordings lie beside the repository; without them their test says so.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { SqlDeviceRegistry } from '../../src/fleet/sql-device-registry.ts'
import { createRecordProducer } from '../../src/gateway/record-producer.ts'
import type { RecordSink } from '../../src/gateway/record-sink.ts'
import { openDatabase } from '../../src/metadata/open-database.ts'
import type { NodeStatus } from '../../src/node/node-status.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { systemRandom } from '../../src/runtime/system-random.ts'
import { replayFiles } from '../../src/simulator/replay.ts'
import { TopicReader } from '../../src/simulator/topic-reader.ts'
import { PeerProcess } from './peer-process.ts'
import { pause, unique } from './waiting.ts'

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))
const RECORDINGS = fileURLToPath(new URL('../../../../shared/data', import.meta.url))
const TEST = { timeout: 120_000 }

interface Ports {
  readonly kafka: string
  readonly mqtt: string
  readonly http: string
}

interface RunningNode {
  readonly process: PeerProcess
  readonly ports: Ports
}

const ANY_PORTS: Ports = { kafka: '0', mqtt: '0', http: '0' }

async function startNode(dataDir: string, { kafka, mqtt, http }: Ports): Promise<RunningNode> {
  const ports = ['--kafka-port', kafka, '--mqtt-port', mqtt, '--http-port', http]
  const process_ = longhaul('start', '--json', '--no-fleet', '--data-dir', dataDir, ...ports)
  const started = await process_.until('the start of the node', 30_000, () => startedEvent(process_.stdout))
  const port = (address: string) => address.split(':').at(-1) ?? ''
  return {
    process: process_,
    ports: { kafka: port(started.kafkaAddress), mqtt: port(started.mqttAddress), http: port(started.httpAddress) }
  }
}

function startedEvent(output: string): NodeStatus | undefined {
  const [line, rest] = output.split('\n', 2)
  return line === undefined || rest === undefined ? undefined : (JSON.parse(line) as NodeStatus)
}

/** Waits until the node told devices of so many more records: a kill before that would interrupt nothing. */
async function untilAcknowledged(node: RunningNode, more: number): Promise<void> {
  const { uptimeMs: called } = lastStatus(node)
  let before: number | undefined
  await node.process.until(`${more} more acknowledged records`, 30_000, () => {
    const { uptimeMs, recordsAcknowledged = 0 } = lastStatus(node)
    // The line that was there when we were called is up to a second old and does not count all of the past.
    if (uptimeMs === called) return undefined
    before ??= recordsAcknowledged
    return recordsAcknowledged >= before + more ? true : undefined
  })
}

function lastStatus(node: RunningNode): Partial<NodeStatus> {
  const line = node.process.stdout.split('\n').at(-2) ?? ''
  return line === '' ? {} : JSON.parse(line)
}

function longhaul(...args: string[]): PeerProcess {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LONGHAUL_')))
  return new PeerProcess(process.execPath, [MAIN, ...args], { env })
}

function simulate(dataDir: string, { kafka, mqtt, http }: Ports, ...options: string[]): PeerProcess {
  const where = ['--bootstrap', `127.0.0.1:${kafka}`, '--mqtt-port', mqtt, '--http-port', http, '--data-dir', dataDir]
  return longhaul('simulate', '--json', ...where, ...options)
}

/** What `longhaul simulate --json` prints, as far as it is looked at here. */
interface Simulation {
  readonly ok: boolean
  readonly measured: number
  readonly acknowledged: number
  readonly declaredLost: number
  readonly buffered: number
  readonly delivered: number
  readonly deadLettered: number
  readonly missing: number
  readonly duplicates: number
  readonly violations: readonly string[]
  readonly stats: { readonly reconnects: number }
}

function expectComplete(output: string, records: number): Simulation {
  const result = JSON.parse(output) as Simulation
  assert.deepEqual(result.violations, [])
  assert.ok(result.ok, output)
  assert.equal(result.missing, 0)
  assert.equal(result.measured, records)
  assert.equal(result.measured, result.acknowledged + result.declaredLost + result.buffered, 'no remainder')
  return result
}

describe('a node as the fleet sees it', () => {
  let dataDir = ''
  let node: RunningNode
  before(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'longhaul-fleet-'))
    node = await startNode(dataDir, ANY_PORTS)
  })
  after(async () => {
    await node?.process.stop()
    await rm(dataDir, { recursive: true, force: true, maxRetries: 3 })
  })

  const skip = existsSync(RECORDINGS) ? false : `the recordings are not at ${RECORDINGS}`
  it('keeps recorded drives complete, in order per device and with their event times', { ...TEST, skip }, async () => {
    const database = await openDatabase(
      pathToFileURL(join(dataDir, 'metadata.sqlite')).href.replace('file:', 'sqlite:')
    )
    try {
      const result = await replayFiles({
        recordings: [
          { path: join(RECORDINGS, 'openxc-ford-2013.jsonl'), format: 'openxc' },
          { path: join(RECORDINGS, 'nmea2000-aava-2014.csv.gz'), format: 'nmea2000' }
        ],
        transports: ['mqtt5', 'http'],
        gateway: { host: '127.0.0.1', mqttPort: Number(node.ports.mqtt), httpPort: Number(node.ports.http) },
        registry: new SqlDeviceRegistry(database, systemClock, systemRandom),
        clock: systemClock,
        bootstrap: [`127.0.0.1:${node.ports.kafka}`]
      })
      assert.deepEqual(result.absent, [])
      assert.deepEqual(result.verification.violations, [])
      assert.ok(result.verification.ok)
      assert.equal(result.verification.delivered, 2 * (1_000 + 21_595))
      assert.equal(result.verification.duplicates, 0)
    } finally {
      await database.close()
    }
  })

  it('lets a simulated fleet account for every record over MQTT 3.1.1, MQTT 5 and HTTP', TEST, async () => {
    const simulation = simulate(dataDir, node.ports, '--records', '1200', '--rate', '60', '--seed', '5')
    assert.equal(await simulation.ended, 0, simulation.stderr)
    const result = expectComplete(simulation.stdout, 1_200)
    assert.ok(result.deadLettered > 0, 'some payloads are malformed')
  })

  it(
    'loses no acknowledged record when it is killed and started again while the fleet sends',
    TEST,
    async (context) => {
      const simulation = simulate(dataDir, node.ports, '--records', '5000', '--rate', '40', '--seed', '6')
      const devices = 12
      for (let kill = 0; kill < 2; kill++) {
        await untilAcknowledged(node, 200)
        await node.process.kill()
        node = await startNode(dataDir, node.ports)
      }
      assert.equal(await simulation.ended, 0, simulation.stderr)
      const { duplicates, stats } = expectComplete(simulation.stdout, 5_000)
      context.diagnostic(`${duplicates} duplicates, ${stats.reconnects} reconnects`)
      assert.ok(stats.reconnects >= devices, 'the kill hit every device')
    }
  )

  it(
    'stores what its own producer sends once and in order per device, and loses nothing of it to a kill',
    TEST,
    async (context) => {
      const topic = unique('producer')
      const bootstrap = [`127.0.0.1:${node.ports.kafka}`]
      const common = { bootstrap, clock: systemClock, log: silentLog }
      const producer = await createRecordProducer({ ...common, topics: [{ name: topic, partitions: 3 }] })
      try {
        await produceRounds(producer, topic, 0, 5)
        const calm = await readByDevice(bootstrap, topic)
        assert.equal(calm.duplicates, 0)
        expectRounds(calm.firstCopies, 5)
        const sending = produceRounds(producer, topic, 5, 40)
        let over = false
        sending.then(() => {
          over = true
        })
        await pause(50)
        assert.equal(over, false, 'the kill interrupts something')
        await node.process.kill()
        node = await startNode(dataDir, node.ports)
        await sending
        const { firstCopies, duplicates } = await readByDevice(bootstrap, topic)
        context.diagnostic(`${duplicates} duplicates`)
        expectRounds(firstCopies, 40)
      } finally {
        await producer.close()
      }
    }
  )
})

const PRODUCING_DEVICES = 20
const ROUND_RECORDS = 50

/** In each round every device has `ROUND_RECORDS` records under way at once; resolves when all are acknowledged. */
async function produceRounds(producer: RecordSink, topic: string, from: number, to: number): Promise<void> {
  for (let round = from; round < to; round++) {
    const sent: Promise<void>[] = []
    for (let index = 0; index < ROUND_RECORDS; index++) {
      for (let device = 0; device < PRODUCING_DEVICES; device++) {
        const value = Buffer.from(String(round * ROUND_RECORDS + index))
        sent.push(producer.produce({ topic, key: Buffer.from(`device-${device}`), value, headers: [], timestamp: 1 }))
      }
    }
    await Promise.all(sent)
  }
}

async function readByDevice(bootstrap: readonly string[], topic: string) {
  const firstCopies = new Map<string, Set<number>>()
  let records = 0
  const reader = new TopicReader(bootstrap, [topic])
  try {
    await reader.read(new Map(), ({ key, value }) => {
      const device = key.toString()
      const seen = firstCopies.get(device) ?? new Set()
      firstCopies.set(device, seen.add(Number(value.toString())))
      records++
    })
  } finally {
    await reader.close()
  }
  const distinct = [...firstCopies.values()].reduce((sum, { size }) => sum + size, 0)
  return { firstCopies, duplicates: records - distinct }
}

function expectRounds(firstCopies: ReadonlyMap<string, ReadonlySet<number>>, rounds: number): void {
  const all = Array.from({ length: rounds * ROUND_RECORDS }, (_, value) => value)
  assert.equal(firstCopies.size, PRODUCING_DEVICES)
  for (const values of firstCopies.values()) assert.deepEqual([...values], all)
}
