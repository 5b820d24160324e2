/** How a simulated device talks to the gateway: one interface over MQTT and HTTP. */

export type Transport = 'mqtt3' | 'mqtt5' | 'http'

export interface GatewayAddress {
  readonly host: string
  readonly mqttPort: number
  readonly httpPort: number
}

export interface DeviceCredentials {
  readonly id: string
  readonly token: string
}

export interface DeviceLink {
  /** Connects when that is needed. Rejects when the gateway cannot be reached or does not know the device. */
  open(): Promise<void>
  /**
   * Sends payloads in order and calls `acknowledged` with the index of each that the gateway took, in order. Resolves
   * when all are; rejects when the connection ends first or the gateway refuses one. Then the link must be opened again.
   */
  send(payloads: readonly Buffer[], acknowledged: (index: number) => void): Promise<void>
  /** Tears the connection down at once, as a tunnel would. */
  drop(): void
  /** Says goodbye. */
  close(): Promise<void>
}

/** The gateway answered, and the answer was no. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
}
