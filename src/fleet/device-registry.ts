/**
 * Devices and the tokens by which they prove who they are.
 *
 * Invariant: a token names exactly one device; only its SHA-256 is kept, so a copy of the registry lets nobody in.
 * It does not know transports or what a device may do.
 */
import { createHash } from 'node:crypto'
import { Fault } from '../runtime/fault.ts'
import type { Random } from '../runtime/random.ts'

export interface Device {
  readonly tenant: string
  readonly id: string
  readonly enabled: boolean
  /** Wall milliseconds. */
  readonly createdAt: number
  /** Whatever the operator wants to know about it; `region` also goes into every envelope. */
  readonly attributes: Readonly<Record<string, string>>
}

export interface NewDevice {
  /** `default` unless given. */
  readonly tenant?: string
  readonly id: string
  readonly attributes?: Readonly<Record<string, string>>
}

export interface DeviceWithToken {
  readonly device: Device
  /** Shown once; it cannot be found out later. */
  readonly token: string
}

/** All methods may throw Fault `unavailable`. */
export interface DeviceRegistry {
  /** The enabled device with this token, if there is one. */
  authenticate(token: string): Promise<Device | undefined>
  /** Fault `conflict` when the tenant has a device with that id, `invalid` when a name is not allowed. */
  add(device: NewDevice): Promise<DeviceWithToken>
  find(tenant: string, id: string): Promise<Device | undefined>
  /** By tenant and id; all tenants unless one is given. */
  list(tenant?: string): Promise<readonly Device[]>
  /** Fault `missing` when there is no such device. */
  setEnabled(tenant: string, id: string, enabled: boolean): Promise<void>
  /** Gives the device a new token; the old one stops working. Fault `missing` when there is no such device. */
  renewToken(tenant: string, id: string): Promise<DeviceWithToken>
  /** Fault `missing` when there is no such device. */
  remove(tenant: string, id: string): Promise<void>
}

export const defaultTenant = 'default'

/** 256 random bits, so guessing is hopeless and a plain hash is enough to store. */
export function newToken(random: Random): string {
  return `lhd_${random.bytes(32).toString('base64url')}`
}

/** Lower-case hex. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/

/** Throws Fault `invalid`; returns the device as it will be stored. */
export function checkNewDevice(device: NewDevice, createdAt: number): Device {
  const { tenant = defaultTenant, id, attributes = {} } = device
  for (const [what, name] of [
    ['tenant', tenant],
    ['device id', id]
  ] as const) {
    if (!namePattern.test(name)) {
      const rule = 'use 1 to 128 letters, digits, ".", "_", ":" or "-", beginning with a letter or digit'
      throw new Fault('invalid', `${JSON.stringify(name)} is not a valid ${what}: ${rule}`)
    }
  }
  return { tenant, id, enabled: true, createdAt, attributes }
}

export function missingDevice(tenant: string, id: string): Fault {
  return new Fault('missing', `there is no device ${id} in tenant ${tenant}; "longhaul device list" shows all`)
}

export function existingDevice(device: Device): Fault {
  const message = `device ${device.id} exists already in tenant ${device.tenant}; renew its token or choose another id`
  return new Fault('conflict', message)
}
