import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import mqtt, { type IConnectPacket, type Packet } from 'mqtt-packet'
import { Fault } from '../runtime/fault.ts'
import { seededRandom } from '../runtime/random.ts'
import { type TestGateway, until, withGateway } from './gateway-fixture.ts'

/** A client of bytes: sends what the test says, whatever MQTT thinks of it. */
class RawClient {
  readonly packets: Packet[] = []
  ended = false
  readonly #socket: Socket
  readonly #options: { protocolVersion: 4 | 5 }

  constructor(port: number, protocolVersion: 4 | 5 = 4) {
    this.#options = { protocolVersion }
    this.#socket = connect(port, '127.0.0.1')
    const parser = mqtt.parser(this.#options)
    parser.on('packet', (packet) => this.packets.push(packet))
    this.#socket.on('data', (chunk) => parser.parse(chunk))
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.ended = true
    })
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  send(packet: Packet): void {
    this.write(mqtt.generate(packet, this.#options))
  }

  connect(packet: Partial<IConnectPacket>): void {
    const { protocolVersion } = this.#options
    this.send({
      cmd: 'connect',
      clientId: 'c',
      protocolId: 'MQTT',
      protocolVersion,
      clean: true,
      username: 'truck-1',
      ...packet
    })
  }

  publish(messageId: number, payload: string, topic = 'v1/telemetry'): void {
    this.send({ cmd: 'publish', qos: 1, dup: false, retain: false, topic, payload, messageId })
  }

  of(cmd: Packet['cmd']): Packet[] {
    return this.packets.filter((packet) => packet.cmd === cmd)
  }

  async next(cmd: Packet['cmd'], count = 1): Promise<Packet> {
    await until(`${count} ${cmd} came`, () => this.of(cmd).length >= count)
    return this.of(cmd)[count - 1] as Packet
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

async function withClient(
  version: 4 | 5,
  work: (client: RawClient, parts: TestGateway) => Promise<void>,
  settings: Parameters<typeof withGateway>[1] = {}
): Promise<void> {
  await withGateway(async (parts) => {
    const client = new RawClient(parts.gateway.mqttPort, version)
    try {
      await work(client, parts)
    } finally {
      client.destroy()
    }
  }, settings)
}

const codeOf = (packet: Packet) => ('reasonCode' in packet ? packet.reasonCode : undefined)

for (const version of [4, 5] as const) {
  const name = version === 5 ? 'MQTT 5' : 'MQTT 3.1.1'

  test(`${name}: PUBACK comes only after the broker's ack, in the order of the PUBLISH packets`, () =>
    withClient(version, async (client, { sink, token }) => {
      client.connect({ password: Buffer.from(token) })
      const connack = await client.next('connack')
      assert.ok('sessionPresent' in connack && connack.sessionPresent === false)
      sink.hold = true
      for (const id of [1, 2, 3]) client.publish(id, String(id))
      await until('all three reached the sink', () => sink.held.length === 3)
      sink.held[2]?.acknowledge()
      sink.held[1]?.acknowledge()
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert.equal(client.of('puback').length, 0)
      sink.held[0]?.acknowledge()
      await client.next('puback', 3)
      assert.deepEqual(
        client.of('puback').map((packet) => packet.messageId),
        [1, 2, 3]
      )
    }))

  test(`${name}: unknown tokens and foreign usernames are refused with their code`, () =>
    withGateway(async ({ gateway, token }) => {
      for (const attempt of [
        { username: '' },
        { password: Buffer.from('lhd_x') },
        { password: Buffer.from(token), username: 'truck-2' }
      ]) {
        const client = new RawClient(gateway.mqttPort, version)
        client.connect(attempt)
        const connack = await client.next('connack')
        assert.equal(
          'returnCode' in connack && version === 4 ? connack.returnCode : codeOf(connack),
          version === 4 ? 4 : 0x86
        )
        await until('it was closed', () => client.ended)
      }
    }))

  test(`${name}: a refused record is not acknowledged and ends the connection, and nothing behind it is stored`, () =>
    withClient(version, async (client, { sink, token }) => {
      client.connect({ password: Buffer.from(token) })
      await client.next('connack')
      sink.faultOf = ({ value }) => (value.includes('"payload":2') ? new Fault('unavailable', 'no broker') : undefined)
      client.publish(1, '1')
      await client.next('puback')
      client.publish(2, '2')
      await until('it was closed', () => client.ended)
      assert.equal(client.of('puback').length, 1)
      const disconnects = client.of('disconnect')
      assert.deepEqual(disconnects.map(codeOf), version === 5 ? [0x83] : [])
    }))

  test(`${name}: QoS 2, subscriptions and pings`, () =>
    withClient(version, async (client, { token }) => {
      client.connect({ password: Buffer.from(token) })
      await client.next('connack')
      client.send({ cmd: 'pingreq' })
      await client.next('pingresp')
      client.send({ cmd: 'subscribe', messageId: 9, subscriptions: [{ topic: '#', qos: 0 }] })
      const suback = await client.next('suback')
      assert.deepEqual('granted' in suback && suback.granted, [version === 5 ? 0x87 : 0x80])
      client.send({
        cmd: 'publish',
        qos: 2,
        dup: false,
        retain: false,
        topic: 'v1/telemetry',
        payload: '1',
        messageId: 1
      })
      await until('it was closed', () => client.ended)
      assert.deepEqual(client.of('disconnect').map(codeOf), version === 5 ? [0x9b] : [])
    }))
}

test('MQTT 5 is told the limits, and a client without id its new one', () =>
  withClient(5, async (client, { token }) => {
    client.connect({ clientId: '', password: Buffer.from(token) })
    const connack = await client.next('connack')
    assert.ok('properties' in connack && connack.properties)
    assert.equal('maximumQoS' in connack.properties && connack.properties.maximumQoS, 1)
    assert.match(
      String('assignedClientIdentifier' in connack.properties && connack.properties.assignedClientIdentifier),
      /-/
    )
  }))

test('packets sent before the CONNACK are taken, in order', () =>
  withClient(4, async (client, { sink, token }) => {
    client.connect({ password: Buffer.from(token) })
    client.publish(1, '1')
    client.publish(2, '2')
    await client.next('puback', 2)
    assert.deepEqual(
      sink.values().map((value) => value.at(-2)),
      ['1', '2']
    )
  }))

test('an unknown topic and broken payloads are acknowledged as dead letters', () =>
  withClient(4, async (client, { sink, token }) => {
    client.connect({ password: Buffer.from(token) })
    client.publish(1, 'x', 'v1/other')
    client.publish(2, '{broken')
    await client.next('puback', 2)
    assert.deepEqual(sink.values('telemetry.dead-letter'), ['x', '{broken'])
  }))

test('a packet larger than the limit ends the connection before it is buffered', () =>
  withClient(
    5,
    async (client, { sink, token }) => {
      client.connect({ password: Buffer.from(token) })
      await client.next('connack')
      client.publish(1, 'x'.repeat(5000))
      await until('it was closed', () => client.ended)
      assert.deepEqual(client.of('disconnect').map(codeOf), [0x95])
      assert.equal(sink.records.length, 0)
    },
    { packetBytesMax: 1000 }
  ))

test('a sender is slowed down, not cut off, when too much is under way', () =>
  withClient(
    5,
    async (client, { sink, token, gateway }) => {
      client.connect({ password: Buffer.from(token) })
      await client.next('connack')
      sink.hold = true
      const payload = JSON.stringify('x'.repeat(5000))
      for (let id = 1; id <= 200; id++) client.publish(id, payload)
      await new Promise((resolve) => setTimeout(resolve, 100))
      // One chunk of the socket may come on top.
      assert.ok(gateway.stats().inFlightBytes < 20_000 + 2 * 65_536, `${gateway.stats().inFlightBytes}`)
      sink.hold = false
      for (const { acknowledge } of sink.held) acknowledge()
      await client.next('puback', 200)
    },
    { connectionBytesMax: 20_000 }
  ))

test('a silent connection ends after one and a half times its keep-alive, one that never connects after its time', () =>
  withClient(
    5,
    async (client, { token, gateway }) => {
      const mute = new RawClient(gateway.mqttPort)
      client.connect({ password: Buffer.from(token), keepalive: 1 })
      await client.next('connack')
      const since = Date.now()
      await until('the mute one was closed', () => mute.ended)
      await until('the silent one was closed', () => client.ended)
      assert.ok(Date.now() - since >= 1400, `after ${Date.now() - since} ms`)
      assert.deepEqual(client.of('disconnect').map(codeOf), [0x8d])
    },
    { connectTimeoutMs: 50 }
  ))

test('the same client coming back ends its old connection', () =>
  withClient(5, async (client, { gateway, token }) => {
    client.connect({ password: Buffer.from(token) })
    await client.next('connack')
    const again = new RawClient(gateway.mqttPort, 5)
    again.connect({ password: Buffer.from(token) })
    await again.next('connack')
    await until('the old one was closed', () => client.ended)
    assert.deepEqual(client.of('disconnect').map(codeOf), [0x8e])
    assert.equal(again.ended, false)
    again.destroy()
  }))

test('garbage ends its own connection only', () =>
  withClient(4, async (client, { gateway, token }) => {
    client.connect({ password: Buffer.from(token) })
    await client.next('connack')
    const random = seededRandom(5)
    for (let round = 0; round < 40; round++) {
      const garbage = new RawClient(gateway.mqttPort)
      if (round % 2 === 0) garbage.connect({ password: Buffer.from(token), clientId: `g${round}` })
      garbage.write(random.bytes(1 + random.int(300)))
      setTimeout(() => garbage.destroy(), 30)
    }
    await new Promise((resolve) => setTimeout(resolve, 60))
    client.publish(1, '1')
    await client.next('puback')
    await until('the others are gone', () => gateway.stats().mqttConnections === 1)
  }))

test('closing finishes what is under way and says goodbye', () =>
  withClient(
    5,
    async (client, { gateway, sink, token }) => {
      client.connect({ password: Buffer.from(token) })
      await client.next('connack')
      sink.hold = true
      client.publish(1, '1')
      await until('it is under way', () => sink.held.length === 1)
      const closing = gateway.close()
      setTimeout(() => sink.held[0]?.acknowledge(), 20)
      await closing
      assert.equal(client.of('puback').length, 1)
      assert.deepEqual(client.of('disconnect').map(codeOf), [0x8b])
    },
    { closeGraceMs: 2000 }
  ))
