import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { ZERO_UUID } from '../../wire/buffers.ts'
import { ErrorCode } from '../../wire/error-codes.ts'
import { ApiVersionsRequest, ApiVersionsResponse } from '../../wire/messages/api-versions.ts'
import {
  GetTelemetrySubscriptionsRequest,
  GetTelemetrySubscriptionsResponse
} from '../../wire/messages/get-telemetry-subscriptions.ts'
import { PushTelemetryRequest, PushTelemetryResponse } from '../../wire/messages/push-telemetry.ts'
import { type Codec, codecId, compress } from '../../wire/records/compression.ts'
import { BrokerFixture, pair } from '../broker-fixture.ts'
import { counter, gauge, metricsData } from '../telemetry/otlp-fixture.ts'

const API_VERSIONS = pair(ApiVersionsRequest, ApiVersionsResponse)
const GET = pair(GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse)
const PUSH = pair(PushTelemetryRequest, PushTelemetryResponse)
const INTERVAL_MS = 10_000
const NO_METRICS = Buffer.alloc(0)

describe('client telemetry', () => {
  let broker: BrokerFixture
  beforeEach(async () => {
    broker = await BrokerFixture.start()
  })
  afterEach(() => broker.close())

  const subscribe = (name: string, values: Record<string, string>) =>
    broker.run(broker.metadata.setResourceConfigs('client-metrics', name, values))
  const ask = (clientInstanceId = ZERO_UUID) => broker.call(GET, 0, { clientInstanceId })
  const push = (
    { clientInstanceId, subscriptionId }: { clientInstanceId: string; subscriptionId: number },
    metrics: Buffer,
    more: { terminating?: boolean; compressionType?: number } = {}
  ) =>
    broker
      .call(PUSH, 0, { clientInstanceId, subscriptionId, terminating: false, compressionType: 0, metrics, ...more })
      .then(({ errorCode }) => errorCode)

  it('a client gets an id, and is told what the subscriptions that match it ask for', async () => {
    await subscribe('all', { metrics: 'org.apache.kafka.producer.', 'interval.ms': String(INTERVAL_MS) })
    await subscribe('java', { metrics: '*', 'interval.ms': '5000', match: 'client_software_name=apache-kafka-java' })
    const first = await ask()
    assert.equal(first.errorCode, ErrorCode.NONE)
    assert.notEqual(first.clientInstanceId, ZERO_UUID)
    assert.deepEqual(first.requestedMetrics, ['org.apache.kafka.producer.'])
    assert.deepEqual(
      [first.pushIntervalMs, first.telemetryMaxBytes, first.deltaTemporality, first.acceptedCompressionTypes],
      [INTERVAL_MS, 1024 * 1024, true, [4, 3, 1, 2]]
    )
    await broker.call(API_VERSIONS, 3, { clientSoftwareName: 'apache-kafka-java', clientSoftwareVersion: '4.3.1' })
    const java = await ask()
    assert.deepEqual([java.requestedMetrics, java.pushIntervalMs], [['*'], 5000])
    assert.notEqual(java.clientInstanceId, first.clientInstanceId)
  })

  it('a client that nobody wants metrics of is told to push none, and to ask again in five minutes', async () => {
    const answer = await ask()
    assert.deepEqual([answer.requestedMetrics, answer.pushIntervalMs], [[], 300_000])
  })

  it('asking too early is THROTTLING_QUOTA_EXCEEDED, until subscriptions change or the connection is another', async () => {
    const { clientInstanceId } = await ask()
    assert.equal((await ask(clientInstanceId)).errorCode, ErrorCode.THROTTLING_QUOTA_EXCEEDED)
    await subscribe('new', { metrics: '*', 'interval.ms': String(INTERVAL_MS) })
    assert.equal((await ask(clientInstanceId)).errorCode, ErrorCode.NONE)
    assert.equal((await ask(clientInstanceId)).errorCode, ErrorCode.THROTTLING_QUOTA_EXCEEDED)
    broker.disconnect()
    assert.equal((await ask(clientInstanceId)).errorCode, ErrorCode.NONE)
  })

  it('what is pushed is shown, whatever its compression, and differences are added up', async () => {
    await subscribe('all', { metrics: '*', 'interval.ms': String(INTERVAL_MS) })
    const order = await ask()
    const codecs: Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
    for (const codec of codecs) {
      const data = metricsData([gauge('queue.size', 3, { 'node-id': '1' }), counter('sent', 2n, 1)])
      const metrics = await compress(codec, data)
      assert.equal(await push(order, metrics, { compressionType: codecId(codec) }), ErrorCode.NONE, codec)
      await broker.clock.advance(INTERVAL_MS)
    }
    const lines = broker.parts.telemetry.text().split('\n')
    const labels = `client_instance_id="${order.clientInstanceId}",client_id="test",client_source_address="127.0.0.1"`
    assert.ok(lines.includes(`queue_size{${labels},node_id="1"} 3`), lines.join('\n'))
    assert.ok(lines.includes(`sent{${labels}} 10`))
  })

  it('what cannot be pushed has the error of its reason', async () => {
    await subscribe('all', { metrics: '*', 'interval.ms': String(INTERVAL_MS) })
    const asked = async () => ask()
    const order = await asked()
    assert.equal(await push({ ...order, clientInstanceId: ZERO_UUID }, NO_METRICS), ErrorCode.INVALID_REQUEST)
    assert.equal(await push(order, NO_METRICS), ErrorCode.NONE)
    assert.equal(await push(order, NO_METRICS), ErrorCode.THROTTLING_QUOTA_EXCEEDED)
    assert.equal(await push({ ...(await asked()), subscriptionId: 1 }, NO_METRICS), ErrorCode.UNKNOWN_SUBSCRIPTION_ID)
    const odd = { compressionType: 9 }
    assert.equal(await push(await asked(), NO_METRICS, odd), ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
    assert.equal(await push(await asked(), Buffer.alloc(1024 * 1024 + 1)), ErrorCode.TELEMETRY_TOO_LARGE)
    assert.equal(await push(await asked(), Buffer.from('no metrics')), ErrorCode.INVALID_RECORD)
    const bomb = await compress('gzip', Buffer.alloc(2 * 1024 * 1024))
    assert.equal(await push(await asked(), bomb, { compressionType: codecId('gzip') }), ErrorCode.INVALID_RECORD)
    assert.match(broker.parts.telemetry.text(), /^longhaul_telemetry_clients 0$/m)
  })

  it('a terminating push may come early, and nothing after it', async () => {
    await subscribe('all', { metrics: '*', 'interval.ms': String(INTERVAL_MS) })
    const order = await ask()
    const data = metricsData([gauge('g', 1)])
    assert.equal(await push(order, data), ErrorCode.NONE)
    assert.equal(await push(order, metricsData([gauge('g', 2)]), { terminating: true }), ErrorCode.NONE)
    assert.match(broker.parts.telemetry.text(), /^g\{.*\} 2$/m)
    await broker.clock.advance(INTERVAL_MS)
    assert.equal(await push(order, data), ErrorCode.INVALID_REQUEST)
  })

  it('what a client told is shown for a minute after it fell silent', async () => {
    await subscribe('all', { metrics: '*', 'interval.ms': String(INTERVAL_MS) })
    assert.equal(await push(await ask(), metricsData([gauge('g', 1)])), ErrorCode.NONE)
    broker.disconnect()
    await broker.clock.advance(59_999)
    assert.match(broker.parts.telemetry.text(), /^g\{/m)
    await broker.clock.advance(1)
    assert.doesNotMatch(broker.parts.telemetry.text(), /^g\{/m)
  })
})
