/**
 * Settings of resources that are no topics: what Kafka keeps for brokers, groups and client metrics subscriptions. A
 * resource exists here as long as something is set for it; whether the thing itself exists is not asked.
 *
 * The queries run inside a transaction of `Database.write`.
 */
import type { ChangeSet } from './change-feed.ts'
import type { Tx } from './database.ts'
import type { ConfiguredType, ConfigValues } from './metadata.ts'
import type { Tables } from './schema.ts'

/** How a resource is called in the change feed, and its settings; undefined once nothing is set. */
export type ChangedConfigs = ReadonlyMap<string, ConfigValues | undefined>

function resourceSubject(type: ConfiguredType, name: string): string {
  return `${type}/${name}`
}

export async function setResourceConfigs(
  tx: Tx,
  changes: ChangeSet,
  type: ConfiguredType,
  resourceName: string,
  values: Readonly<Record<string, string | undefined>>
): Promise<void> {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) {
      await tx
        .deleteFrom('resource_config')
        .where('resource_type', '=', type)
        .where('resource_name', '=', resourceName)
        .where('name', '=', name)
        .execute()
    } else {
      await tx
        .insertInto('resource_config')
        .values({ resource_type: type, resource_name: resourceName, name, value })
        .onConflict((conflict) => conflict.columns(['resource_type', 'resource_name', 'name']).doUpdateSet({ value }))
        .execute()
    }
  }
  changes.configs.add(resourceSubject(type, resourceName))
}

export async function loadAllConfigs(tx: Tx): Promise<ChangedConfigs> {
  return grouped(await tx.selectFrom('resource_config').selectAll().execute())
}

/** The present settings of the resources called `subjects`. */
export async function loadConfigs(tx: Tx, subjects: Iterable<string>): Promise<ChangedConfigs> {
  const found = new Map<string, ConfigValues | undefined>()
  for (const subject of subjects) {
    const at = subject.indexOf('/')
    const rows = await tx
      .selectFrom('resource_config')
      .selectAll()
      .where('resource_type', '=', subject.slice(0, at))
      .where('resource_name', '=', subject.slice(at + 1))
      .execute()
    found.set(subject, grouped(rows).get(subject))
  }
  return found
}

function grouped(rows: readonly Tables['resource_config'][]): Map<string, ConfigValues> {
  const entries = new Map<string, [string, string][]>()
  for (const { resource_type, resource_name, name, value } of rows) {
    const subject = `${resource_type}/${resource_name}`
    const known = entries.get(subject)
    if (known === undefined) entries.set(subject, [[name, value]])
    else known.push([name, value])
  }
  return new Map([...entries].map(([subject, values]) => [subject, Object.fromEntries(values)]))
}

const NO_CONFIGS: ReadonlyMap<string, ConfigValues> = new Map()

/** The part of the image that shows them: a map per type, replaced as a whole when one of its resources changes. */
export class ImageConfigs {
  readonly #byType = new Map<string, ReadonlyMap<string, ConfigValues>>()

  get(type: ConfiguredType): ReadonlyMap<string, ConfigValues> {
    return this.#byType.get(type) ?? NO_CONFIGS
  }

  clear(): void {
    this.#byType.clear()
  }

  apply(changed: ChangedConfigs): void {
    const copies = new Map<string, Map<string, ConfigValues>>()
    for (const [subject, values] of changed) {
      const at = subject.indexOf('/')
      const [type, name] = [subject.slice(0, at), subject.slice(at + 1)]
      const copy = copies.get(type) ?? new Map(this.#byType.get(type))
      copies.set(type, copy)
      if (values === undefined) copy.delete(name)
      else copy.set(name, values)
    }
    for (const [type, copy] of copies) this.#byType.set(type, copy)
  }
}
