/**
 * The device registry in the metadata database.
 *
 * Devices found by token are remembered for a few seconds, so that a reconnecting fleet does not load the database;
 * a token that was not found is never remembered, so a device added by another process may connect at once. In turn
 * a device disabled, removed or given a new token elsewhere may connect for up to `cacheMs` more.
 */
import type { Database, Tx } from '../metadata/database.ts'
import type { Clock } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import type { Random } from '../runtime/random.ts'
import type { Device, DeviceRegistry, DeviceWithToken, NewDevice } from './device-registry.ts'
import { checkNewDevice, existingDevice, hashToken, missingDevice, newToken } from './device-registry.ts'

export interface SqlDeviceRegistryOptions {
  /** How long a found device is remembered, milliseconds; 5 000. Halving it about doubles the reads of busy fleets. */
  readonly cacheMs?: number
  /** Devices remembered at most; 20 000, about 10 MB. */
  readonly cacheEntriesMax?: number
}

interface Row {
  tenant: string
  id: string
  enabled: number
  created_at: number
  attributes: string
}

export class SqlDeviceRegistry implements DeviceRegistry {
  readonly #database: Database
  readonly #clock: Clock
  readonly #random: Random
  readonly #cacheMs: number
  readonly #cacheEntriesMax: number
  /** By hash, oldest first. */
  readonly #cache = new Map<string, { device: Device; loadedAt: number }>()
  /** Reads under way by hash: a crowd with one token costs one read. */
  readonly #loading = new Map<string, Promise<Device | undefined>>()

  constructor(database: Database, clock: Clock, random: Random, options: SqlDeviceRegistryOptions = {}) {
    this.#database = database
    this.#clock = clock
    this.#random = random
    this.#cacheMs = options.cacheMs ?? 5_000
    this.#cacheEntriesMax = options.cacheEntriesMax ?? 20_000
  }

  async authenticate(token: string): Promise<Device | undefined> {
    const hash = hashToken(token)
    const known = this.#cache.get(hash)
    if (known !== undefined && this.#clock.monotonic() - known.loadedAt < this.#cacheMs) return known.device
    const loading = this.#loading.get(hash) ?? this.#loadByHash(hash)
    return await loading
  }

  async add(newDevice: NewDevice): Promise<DeviceWithToken> {
    const device = checkNewDevice(newDevice, this.#clock.now())
    const token = newToken(this.#random)
    await this.#database.write(async (tx) => {
      if ((await findRow(tx, device.tenant, device.id)) !== undefined) throw existingDevice(device)
      const { tenant, id, createdAt, attributes } = device
      const row = { tenant, id, enabled: 1, created_at: createdAt, attributes: JSON.stringify(attributes) }
      await tx
        .insertInto('device')
        .values({ ...row, token_sha256: hashToken(token) })
        .execute()
    })
    return { device, token }
  }

  async find(tenant: string, id: string): Promise<Device | undefined> {
    const row = await this.#database.read((tx) => findRow(tx, tenant, id))
    return row && deviceOf(row)
  }

  async list(tenant?: string): Promise<readonly Device[]> {
    const rows = await this.#database.read((tx) => {
      const all = tx.selectFrom('device').select(columns).orderBy('tenant').orderBy('id')
      return (tenant === undefined ? all : all.where('tenant', '=', tenant)).execute()
    })
    return rows.map(deviceOf)
  }

  async setEnabled(tenant: string, id: string, enabled: boolean): Promise<void> {
    await this.#change(tenant, id, { enabled: enabled ? 1 : 0 })
  }

  async renewToken(tenant: string, id: string): Promise<DeviceWithToken> {
    const token = newToken(this.#random)
    return { device: await this.#change(tenant, id, { token_sha256: hashToken(token) }), token }
  }

  async remove(tenant: string, id: string): Promise<void> {
    await this.#database.write(async (tx) => {
      if ((await findRow(tx, tenant, id)) === undefined) throw missingDevice(tenant, id)
      await tx.deleteFrom('device').where('tenant', '=', tenant).where('id', '=', id).execute()
    })
    this.#cache.clear()
  }

  async #change(tenant: string, id: string, set: { enabled?: number; token_sha256?: string }): Promise<Device> {
    const row = await this.#database.write(async (tx) => {
      await tx.updateTable('device').set(set).where('tenant', '=', tenant).where('id', '=', id).execute()
      return await findRow(tx, tenant, id)
    })
    this.#cache.clear()
    if (row === undefined) throw missingDevice(tenant, id)
    return deviceOf(row)
  }

  #loadByHash(hash: string): Promise<Device | undefined> {
    const loading = this.#findByHash(hash).finally(() => this.#loading.delete(hash))
    this.#loading.set(hash, loading)
    return loading
  }

  async #findByHash(hash: string): Promise<Device | undefined> {
    const loadedAt = this.#clock.monotonic()
    const row = await this.#database.read((tx) =>
      tx.selectFrom('device').select(columns).where('token_sha256', '=', hash).executeTakeFirst()
    )
    this.#cache.delete(hash)
    if (row === undefined || row.enabled === 0) return undefined
    const device = deviceOf(row)
    this.#cache.set(hash, { device, loadedAt })
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= this.#cacheEntriesMax) break
      this.#cache.delete(oldest)
    }
    return device
  }
}

const columns = ['tenant', 'id', 'enabled', 'created_at', 'attributes'] as const

function findRow(tx: Tx, tenant: string, id: string): Promise<Row | undefined> {
  return tx.selectFrom('device').select(columns).where('tenant', '=', tenant).where('id', '=', id).executeTakeFirst()
}

function deviceOf(row: Row): Device {
  const { tenant, id, created_at: createdAt } = row
  return { tenant, id, enabled: row.enabled === 1, createdAt, attributes: parseAttributes(row) }
}

function parseAttributes(row: Row): Record<string, string> {
  try {
    return JSON.parse(row.attributes)
  } catch (cause) {
    throw new Fault('corrupt', `attributes of device ${row.tenant}/${row.id} are not JSON`, { cause })
  }
}
