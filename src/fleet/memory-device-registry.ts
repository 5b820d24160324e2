/** A device registry that lives and ends with the process, for tests and for fleets that exist only while simulated. */
import type { Clock } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import type { Device, DeviceRegistry, DeviceWithToken, NewDevice } from './device-registry.ts'
import { checkNewDevice, existingDevice, hashToken, missingDevice, newToken } from './device-registry.ts'

interface Entry {
  device: Device
  hash: string
}

export class MemoryDeviceRegistry implements DeviceRegistry {
  readonly #clock: Clock
  readonly #random: Random
  readonly #byName = new Map<string, Entry>()
  readonly #byHash = new Map<string, Entry>()

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  async authenticate(token: string): Promise<Device | undefined> {
    const device = this.#byHash.get(hashToken(token))?.device
    return device?.enabled ? device : undefined
  }

  async add(newDevice: NewDevice): Promise<DeviceWithToken> {
    const device = checkNewDevice(newDevice, this.#clock.now())
    const name = nameOf(device.tenant, device.id)
    if (this.#byName.has(name)) throw existingDevice(device)
    const entry = { device, hash: '' }
    this.#byName.set(name, entry)
    return { device, token: this.#giveToken(entry) }
  }

  async find(tenant: string, id: string): Promise<Device | undefined> {
    return this.#byName.get(nameOf(tenant, id))?.device
  }

  async list(tenant?: string): Promise<readonly Device[]> {
    const devices = [...this.#byName.values()].map((entry) => entry.device)
    return devices
      .filter((device) => tenant === undefined || device.tenant === tenant)
      .sort((a, b) => (nameOf(a.tenant, a.id) < nameOf(b.tenant, b.id) ? -1 : 1))
  }

  async setEnabled(tenant: string, id: string, enabled: boolean): Promise<void> {
    const entry = this.#entry(tenant, id)
    entry.device = { ...entry.device, enabled }
  }

  async renewToken(tenant: string, id: string): Promise<DeviceWithToken> {
    const entry = this.#entry(tenant, id)
    this.#byHash.delete(entry.hash)
    return { device: entry.device, token: this.#giveToken(entry) }
  }

  async remove(tenant: string, id: string): Promise<void> {
    this.#byHash.delete(this.#entry(tenant, id).hash)
    this.#byName.delete(nameOf(tenant, id))
  }

  #entry(tenant: string, id: string): Entry {
    const entry = this.#byName.get(nameOf(tenant, id))
    if (entry === undefined) throw missingDevice(tenant, id)
    return entry
  }

  #giveToken(entry: Entry): string {
    const token = newToken(this.#random)
    entry.hash = hashToken(token)
    this.#byHash.set(entry.hash, entry)
    return token
  }
}

// Names cannot contain a slash, so two devices never share one.
const nameOf = (tenant: string, id: string): string => `${tenant}/${id}`
