/** A simulated device's MQTT connection: QoS 1, both versions, no automatic reconnecting (the device decides). */
import { connect, type MqttClient } from 'mqtt'
import { Fault } from '../runtime/fault.ts'
import type { DeviceCredentials, DeviceLink, GatewayAddress } from './device-link.ts'

const topic = 'v1/telemetry'

export class MqttLink implements DeviceLink {
  readonly #address: GatewayAddress
  readonly #credentials: DeviceCredentials
  readonly #version: 4 | 5
  #client: MqttClient | undefined

  constructor(address: GatewayAddress, credentials: DeviceCredentials, version: 4 | 5) {
    this.#address = address
    this.#credentials = credentials
    this.#version = version
  }

  async open(): Promise<void> {
    if (this.#client?.connected) return
    this.drop()
    const client = connect({
      protocol: 'mqtt',
      host: this.#address.host,
      port: this.#address.mqttPort,
      protocolVersion: this.#version,
      clientId: this.#credentials.id,
      username: this.#credentials.id,
      password: this.#credentials.token,
      reconnectPeriod: 0,
      keepalive: 30,
      connectTimeout: 10_000
    })
    this.#client = client
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve())
      client.on('error', reject)
      client.once('close', () => reject(connectionEnded()))
    })
  }

  async send(payloads: readonly Buffer[], acknowledged: (index: number) => void): Promise<void> {
    const client = this.#client
    if (!client?.connected) throw connectionEnded()
    const sent = payloads.map(
      (payload, index) =>
        new Promise<void>((resolve, reject) => {
          client.publish(topic, payload, { qos: 1 }, (error) => {
            if (error) reject(error)
            else resolve(acknowledged(index))
          })
        })
    )
    let endRace: (fault: Fault) => void = () => {}
    const ended = new Promise<never>((_, reject) => {
      endRace = reject
    })
    const onClose = () => endRace(connectionEnded())
    client.once('close', onClose)
    try {
      await Promise.race([Promise.all(sent), ended])
    } finally {
      client.off('close', onClose)
      // Those still open fail when the client ends; the device has learned it already.
      for (const each of sent) each.catch(() => {})
    }
  }

  drop(): void {
    this.#client?.stream?.destroy()
    this.#client?.end(true)
    this.#client = undefined
  }

  async close(): Promise<void> {
    await this.#client?.endAsync()
    this.#client = undefined
  }
}

function connectionEnded(): Fault {
  return new Fault('unavailable', 'the MQTT connection ended')
}
