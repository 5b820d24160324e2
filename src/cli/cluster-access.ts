/** Opens the metadata of the cluster for the commands that look at it or steer it, beside its nodes or without them. */
import type { Command } from 'commander'
import type { Metadata, Topic } from '../metadata/metadata.ts'
import { loadConfiguration } from '../runtime/configuration.ts'
import { Fault } from '../runtime/fault.ts'
import { settingOptions } from './setting-options.ts'
import type { Surroundings } from './surroundings.ts'

/** The flags that say where the metadata is; the same names mean the same for `longhaul start`. */
const settingsUsed = ['dataDir', 'metadata'] as const

export interface ClusterOptions {
  readonly config?: string
  readonly dataDir?: string
  readonly metadata?: string
}

export function addClusterOptions(command: Command): Command {
  command.option('--config <file>', 'YAML file with the settings of a node')
  for (const option of settingOptions(settingsUsed)) command.addOption(option)
  return command
}

export async function withCluster<T>(
  { config, dataDir, metadata }: ClusterOptions,
  { env, readFile, workingDirectory, clock, random }: Surroundings,
  use: (metadata: Metadata) => Promise<T>
): Promise<T> {
  const flags = Object.fromEntries(
    Object.entries({ config, dataDir, metadata }).filter(([, value]) => value !== undefined)
  )
  const { metadata: url } = loadConfiguration({ flags, env, readFile, workingDirectory })
  // Loaded only here: the other commands start faster without an SQL engine.
  const { openDatabase, openToRead } = await import('../metadata/open-database.ts')
  const { SqlMetadata } = await import('../metadata/sql-metadata.ts')
  // A database that is not there is not made, and one of another version is left as it is.
  await (await openToRead(url, { clock, random })).close()
  const cluster = await SqlMetadata.open({ database: await openDatabase(url, { clock, random }), clock, random })
  try {
    return await use(cluster)
  } finally {
    await cluster.close()
  }
}

/** Fault `missing` when there is no such topic. */
export function requireTopic({ image }: Metadata, name: string): Topic {
  const topic = image.topic(name)
  if (topic === undefined)
    throw new Fault('missing', `there is no topic ${name}: longhaul topic list shows those there are`)
  return topic
}

/** A time for people. */
export function readableMs(ms: number): string {
  return Math.abs(ms) < 10_000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 1000)} s`
}
