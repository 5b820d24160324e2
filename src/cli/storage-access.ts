/** Opens the data of a node for the `storage` commands: only to read it, with the node running or stopped. */
import type { Command } from 'commander'
import type { StoredData } from '../admin/storage/stored-data.ts'
import { type Configuration, loadConfiguration } from '../runtime/configuration.ts'
import { settingOptions } from './setting-options.ts'
import type { Surroundings } from './surroundings.ts'

/** The flags that say where the data is; the same names mean the same for `longhaul start`. */
const settingsUsed = ['dataDir', 'metadata', 'objectStore', 'objectStoreProfiles', 'wal', 'nodeId'] as const

export type StorageOptions = { readonly config?: string } & {
  readonly [Name in (typeof settingsUsed)[number]]?: string
}

export function addStorageOptions(command: Command): Command {
  command.option('--config <file>', 'YAML file with the settings of the node')
  for (const option of settingOptions(settingsUsed)) command.addOption(option)
  return command
}

export function storageConfiguration(options: StorageOptions, surroundings: Surroundings): Configuration {
  const { env, readFile, workingDirectory } = surroundings
  const flags = Object.fromEntries(
    (['config', ...settingsUsed] as const)
      .map((name) => [name, options[name]] as const)
      .filter(([, value]) => value !== undefined)
  )
  return loadConfiguration({ flags, env, readFile, workingDirectory })
}

export async function withStorage<T>(
  options: StorageOptions,
  surroundings: Surroundings,
  use: (data: StoredData) => Promise<T>
): Promise<T> {
  const configuration = storageConfiguration(options, surroundings)
  // Loaded only here: the other commands start faster without an SQL engine.
  const { openStoredData } = await import('../admin/storage/stored-data.ts')
  const { clock, random } = surroundings
  const data = await openStoredData({ configuration, clock, random })
  try {
    return await use(data)
  } finally {
    await data.close()
  }
}

/** Bytes as people read them: three digits and a unit of 1024. */
export function readableBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`
}
