/** A broker that can be killed and started again on the same data and port: ours, or Apache Kafka as the control. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startS3Server } from '../../src/object-store/s3-server-fixture.ts'
import { spawnBroker, startBroker } from '../conformance/broker-under-test.ts'
import { KafkaNode } from '../conformance/kafka/kafka.ts'
import type { PeerProcess } from '../conformance/peer-process.ts'

export interface KillTarget {
  readonly host: string
  readonly port: number
  /** How long after its start it may not know of topics yet that were acknowledged. */
  readonly metadataLagMs: number
  /** Resolves when it answers. */
  start(): Promise<PeerProcess>
  /** Starts it and waits for nothing, to be killed half way. */
  spawn(): PeerProcess
  /** Removes the data; the process must have ended. */
  remove(): Promise<void>
}

/** Uploads happen many times a second, so that kills hit them and the commits that follow. */
const SETTINGS = ['--upload-interval-ms', '100', '--upload-bytes', '65536']

/** A killed Kafka may come back only when the session of its last life is over. */
const KAFKA_SETTINGS = { 'broker.session.timeout.ms': '1500', 'broker.heartbeat.interval.ms': '300' }

export interface LonghaulOptions {
  /** Done to the data directory before each start after the first: a planted bug. */
  readonly damage?: (dataDir: string, start: number) => Promise<void>
  /** Flags of the node beside those that every run has. */
  readonly flags?: readonly string[]
  /** Called when the data is removed. */
  readonly cleanUp?: () => Promise<void>
}

export async function longhaulTarget({ damage, flags = [], cleanUp }: LonghaulOptions = {}): Promise<KillTarget> {
  const settings = [...SETTINGS, ...flags]
  const folder = await mkdtemp(join(tmpdir(), 'longhaul-kill-'))
  const dataDir = join(folder, 'data')
  // Started once to learn a free port that later starts ask for.
  const first = await startBroker(dataDir, settings)
  await first.stop()
  const { host, port } = first
  let starts = 0
  return {
    host,
    port,
    metadataLagMs: 0,
    async start() {
      if (starts++ > 0) await damage?.(dataDir, starts)
      return (await startBroker(dataDir, settings, port)).process
    },
    spawn: () => spawnBroker(dataDir, settings, port),
    async remove() {
      await cleanUp?.()
      await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    }
  }
}

/** Nothing on local disk but the metadata: the log and the objects are in a real S3 server. Needs one on this machine. */
export async function objectStoreTarget(): Promise<KillTarget> {
  const server = await startS3Server()
  // What the broker's process inherits.
  Object.assign(process.env, server.environment)
  return longhaulTarget({ flags: ['--object-store', server.url, '--wal', 'object:'], cleanUp: () => server.stop() })
}

export async function kafkaTarget(): Promise<KillTarget> {
  const node = await KafkaNode.create(KAFKA_SETTINGS)
  return {
    host: '127.0.0.1',
    port: node.port,
    // The broker replays what its controller wrote after it has begun to answer.
    metadataLagMs: 10_000,
    start: () => node.start(),
    spawn: () => node.spawn(),
    remove: () => node.remove()
  }
}
