/** Real clients of each transport against one gateway: what they may rely on is the same everywhere. */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { connectAsync, type MqttClient } from 'mqtt'
import { decodeEnvelope } from '../fleet/envelope.ts'
import { Fault } from '../runtime/fault.ts'
import type { GatewaySettings } from './gateway.ts'
import { type TestGateway, until, withGateway } from './gateway-fixture.ts'
import { meaningOf, type RefusalCode } from './refusal.ts'

type Parts = Pick<TestGateway, 'gateway' | 'token'>

async function connectMqtt({ gateway, token }: Parts, protocolVersion: 4 | 5): Promise<MqttClient> {
  const options = { host: '127.0.0.1', port: gateway.mqttPort, protocolVersion, reconnectPeriod: 0 }
  return await connectAsync({ ...options, protocol: 'mqtt', username: 'truck-1', password: token })
}

/** What each transport answers to one record: the HTTP status, and MQTT's reason code. */
interface Answers {
  readonly http: number
  readonly httpCode: string | undefined
  readonly mqtt5: number | undefined
}

async function httpAnswer({ gateway, token }: Parts, body: string): Promise<Pick<Answers, 'http' | 'httpCode'>> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const response = await fetch(`http://127.0.0.1:${gateway.httpPort}/v1/telemetry`, { method: 'POST', headers, body })
  const answer = (await response.json()) as { error?: { code: string } }
  return { http: response.status, httpCode: answer.error?.code }
}

/** The reason of the DISCONNECT that answers the record. */
async function mqtt5Disconnect(parts: Parts, body: string): Promise<number | undefined> {
  const client = await connectMqtt(parts, 5)
  let reason: number | undefined
  client.on('disconnect', (packet) => {
    reason = packet.reasonCode
  })
  client.on('error', () => {})
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
  client.publish('v1/telemetry', body, { qos: 1 }, () => {})
  await closed
  client.end(true)
  return reason
}

async function mqtt5Connack(parts: Parts): Promise<number | undefined> {
  const error: unknown = await connectMqtt(parts, 5).then(
    (client) => client.endAsync(),
    (reason) => reason
  )
  return error instanceof Error && 'code' in error ? Number(error.code) : undefined
}

for (const version of [4, 5] as const) {
  const name = version === 5 ? 'MQTT 5' : 'MQTT 3.1.1'

  test(`${name}: QoS 0 and QoS 1 records of a client arrive in the order in which it sent them`, () =>
    withGateway(async (parts) => {
      const client = await connectMqtt(parts, version)
      const last: Promise<unknown>[] = []
      for (let seq = 0; seq < 300; seq++) {
        const qos = seq % 3 === 0 ? 0 : 1
        last.push(client.publishAsync('v1/telemetry', `{"seq":${seq},"data":${seq}.10}`, { qos }))
      }
      await Promise.all(last)
      await until('all arrived', () => parts.sink.records.length === 300)
      const envelopes = parts.sink.values().map((value) => decodeEnvelope(Buffer.from(value)))
      assert.deepEqual(
        envelopes.map(({ seq, payload }) => `${seq} ${payload}`),
        Array.from({ length: 300 }, (_, seq) => `${seq} ${seq}.10`)
      )
      await client.endAsync()
    }))

  test(`${name}: a refused QoS 0 record ends the connection, so that its loss is not silent`, () =>
    withGateway(async (parts) => {
      parts.sink.faultOf = () => new Fault('unavailable', 'no broker')
      const client = await connectMqtt(parts, version)
      client.on('error', () => {})
      const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
      client.publish('v1/telemetry', '1', { qos: 0 })
      await closed
      client.end(true)
    }))
}

const refusals: readonly {
  readonly code: RefusalCode
  readonly settings?: Partial<GatewaySettings>
  readonly arrange: (parts: TestGateway) => void
}[] = [
  {
    code: 'unavailable',
    arrange: ({ sink }) => {
      sink.faultOf = () => new Fault('unavailable', 'no broker')
    }
  },
  {
    code: 'closing',
    arrange: ({ sink }) => {
      sink.faultOf = () => new Fault('closed', 'the sink is closed')
    }
  },
  { code: 'too-large', settings: { packetBytesMax: 500 }, arrange: () => {} }
]

for (const { code, settings, arrange } of refusals) {
  test(`${code} means the same over MQTT 5 and HTTP`, () =>
    withGateway(async (parts) => {
      arrange(parts)
      const body = JSON.stringify('x'.repeat(1000))
      const answers: Answers = { ...(await httpAnswer(parts, body)), mqtt5: await mqtt5Disconnect(parts, body) }
      assert.deepEqual(answers, { http: meaningOf(code).http, httpCode: code, mqtt5: meaningOf(code).disconnect5 })
    }, settings))
}

test('overloaded means the same over MQTT 5 and HTTP', () =>
  withGateway(
    async (parts) => {
      parts.sink.hold = true
      const first = await connectMqtt(parts, 5)
      const stored = first.publishAsync('v1/telemetry', '1', { qos: 1 })
      await until('one record fills the gateway', () => parts.sink.held.length === 1)
      const answers: Answers = { ...(await httpAnswer(parts, '22')), mqtt5: await mqtt5Disconnect(parts, '22') }
      const { http, disconnect5 } = meaningOf('overloaded')
      assert.deepEqual(answers, { http, httpCode: 'overloaded', mqtt5: disconnect5 })
      parts.sink.held[0]?.acknowledge()
      await stored
      await first.endAsync()
    },
    { inFlightBytesMax: 1, overloadWaitMs: 10 }
  ))

test('a token of nobody, and a registry that does not answer, mean the same over MQTT 5 and HTTP', () =>
  withGateway(async (parts) => {
    const stranger = { ...parts, token: 'lhd_x' }
    const unknown = { ...(await httpAnswer(stranger, '1')), mqtt5: await mqtt5Connack(stranger) }
    assert.deepEqual(unknown, { http: 401, httpCode: 'unauthenticated', mqtt5: 0x86 })
    parts.registry.authenticate = async () => {
      throw new Fault('unavailable', 'the database is away')
    }
    const away = { ...(await httpAnswer(parts, '1')), mqtt5: await mqtt5Connack(parts) }
    assert.deepEqual(away, { http: 503, httpCode: 'unavailable', mqtt5: 0x88 })
    assert.equal(parts.sink.records.length, 0)
  }))

test('each transport has a limit of connections, and a place that becomes free is given away again', () =>
  withGateway(
    async ({ gateway }) => {
      for (const port of [gateway.mqttPort, gateway.httpPort]) {
        const first = openSocket(port)
        await until('the first is in', () => first.connected())
        const second = openSocket(port)
        await until('the second was closed', () => second.closed())
        assert.equal(first.closed(), false)
        first.socket.destroy()
        await until('the first is gone', () => first.closed())
        await pause(20)
        const third = openSocket(port)
        await pause(50)
        assert.deepEqual([third.connected(), third.closed()], [true, false])
        third.socket.destroy()
      }
    },
    { connectionsMax: 1 }
  ))

function openSocket(port: number): { socket: Socket; connected: () => boolean; closed: () => boolean } {
  const socket = connect(port, '127.0.0.1')
  const state = { connected: false, closed: false }
  socket.once('connect', () => {
    state.connected = true
  })
  socket.once('close', () => {
    state.closed = true
  })
  socket.on('error', () => {})
  socket.resume()
  return { socket, connected: () => state.connected, closed: () => state.closed }
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs))
}
