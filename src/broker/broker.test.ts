import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLog } from '../runtime/log.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { systemRandom } from '../runtime/system-random.ts'
import { MetadataRequest, MetadataResponse } from '../wire/messages/metadata.ts'
import { Broker } from './broker.ts'
import {
  BrokerFixture,
  batch,
  FETCH,
  fetched,
  fetchRequest,
  PRODUCE,
  pair,
  produceRequest,
  TestClient
} from './broker-fixture.ts'

const METADATA = pair(MetadataRequest, MetadataResponse)

describe('broker', () => {
  it('serves clients over TCP: from the name of a topic to its records, woken by the append', async () => {
    const { engine, nodeEpoch, metadata, ...fixture } = await startStorage()
    const broker = new Broker({
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      metadata,
      engine,
      settings: fixture.settings,
      nodeEpoch,
      mayServe: () => true,
      host: '127.0.0.1',
      port: 0,
      frameBytesMax: 1 << 20,
      requestMemoryBytes: 1 << 20,
      offsetMapBytes: 1 << 20,
      producerExpirationMs: 1000,
      groupInitialRebalanceDelayMs: 0,
      groupMinSessionTimeoutMs: 1000
    })
    await broker.start()
    const [producer, consumer] = [await TestClient.open(broker.port), await TestClient.open(broker.port)]
    const { brokers, topics } = await producer.call(METADATA, 9, { topics: [{ name: 'live' }] })
    assert.deepEqual([brokers[0]?.port, topics[0]?.partitions.length], [broker.port, 2])
    const waiting = consumer.call(FETCH, 12, fetchRequest('live', [{ partition: 0 }], { maxWaitMs: 10_000 }))
    const { responses } = await producer.call(PRODUCE, 9, produceRequest('live', batch(3)))
    assert.equal(responses[0]?.partitionResponses[0]?.errorCode, 0)
    assert.deepEqual(fetched(await waiting)?.batches, [0])
    await broker.close()
    await Promise.all([producer.closed, consumer.closed])
    await fixture.close()
  })
})

async function startStorage() {
  const fixture = await BrokerFixture.start()
  // The broker under test leads everything.
  await fixture.led.close()
  const { engine, nodeEpoch, metadata, parts } = fixture
  return { engine, nodeEpoch, metadata, settings: parts.settings, close: () => fixture.close() }
}
