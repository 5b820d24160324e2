/** What compaction and recovery remember of streams and nodes. What a row of each means stands in `schema.ts`. */
import type { SchemaModule } from 'kysely'
import type { ColumnTypes } from '../database.ts'

export async function addCompaction(schema: SchemaModule, types: ColumnTypes): Promise<void> {
  await schema
    .alterTable('stream')
    .addColumn('cleaned_offset', types.int64, (c) => c.notNull().defaultTo(0))
    .execute()
  await schema.alterTable('node').addColumn('wal_mark', 'text').execute()
}
