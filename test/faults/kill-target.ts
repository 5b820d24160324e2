/** A broker that can be killed and started again on the same data and port: ours, or Apache Kafka as the control. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

/** `damage`, when given, is done to the data directory before each start after the first: a planted bug. */
export async function longhaulTarget(damage?: (dataDir: string, start: number) => Promise<void>): Promise<KillTarget> {
  const folder = await mkdtemp(join(tmpdir(), 'longhaul-kill-'))
  const dataDir = join(folder, 'data')
  // Started once to learn a free port that later starts ask for.
  const first = await startBroker(dataDir, SETTINGS)
  await first.stop()
  const { host, port } = first
  let starts = 0
  return {
    host,
    port,
    metadataLagMs: 0,
    async start() {
      if (starts++ > 0) await damage?.(dataDir, starts)
      return (await startBroker(dataDir, SETTINGS, port)).process
    },
    spawn: () => spawnBroker(dataDir, SETTINGS, port),
    remove: () => rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
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
