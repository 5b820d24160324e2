/** Client quotas, and the levels of features. What a row of each means stands in `schema.ts`. */
import type { SchemaModule } from 'kysely'

export async function addQuotasAndFeatures(schema: SchemaModule): Promise<void> {
  await schema
    .createTable('client_quota')
    .addColumn('entity', 'text', (c) => c.notNull())
    .addColumn('quota', 'text', (c) => c.notNull())
    .addColumn('value', 'double precision', (c) => c.notNull())
    .addPrimaryKeyConstraint('client_quota_pk', ['entity', 'quota'])
    .execute()
  await schema
    .createTable('feature_level')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('level', 'integer', (c) => c.notNull())
    .execute()
}
