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
import { openDatabase } from '../../src/metadata/sqlite-database.ts'
import type { NodeStatus } from '../../src/node/node-status.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { systemRandom } from '../../src/runtime/system-random.ts'
import { replayFiles } from '../../src/simulator/replay.ts'
import { PeerProcess } from './peer-process.ts'

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
  readonly violations: readonly string[]
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

  it('loses no acknowledged record when it is killed and started again while the fleet sends', TEST, async () => {
    const simulation = simulate(dataDir, node.ports, '--records', '3000', '--rate', '40', '--seed', '6')
    for (let kill = 0; kill < 2; kill++) {
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      await node.process.kill()
      node = await startNode(dataDir, node.ports)
    }
    assert.equal(await simulation.ended, 0, simulation.stderr)
    expectComplete(simulation.stdout, 3_000)
  })
})
