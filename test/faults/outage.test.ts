/**
 * The object store is gone while producers write: the node goes on from its log, slows producers down at its limit, and
 * comes back by itself, with nothing lost. `LONGHAUL_TEST_OUTAGE_SECONDS=60 npm test -- outage` makes it a long one.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { findS3Server, NO_S3_SERVER, startS3Server } from '../../src/object-store/s3-server-fixture.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { startBroker } from '../conformance/broker-under-test.ts'
import { eventually, pause } from '../conformance/waiting.ts'
import { apis } from './apis.ts'
import { CutProxy, type Outage } from './cut-proxy.ts'
import { IdempotentProducer } from './idempotent-producer.ts'
import { Ledger } from './ledger.ts'
import { dumpPartition } from './partition-dump.ts'
import { RawConnection } from './raw-client.ts'

const OUTAGE_MS = Number(process.env.LONGHAUL_TEST_OUTAGE_SECONDS ?? 5) * 1000
const TOPIC = 'outage'
const PARTITIONS = 3
const PRODUCERS = 4
const skip = process.env.LONGHAUL_TEST_BOOTSTRAP !== undefined || (findS3Server() === undefined && NO_S3_SERVER)

for (const wal of ['file', 'object:']) {
  for (const outage of ['refused', 'silent'] as const) {
    test(`an object store that is ${outage} for ${OUTAGE_MS / 1000} s costs nothing, log: ${wal}`, { skip }, (t) =>
      liveThrough(wal, outage, (sentence) => t.diagnostic(sentence))
    )
  }
}

async function liveThrough(wal: string, outage: Outage, say: (sentence: string) => void): Promise<void> {
  const server = await startS3Server()
  Object.assign(process.env, server.environment)
  const { hostname: host, port } = new URL(server.endpoint)
  const proxy = await CutProxy.open({ host, port: Number(port) })
  const dataDir = await mkdtemp(join(tmpdir(), 'longhaul-outage-'))
  const store = server.url.replace(server.endpoint, `http://127.0.0.1:${proxy.port}`)
  const flags = ['--object-store', store, '--log-cache-bytes', '8MiB', '--upload-bytes', '1MiB']
  const broker = await startBroker(dataDir, wal === 'file' ? flags : [...flags, '--wal', wal])
  const stop = new AbortController()
  try {
    const ledger = new Ledger()
    const connection = await RawConnection.open(broker)
    const topic = { name: TOPIC, numPartitions: PARTITIONS, replicationFactor: 1, assignments: [], configs: [] }
    await connection.send(apis.createTopics, 7, { topics: [topic] })
    const producers = Array.from({ length: PRODUCERS }, (_, i) => {
      const random = seededRandom(i)
      return new IdempotentProducer({
        name: `p${i}`,
        address: broker,
        topic: TOPIC,
        partitions: PARTITIONS,
        random,
        ledger
      })
    })
    for (const producer of producers) await producer.start()
    const never = new AbortController().signal
    const load = Promise.all(producers.map((producer) => producer.run(stop.signal, never)))
    await eventually('records are acknowledged', () => ledger.acknowledgedRecords > 100, 20_000)

    const before = ledger.acknowledgedRecords
    proxy.cut(outage)
    await pause(OUTAGE_MS)
    const during = ledger.acknowledgedRecords
    proxy.restore()
    await eventually('records are acknowledged again', () => ledger.acknowledgedRecords > during + 100, 60_000)
    stop.abort()
    await load
    say(
      `${before} records acknowledged before, ${during - before} during, ${ledger.acknowledgedRecords - during} after`
    )
    assert.ok(!broker.process.over, 'the node has ended')
    for (let partition = 0; partition < PARTITIONS; partition++) {
      ledger.compare(partition, await dumpPartition(connection, TOPIC, partition, ledger))
    }
    assert.deepEqual(ledger.violations, [])
    if (wal === 'file') assert.ok(during > before, 'nothing was acknowledged during the outage')
    connection.close()
  } finally {
    stop.abort()
    await broker.process.kill()
    await proxy.close()
    await server.stop()
    await rm(dataDir, { recursive: true, force: true, maxRetries: 3 })
  }
}
