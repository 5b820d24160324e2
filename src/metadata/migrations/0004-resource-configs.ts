/** Settings of brokers, groups and client metrics subscriptions. What a row means stands in `schema.ts`. */
import type { SchemaModule } from 'kysely'

export async function addResourceConfigs(schema: SchemaModule): Promise<void> {
  await schema
    .createTable('resource_config')
    .addColumn('resource_type', 'text', (c) => c.notNull())
    .addColumn('resource_name', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('value', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('resource_config_pk', ['resource_type', 'resource_name', 'name'])
    .execute()
}
