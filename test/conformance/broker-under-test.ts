/**
 * The broker that a suite runs against: the one LONGHAUL_TEST_BOOTSTRAP names (a control run), otherwise ours as a real
 * child process with a data directory of its own.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PeerProcess } from './peer-process.ts'

const START_MS = 20_000
const LISTENING = /(?:kafka listening on|--bootstrap) (\S+:\d+)/i

export interface BrokerUnderTest {
  /** host:port */
  readonly bootstrap: string
  readonly host: string
  readonly port: number
  /** The process, when the broker is ours. */
  readonly process: PeerProcess | undefined
  stop(): Promise<void>
}

export async function brokerUnderTest(): Promise<BrokerUnderTest> {
  const given = process.env.LONGHAUL_TEST_BOOTSTRAP
  if (given !== undefined) return { ...address(given), process: undefined, stop: async () => {} }
  const dataDir = await mkdtemp(join(tmpdir(), 'longhaul-broker-'))
  const removeData = (): Promise<void> => rm(dataDir, { recursive: true, force: true, maxRetries: 3 })
  try {
    const broker = await startBroker(dataDir)
    const stop = async (): Promise<void> => {
      await broker.process.stop()
      await removeData()
    }
    return { ...broker, stop }
  } catch (error) {
    await removeData()
    throw error
  }
}

export interface OurBroker extends BrokerUnderTest {
  readonly process: PeerProcess
}

/** Starts our broker on `dataDir`, which stays when it stops; resolves when it listens. */
export async function startBroker(dataDir: string, settings: readonly string[] = [], port = 0): Promise<OurBroker> {
  const broker = spawnBroker(dataDir, settings, port)
  try {
    const listening = await broker.until('the Kafka address', START_MS, () => LISTENING.exec(broker.stdout)?.[1])
    return { ...address(listening), process: broker, stop: () => broker.stop() }
  } catch (error) {
    await broker.kill()
    throw error
  }
}

/** Starts the process and waits for nothing. */
export function spawnBroker(dataDir: string, settings: readonly string[] = [], port = 0): PeerProcess {
  const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))
  const ports = ['--kafka-port', String(port), '--mqtt-port', '0', '--http-port', '0']
  const args = [main, 'start', '--no-fleet', '--data-dir', dataDir, ...ports, ...settings]
  // Neither the tester's own settings nor the variables of tests, which the broker would refuse as unknown settings.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LONGHAUL_')))
  return new PeerProcess(process.execPath, args, { env })
}

function address(bootstrap: string): { bootstrap: string; host: string; port: number } {
  const [host = '127.0.0.1', port] = bootstrap.split(':')
  return { bootstrap, host, port: Number(port) }
}
