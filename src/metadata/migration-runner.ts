/**
 * Brings a database's tables up to date: runs the migrations it has not seen, in order, all in one transaction.
 * Forward only; a database of a newer version is refused. Own and small, because Kysely's Migrator does not put
 * SQLite's schema changes into a transaction.
 */
import type { SchemaModule } from 'kysely'
import { Fault } from '../runtime/fault.ts'
import type { ColumnTypes, Database } from './database.ts'
import { createTables } from './migrations/0001-initial.ts'
import { addCompaction } from './migrations/0002-compaction.ts'
import { addStorageUse } from './migrations/0003-storage-use.ts'
import { addResourceConfigs } from './migrations/0004-resource-configs.ts'
import { addQuotasAndFeatures } from './migrations/0005-quotas-and-features.ts'
import { addCluster } from './migrations/0006-cluster.ts'

export interface Migration {
  /** Number and subject, as its file is called; never changes once released. */
  readonly name: string
  up(schema: SchemaModule, types: ColumnTypes): Promise<void>
}

/** In the order in which they run; new ones go to the end. */
export const MIGRATIONS: readonly Migration[] = [
  { name: '0001-initial', up: createTables },
  { name: '0002-compaction', up: addCompaction },
  { name: '0003-storage-use', up: addStorageUse },
  { name: '0004-resource-configs', up: addResourceConfigs },
  { name: '0005-quotas-and-features', up: addQuotasAndFeatures },
  { name: '0006-cluster', up: addCluster }
]

/** Several processes may start at once: only the turns of `Database.write` keep CREATE TABLE IF NOT EXISTS from racing. */
export async function migrate(database: Database, migrations: readonly Migration[] = MIGRATIONS): Promise<void> {
  await database.write(async (tx) => {
    await tx.schema
      .createTable('migration')
      .ifNotExists()
      .addColumn('name', 'text', (column) => column.primaryKey())
      .execute()
    const rows = await tx.selectFrom('migration').select('name').orderBy('name').execute()
    const done = new Set(rows.map((row) => row.name))
    const known = new Set(migrations.map((migration) => migration.name))
    const unknown = [...done].filter((name) => !known.has(name))
    if (unknown.length > 0) {
      throw new Fault(
        'invalid',
        `${database.name} was written by a newer Longhaul (migration ${unknown.join(', ')}): run that version, or restore a backup made before it`
      )
    }
    for (const migration of migrations) {
      if (done.has(migration.name)) continue
      await migration.up(tx.schema, database.columnTypes)
      await tx.insertInto('migration').values({ name: migration.name }).execute()
    }
  })
}

/** For those who only read: Fault `invalid` unless exactly the migrations that this version knows have run. */
export async function requireMigrated(database: Database): Promise<void> {
  const known = MIGRATIONS.map(({ name }) => name).sort()
  const done = await database.read((tx) => tx.selectFrom('migration').select('name').orderBy('name').execute())
  const unknown = done.filter(({ name }) => !known.includes(name))
  const missing = known.filter((name) => !done.some((row) => row.name === name))
  if (unknown.length > 0) {
    const names = unknown.map(({ name }) => name).join(', ')
    throw new Fault(
      'invalid',
      `${database.name} was written by a newer Longhaul (migration ${names}): run that version`
    )
  }
  if (missing.length === 0) return
  const remedy = 'start a node of this version on it once, or run the version that wrote it'
  throw new Fault(
    'invalid',
    `${database.name} was written by an older Longhaul (without ${missing.join(', ')}): ${remedy}`
  )
}
