/**
 * A seeded fleet of simulated devices over real MQTT and HTTP.
 *
 * Device ids are the same in every run (`sim-0001`, …), so a restarted fleet is the same fleet; every run has its own
 * epoch (its start time), so its records are its own. Timing on a real network is not repeatable; what is measured is.
 */
import { type DeviceRegistry, defaultTenant } from '../fleet/device-registry.ts'
import { type Clock, sleep } from '../runtime/clock.ts'
import { Fault, isFault } from '../runtime/fault.ts'
import type { Log } from '../runtime/log.ts'
import { seededRandom } from '../runtime/random.ts'
import type { DeviceCredentials, DeviceLink, GatewayAddress, Transport } from './device-link.ts'
import { DeviceSignals } from './device-signals.ts'
import { HttpLink } from './http-link.ts'
import { MqttLink } from './mqtt-link.ts'
import { type DeviceBehaviour, SimulatedDevice } from './simulated-device.ts'
import { type DeviceCounts, TruthLedger } from './truth-ledger.ts'

export interface FleetSettings extends DeviceBehaviour {
  readonly devices: number
  readonly seed: number
  /** Devices take these in turn. */
  readonly transports: readonly Transport[]
  /** Stop measuring after this many records of the whole fleet; undefined: never. */
  readonly recordsMax: number | undefined
  /** Keep every record, so that the run can be verified; without it the fleet may run for ever. */
  readonly keepRecords: boolean
}

const defaultFleetSettings: FleetSettings = {
  devices: 12,
  seed: 1,
  transports: ['mqtt5', 'mqtt3', 'http'],
  recordsPerSecond: 2,
  malformedShare: 0.01,
  dropShare: 0.01,
  bufferRecordsMax: 10_000,
  windowRecords: 100,
  recordsMax: undefined,
  keepRecords: false
}

export interface FleetSimulatorOptions {
  readonly gateway: GatewayAddress
  readonly registry: DeviceRegistry
  readonly clock: Clock
  readonly log: Log
  readonly settings?: Partial<FleetSettings>
}

/** measured = acknowledged + declaredLost + buffered. */
export interface FleetStats extends DeviceCounts {
  readonly devices: number
  readonly connected: number
  readonly buffered: number
  readonly reconnects: number
}

const tickMs = 25
const regions = ['eu-west', 'eu-north', 'us-east']

export class FleetSimulator {
  readonly ledger: TruthLedger
  readonly #options: FleetSimulatorOptions
  readonly #settings: FleetSettings
  readonly #stopping = new AbortController()
  readonly #measuringEnds = new AbortController()
  #devices: SimulatedDevice[] = []
  #measuring: Promise<void> = Promise.resolve()
  #measured = 0

  constructor(options: FleetSimulatorOptions) {
    this.#options = options
    this.#settings = { ...defaultFleetSettings, ...options.settings }
    const { devices, transports } = this.#settings
    if (devices < 1 || transports.length === 0) throw new Fault('invalid', 'a fleet needs devices and transports')
    this.ledger = new TruthLedger(options.clock.now(), this.#settings.keepRecords)
  }

  /** Registers the devices (those that exist get a new token), then starts them. */
  async start(): Promise<void> {
    for (let index = 0; index < this.#settings.devices && !this.#stopping.signal.aborted; index++) {
      const device = await this.#device(index)
      this.#devices.push(device)
      device.start()
    }
    this.#measuring = this.#measure()
  }

  stats(): FleetStats {
    const sum = (count: (device: SimulatedDevice) => number) =>
      this.#devices.reduce((all, each) => all + count(each), 0)
    return {
      ...this.ledger.totals(),
      devices: this.#devices.length,
      connected: sum((device) => (device.connected ? 1 : 0)),
      buffered: sum((device) => device.buffered),
      reconnects: sum((device) => device.reconnects)
    }
  }

  /** Resolves when `recordsMax` records were measured, or the fleet was stopped. */
  async measuringDone(): Promise<void> {
    await this.#measuring
  }

  /** Devices go on sending what they hold. */
  stopMeasuring(): void {
    this.#measuringEnds.abort()
  }

  /** Resolves when no device has anything left to send, or after `timeoutMs`. */
  async drained(timeoutMs: number): Promise<void> {
    const { clock } = this.#options
    const deadline = clock.monotonic() + timeoutMs
    while (clock.monotonic() < deadline && this.#devices.some((device) => device.buffered > 0)) {
      await sleep(clock, tickMs, this.#stopping.signal)
      if (this.#stopping.signal.aborted) return
    }
  }

  /** Stops measuring and sending; what was not acknowledged stays counted as buffered. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#measuringEnds.abort()
    await this.#measuring
    await Promise.all(this.#devices.map((device) => device.stop()))
  }

  async #measure(): Promise<void> {
    const { clock } = this.#options
    const { recordsMax = Number.POSITIVE_INFINITY } = this.#settings
    const { signal } = this.#measuringEnds
    let last = clock.monotonic()
    while (!signal.aborted && this.#measured < recordsMax) {
      const now = clock.monotonic()
      for (const device of this.#devices) {
        const due = Math.min(device.recordsDue(now - last), recordsMax - this.#measured)
        for (let count = 0; count < due; count++) device.measure()
        this.#measured += due
      }
      last = now
      await sleep(clock, tickMs, signal)
    }
  }

  async #device(index: number): Promise<SimulatedDevice> {
    const { clock, log, gateway, registry } = this.#options
    const { seed, transports } = this.#settings
    const id = `sim-${String(index + 1).padStart(4, '0')}`
    const region = regions[index % regions.length] ?? ''
    const transport = transports[index % transports.length] ?? 'mqtt5'
    const token = await registerDevice(registry, id, { region, transport, simulated: 'true' })
    const random = seededRandom(seed * 1_000_003 + index)
    return new SimulatedDevice({
      id,
      epoch: this.ledger.epoch,
      link: openLink(transport, gateway, { id, token }),
      signals: new DeviceSignals(random),
      ledger: this.ledger.addDevice(id),
      behaviour: this.#settings,
      // Its own source: how often the network is asked must not change what is measured.
      random: seededRandom(seed * 1_000_003 + index + 500_000),
      clock,
      log
    })
  }
}

export function openLink(transport: Transport, gateway: GatewayAddress, credentials: DeviceCredentials): DeviceLink {
  if (transport === 'http') return new HttpLink(gateway, credentials)
  return new MqttLink(gateway, credentials, transport === 'mqtt5' ? 5 : 4)
}

/** Adds the device, or gives the existing one a new token. Returns the token. */
export async function registerDevice(
  registry: DeviceRegistry,
  id: string,
  attributes: Readonly<Record<string, string>>
): Promise<string> {
  try {
    return (await registry.add({ id, attributes })).token
  } catch (error) {
    if (!isFault(error, 'conflict')) throw error
    return (await registry.renewToken(defaultTenant, id)).token
  }
}
