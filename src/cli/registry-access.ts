/** Opens the device registry in the metadata database, beside a running node or before its first start. */
import type { Command } from 'commander'
import type { DeviceRegistry } from '../fleet/device-registry.ts'
import { loadConfiguration } from '../runtime/configuration.ts'
import { settingOptions } from './setting-options.ts'
import type { Surroundings } from './surroundings.ts'

/** The flags that say where the registry is; the same names mean the same for `longhaul start`. */
const settingsUsed = ['dataDir', 'metadata'] as const

export interface RegistryOptions {
  readonly config?: string
  readonly dataDir?: string
  readonly metadata?: string
}

export function addRegistryOptions(command: Command): Command {
  command.option('--config <file>', 'YAML file with the settings of the node')
  for (const option of settingOptions(settingsUsed)) command.addOption(option)
  return command
}

export async function withRegistry<T>(
  { config, dataDir, metadata }: RegistryOptions,
  { env, readFile, workingDirectory, clock, random }: Surroundings,
  use: (registry: DeviceRegistry) => Promise<T>
): Promise<T> {
  const flags = Object.fromEntries(
    Object.entries({ config, dataDir, metadata }).filter(([, value]) => value !== undefined)
  )
  const configuration = loadConfiguration({ flags, env, readFile, workingDirectory })
  // Loaded only here: the other commands start faster without an SQL engine.
  const { openDatabase, requireDatabaseFolder } = await import('../metadata/open-database.ts')
  const { SqlDeviceRegistry } = await import('../fleet/sql-device-registry.ts')
  requireDatabaseFolder(configuration.metadata)
  const database = await openDatabase(configuration.metadata)
  try {
    return await use(new SqlDeviceRegistry(database, clock, random))
  } finally {
    await database.close()
  }
}
