/** What nodes have asked of object stores so far. What a row means stands in `schema.ts`. */
import type { SchemaModule } from 'kysely'
import type { ColumnTypes } from '../database.ts'

export async function addStorageUse(schema: SchemaModule, types: ColumnTypes): Promise<void> {
  await schema
    .createTable('storage_use')
    .addColumn('node_id', 'integer', (c) => c.notNull())
    .addColumn('profile', 'text', (c) => c.notNull())
    .addColumn('counter', 'text', (c) => c.notNull())
    .addColumn('value', types.int64, (c) => c.notNull())
    .addPrimaryKeyConstraint('storage_use_pk', ['node_id', 'profile', 'counter'])
    .execute()
}
