/**
 * One MQTT connection of a device: 3.1.1 or 5, an ingress and not a broker (no sessions, no subscriptions, no retained
 * messages, no wills).
 *
 * Invariants: a PUBACK goes out only after the broker acknowledged the record, and in the order of the PUBLISH packets
 * [MQTT-4.6.0-2]; the first refusal ends the connection, so a device that repeats what was not acknowledged keeps its
 * order; bytes under way are bounded by not reading on. Anything malformed ends this connection and no other.
 */
import type { Socket } from 'node:net'
import mqtt, { type IConnectPacket, type IPublishPacket, type Packet, type Parser } from 'mqtt-packet'
import type { Device, DeviceRegistry } from '../fleet/device-registry.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { type Random, uuid } from '../runtime/random.ts'
import type { Flow, Ingress, Outcome } from './ingress.ts'
import { meaningOf, type Refusal, refusalOf } from './refusal.ts'

const telemetryTopic = 'v1/telemetry'

export interface MqttSettings {
  /** Largest packet that is read at all. */
  readonly packetBytesMax: number
  /**
   * PUBLISH packets per connection that may wait for their acknowledgement; MQTT 5 clients are told (receive maximum).
   * Who sends more is not disconnected, as MQTT 5 allows, but not read: mqtt.js does not count.
   */
  readonly receiveMax: number
  /** Payload bytes per connection that may be under way before reading pauses. */
  readonly inFlightBytesMax: number
  /** How long a new connection may take to send its CONNECT. */
  readonly connectTimeoutMs: number
}

export interface MqttContext {
  readonly ingress: Ingress
  readonly registry: DeviceRegistry
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly settings: MqttSettings
  /** Called once the device is known; ends an older connection of the same client. */
  readonly connected: (connection: MqttConnection) => void
}

interface Pending {
  readonly bytes: number
  /** undefined for QoS 0. */
  readonly messageId: number | undefined
  done: boolean
}

/** Largest packet before the device is known. */
const connectBytesMax = 16 * 1024
/** Answers a client may leave unread before we stop reading from it. */
const unreadBytesMax = 64 * 1024

export class MqttConnection {
  readonly #socket: Socket
  readonly #context: MqttContext
  readonly #parserOptions: { protocolVersion: 3 | 4 | 5 } = { protocolVersion: 4 }
  readonly #parser: Parser
  /** Packets that came before the device was known, or behind the one being handled. */
  readonly #early: Packet[] = []
  /** In the order of arrival; acknowledged from the front. */
  readonly #pending: Pending[] = []
  #state: 'new' | 'connecting' | 'open' | 'closed' = 'new'
  #flow: Flow | undefined
  #clientId = ''
  #pendingBytes = 0
  #paused = false
  #lastPacketAt: number
  #cancelTimer: () => void
  #whenIdle: (() => void) | undefined

  constructor(socket: Socket, context: MqttContext) {
    this.#socket = socket
    this.#context = context
    this.#parser = mqtt.parser(this.#parserOptions)
    this.#parser.on('packet', (packet) => this.#receive(packet))
    this.#parser.on('error', (error) =>
      this.#refuse({ code: 'malformed', message: `not MQTT: ${String(error?.message)}` })
    )
    this.#lastPacketAt = context.clock.monotonic()
    this.#cancelTimer = context.clock.after(context.settings.connectTimeoutMs, () => this.destroy())
    socket.setNoDelay(true)
    // Finds peers that vanished without a word, where the client wants no keep-alive of MQTT.
    socket.setKeepAlive(true, 60_000)
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('drain', () => this.#flowControl())
    // A broken connection is the device's business; what it sent and was not told about, it sends again.
    socket.on('error', () => this.destroy())
    socket.on('close', () => this.destroy())
  }

  /** Names the client within the gateway; two connections with one name are one client that came back. */
  get clientName(): string {
    const device = this.#flow?.device
    return `${device?.tenant}/${device?.id}/${this.#clientId}`
  }

  get closed(): boolean {
    return this.#state === 'closed'
  }

  /** Reads nothing more, waits until everything under way is acknowledged, then says goodbye. */
  async close(): Promise<void> {
    this.#pause()
    if (this.#pending.length > 0 && !this.closed) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve
      })
    }
    this.#refuse({ code: 'closing', message: 'the gateway is being stopped' })
  }

  /** Another connection of the same client has come. */
  takeOver(): void {
    this.#end(0x8e, 'another connection took over')
  }

  destroy(): void {
    this.#leave()
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    if (this.closed) return
    let unparsed = 0
    try {
      unparsed = this.#parser.parse(chunk)
    } catch (error) {
      // The parser reports most malformed packets as events, but reads beyond the end of some.
      this.#context.log.warn({ error: String(error) }, 'a packet could not be read')
      this.#refuse({ code: 'malformed', message: 'not MQTT' })
    }
    if (unparsed > this.#packetBytesMax()) this.#refuseSize()
    this.#flowControl()
  }

  #packetBytesMax(): number {
    return this.#state === 'open' ? this.#context.settings.packetBytesMax : connectBytesMax
  }

  #refuseSize(): void {
    const message = `a packet may have at most ${this.#packetBytesMax()} bytes`
    this.#refuse({ code: 'too-large', message })
  }

  #receive(packet: Packet): void {
    this.#lastPacketAt = this.#context.clock.monotonic()
    if (this.closed) return
    if ((packet.length ?? 0) > this.#context.settings.packetBytesMax) {
      this.#refuseSize()
      return
    }
    if (this.#state === 'connecting') this.#early.push(packet)
    else if (this.#state === 'open') this.#handle(packet)
    else if (packet.cmd === 'connect') this.#connect(packet)
    else this.destroy()
  }

  #connect(packet: IConnectPacket): void {
    this.#state = 'connecting'
    const version = packet.protocolVersion ?? 4
    this.#parserOptions.protocolVersion = version
    this.#pause()
    this.#authenticate(packet).then(
      (device) => {
        if (!this.closed) this.#admit(device, packet)
      },
      (error) => {
        const refusal = isRefusal(error) ? error : refusalOf(error)
        if (refusal === undefined)
          this.#context.log.error({ error: String(error) }, 'authentication failed unexpectedly')
        this.#refuse(refusal ?? { code: 'unavailable', message: 'the gateway failed' })
      }
    )
  }

  /** Rejects with a `Refusal` or a Fault. */
  async #authenticate(packet: IConnectPacket): Promise<Device> {
    if (packet.protocolVersion === 3) throw refusal('unsupported-version', 'MQTT 3.1 is not served; use 3.1.1 or 5')
    if (packet.properties?.authenticationMethod !== undefined) {
      throw refusal('unauthenticated', 'extended authentication is not served; give the token as password')
    }
    const token = packet.password?.toString() ?? ''
    const device = token === '' ? undefined : await this.#context.registry.authenticate(token)
    if (device === undefined) throw refusal('unauthenticated', 'give the token of a registered device as password')
    if (packet.username && packet.username !== device.id) {
      throw refusal('unauthenticated', 'the username must be empty or the id of the device that owns the token')
    }
    return device
  }

  #admit(device: Device, packet: IConnectPacket): void {
    this.#flow = { device, transport: 'mqtt', broken: false }
    this.#clientId = packet.clientId || uuid(this.#context.random)
    this.#state = 'open'
    this.#context.connected(this)
    const { packetBytesMax, receiveMax } = this.#context.settings
    const properties = {
      receiveMaximum: receiveMax,
      maximumQoS: 1,
      retainAvailable: false,
      maximumPacketSize: packetBytesMax,
      wildcardSubscriptionAvailable: false,
      subscriptionIdentifiersAvailable: false,
      sharedSubscriptionAvailable: false,
      ...(packet.clientId ? {} : { assignedClientIdentifier: this.#clientId })
    }
    const v5 = this.#parserOptions.protocolVersion === 5
    this.#write({ cmd: 'connack', sessionPresent: false, ...(v5 ? { reasonCode: 0, properties } : { returnCode: 0 }) })
    this.#cancelTimer()
    this.#keepAlive((packet.keepalive ?? 0) * 1500)
    for (const early of this.#early.splice(0)) if (!this.closed) this.#handle(early)
    this.#flowControl()
  }

  /** One and a half times what the client promised [MQTT-3.1.2-24]; silence that we caused by not reading does not count. */
  #keepAlive(timeoutMs: number): void {
    if (timeoutMs === 0 || this.closed) return
    const silentMs = this.#paused ? 0 : this.#context.clock.monotonic() - this.#lastPacketAt
    if (silentMs >= timeoutMs) {
      this.#end(0x8d, 'keep-alive timeout')
      return
    }
    this.#cancelTimer = this.#context.clock.after(timeoutMs - silentMs, () => this.#keepAlive(timeoutMs))
  }

  #handle(packet: Packet): void {
    switch (packet.cmd) {
      case 'publish':
        this.#publish(packet)
        break
      case 'pingreq':
        this.#write({ cmd: 'pingresp' })
        break
      case 'subscribe': {
        const code = this.#parserOptions.protocolVersion === 5 ? 0x87 : 0x80
        const granted = packet.subscriptions.map(() => code)
        this.#write({ cmd: 'suback', messageId: packet.messageId ?? 0, granted })
        break
      }
      case 'unsubscribe': {
        const granted = packet.unsubscriptions.map(() => 0x11)
        this.#write({ cmd: 'unsuback', messageId: packet.messageId ?? 0, granted })
        break
      }
      case 'disconnect':
        // What is under way goes on; nobody waits for the answers.
        this.#leave()
        this.#socket.end()
        break
      default:
        this.#end(0x82, `a client may not send ${packet.cmd} here`)
    }
  }

  #publish(packet: IPublishPacket): void {
    const flow = this.#flow
    if (flow === undefined || flow.broken) return
    if (packet.qos === 2) {
      this.#refuse({ code: 'unsupported-qos', message: 'use QoS 0 or 1' })
      return
    }
    const v5 = this.#parserOptions.protocolVersion === 5
    if (v5 && packet.retain) {
      this.#end(0x9a, 'retained messages are not served')
      return
    }
    if (packet.properties?.topicAlias !== undefined) {
      this.#end(0x94, 'topic aliases are not served')
      return
    }
    const messageId = packet.qos === 1 ? packet.messageId : undefined
    const payload = Buffer.isBuffer(packet.payload) ? packet.payload : Buffer.from(packet.payload)
    const pending = { bytes: payload.length, messageId, done: false }
    this.#pending.push(pending)
    this.#pendingBytes += pending.bytes
    const unknownTopic = packet.topic === telemetryTopic ? undefined : packet.topic
    this.#context.ingress.accept(flow, payload, unknownTopic).then(
      (outcome) => this.#settle(pending, outcome),
      (error) => {
        this.#context.log.error({ error: String(error) }, 'a record failed unexpectedly')
        this.#refuse({ code: 'unavailable', message: 'the gateway failed' })
      }
    )
  }

  #settle(pending: Pending, outcome: Outcome): void {
    if (outcome.result === 'refused') this.#refuse(outcome.refusal)
    if (this.closed) return
    pending.done = true
    if (this.#pending[0] !== pending) return
    this.#socket.cork()
    for (let first = this.#pending[0]; first?.done === true; first = this.#pending[0]) {
      this.#pending.shift()
      this.#pendingBytes -= first.bytes
      if (first.messageId !== undefined) this.#write({ cmd: 'puback', messageId: first.messageId, reasonCode: 0 })
    }
    // Outcomes of one batch come in one turn of the event loop; their answers leave in one packet.
    process.nextTick(() => this.#socket.uncork())
    this.#flowControl()
    if (this.#pending.length === 0) this.#whenIdle?.()
  }

  #flowControl(): void {
    if (this.#state !== 'open' || this.#whenIdle !== undefined) return
    const { receiveMax, inFlightBytesMax } = this.#context.settings
    const full =
      this.#pending.length >= receiveMax ||
      this.#pendingBytes >= inFlightBytesMax ||
      this.#socket.writableLength > unreadBytesMax
    if (full) this.#pause()
    else if (this.#paused) {
      this.#paused = false
      this.#lastPacketAt = this.#context.clock.monotonic()
      this.#socket.resume()
    }
  }

  #pause(): void {
    this.#paused = true
    this.#socket.pause()
  }

  #refuse(refusal: Refusal): void {
    const meaning = meaningOf(refusal.code)
    if (this.#state === 'open') {
      this.#end(meaning.disconnect5, refusal.message)
      return
    }
    if (this.#state === 'connecting') {
      const v5 = this.#parserOptions.protocolVersion === 5
      const code = v5
        ? { reasonCode: meaning.connack5, properties: { reasonString: refusal.message } }
        : { returnCode: meaning.connack3 }
      this.#write({ cmd: 'connack', sessionPresent: false, ...code })
    }
    this.#hangUp(refusal.message)
  }

  /** Ends an open connection; MQTT 5 tells the client why, 3.1.1 has no words for it. */
  #end(reasonCode: number, reasonString: string): void {
    if (this.closed) return
    if (this.#state === 'open' && this.#parserOptions.protocolVersion === 5) {
      this.#write({ cmd: 'disconnect', reasonCode, properties: { reasonString } })
    }
    this.#hangUp(reasonString)
  }

  #hangUp(why: string): void {
    if (this.closed) return
    this.#context.log.debug({ client: this.clientName, why }, 'mqtt connection ended')
    this.#leave()
    this.#socket.end()
    // The client may never close its half; what it still sends is not read.
    this.#socket.resume()
    const cancel = this.#context.clock.after(1000, () => this.#socket.destroy())
    this.#socket.once('close', cancel)
  }

  #leave(): void {
    this.#state = 'closed'
    this.#cancelTimer()
    this.#early.length = 0
    this.#whenIdle?.()
  }

  #write(packet: Packet): void {
    if (this.#socket.writable) this.#socket.write(mqtt.generate(packet, this.#parserOptions))
  }
}

function refusal(code: Refusal['code'], message: string): Refusal {
  return { code, message }
}

function isRefusal(error: unknown): error is Refusal {
  return (
    typeof error === 'object' && error !== null && 'code' in error && 'message' in error && !(error instanceof Error)
  )
}
