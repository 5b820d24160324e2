/** The gateway's producer, the simulator and the replay over a real broker. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { Consumer } from '@platformatic/kafka'
import { MemoryDeviceRegistry } from '../../src/fleet/memory-device-registry.ts'
import { startGateway } from '../../src/gateway/gateway.ts'
import { createRecordProducer } from '../../src/gateway/record-producer.ts'
import { isFault } from '../../src/runtime/fault.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { systemClock } from '../../src/runtime/system-clock.ts'
import { replayFiles } from '../../src/simulator/replay.ts'
import { simulate } from '../../src/simulator/simulate.ts'
import { type BrokerUnderTest, brokerUnderTest } from './broker-under-test.ts'

const TEST = { timeout: 60_000 }

let broker: BrokerUnderTest

async function countStored(topic: string): Promise<bigint> {
  const client = new Consumer({ clientId: 't', groupId: 't', bootstrapBrokers: [broker.bootstrap] })
  try {
    const ends = await client.listOffsets({ topics: [topic], timestamp: -1n })
    return (ends.get(topic) ?? []).reduce((sum, end) => sum + end, 0n)
  } finally {
    await client.close(true)
  }
}

/** A gateway over the broker, on topics of its own. */
async function withKafka(
  work: (parts: {
    registry: MemoryDeviceRegistry
    gateway: { host: string; mqttPort: number; httpPort: number }
    topics: { telemetryTopic: string; deadLetterTopic: string }
  }) => Promise<void>
): Promise<void> {
  const telemetryTopic = `simulator-test-${Date.now()}`
  const topics = { telemetryTopic, deadLetterTopic: `${telemetryTopic}.dead-letter` }
  const registry = new MemoryDeviceRegistry(systemClock, seededRandom(1))
  const common = { clock: systemClock, log: silentLog }
  const sink = await createRecordProducer({
    ...common,
    bootstrap: [broker.bootstrap],
    topics: Object.values(topics).map((name) => ({ name, partitions: 3 }))
  })
  const options = { ...common, mqttPort: 0, httpPort: 0, registry, sink, random: seededRandom(2), settings: topics }
  const { mqttPort, httpPort, close } = await startGateway(options)
  try {
    await work({ registry, gateway: { host: '127.0.0.1', mqttPort, httpPort }, topics })
  } finally {
    await close()
    await sink.close()
  }
}

describe('the gateway over a real broker', () => {
  before(async () => {
    broker = await brokerUnderTest()
  })
  after(() => broker?.stop())

  it('stores many concurrent records once each', TEST, async () => {
    const topic = `producer-test-${Date.now()}`
    const options = { bootstrap: [broker.bootstrap], clock: systemClock, log: silentLog }
    const producer = await createRecordProducer({ ...options, topics: [{ name: topic, partitions: 3 }] })
    try {
      const produce = (index: number) =>
        producer.produce({
          topic,
          key: Buffer.from(`device-${index % 50}`),
          value: Buffer.from(String(index)),
          headers: [['longhaul.v', '1']],
          timestamp: Date.now()
        })
      for (let round = 0; round < 5; round++)
        await Promise.all(Array.from({ length: 1000 }, (_, index) => produce(index)))
      assert.equal(await countStored(topic), 5000n)
      assert.ok(producer.batches < 1000, `${producer.batches} batches`)
      await assert.rejects(
        producer.produce({ topic: 'other', key: Buffer.from('k'), value: Buffer.from('v'), headers: [], timestamp: 0 }),
        (error) => isFault(error, 'invalid')
      )
    } finally {
      await producer.close()
    }
  })

  it('lets a simulation prove that nothing is missing', TEST, () =>
    withKafka(async ({ registry, gateway, topics }) => {
      const result = await simulate({
        ...topics,
        registry,
        gateway,
        bootstrap: [broker.bootstrap],
        clock: systemClock,
        log: silentLog,
        settings: { devices: 6, recordsMax: 3000, recordsPerSecond: 300, dropShare: 0.05, malformedShare: 0.02 }
      })
      assert.deepEqual(result.violations, [])
      assert.ok(result.ok)
      assert.equal(result.delivered + result.deadLettered, 3000)
    })
  )

  it('brings recordings in complete, in order and with their times, and names absent ones', TEST, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'longhaul-replay-'))
    try {
      const openxc = join(folder, 'a.jsonl')
      const nmea = join(folder, 'b.csv.gz')
      await writeFile(
        openxc,
        '{"name":"speed","value":1.10,"timestamp":1364323939.012250}\n{"name":"s","value":0,"timestamp":1364323939.0}\n'
      )
      await writeFile(nmea, gzipSync('2014-08-15T19:00:00.042Z,3,129029,160,255,2,87,a9\n'))
      await withKafka(async ({ registry, gateway, topics }) => {
        const recordings = [
          { path: openxc, format: 'openxc' },
          { path: nmea, format: 'nmea2000' },
          { path: join(folder, 'none'), format: 'openxc' }
        ] as const
        const common = { ...topics, registry, gateway, clock: systemClock, bootstrap: [broker.bootstrap] }
        const result = await replayFiles({ ...common, recordings, transports: ['mqtt3', 'mqtt5', 'http'] })
        assert.deepEqual(result.verification.violations, [])
        assert.deepEqual([result.verification.delivered, result.verification.ok], [9, true])
        assert.deepEqual(result.absent, [join(folder, 'none')])
      })
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
