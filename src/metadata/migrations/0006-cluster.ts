/** Several nodes: where they are, their leases, where partitions are to go. What a row means stands in `schema.ts`. */
import { type SchemaModule, sql } from 'kysely'
import type { ColumnTypes } from '../database.ts'

export async function addCluster(schema: SchemaModule, types: ColumnTypes): Promise<void> {
  await schema.alterTable('partition').addColumn('target', 'integer').execute()
  await schema
    .alterTable('stream')
    .addColumn('tenure', types.int64, (c) => c.notNull().defaultTo(0))
    .execute()
  await schema.alterTable('cluster').addColumn('secret', 'text').execute()
  const node = schema.alterTable('node')
  await node.addColumn('state', 'text', (c) => c.notNull().defaultTo('stopped')).execute()
  await node.addColumn('host', 'text').execute()
  await node.addColumn('port', 'integer').execute()
  await node.addColumn('rack', 'text').execute()
  await node.addColumn('wal', 'text').execute()
  await node.addColumn('lease_until', types.int64, (c) => c.notNull().defaultTo(0)).execute()
  await schema
    .createTable('controller')
    .addColumn('singleton', 'integer', (c) => c.primaryKey().check(sql`singleton = 1`))
    .addColumn('node_id', 'integer', (c) => c.notNull())
    .addColumn('epoch', types.int64, (c) => c.notNull())
    .addColumn('lease_until', types.int64, (c) => c.notNull())
    .execute()
  await schema
    .createTable('node_load')
    .addColumn('node_id', 'integer', (c) => c.primaryKey())
    .addColumn('node_epoch', types.int64, (c) => c.notNull())
    .addColumn('reported_at', types.int64, (c) => c.notNull())
    .addColumn('load', types.bytes, (c) => c.notNull())
    .execute()
  await schema
    .createTable('failover')
    .addColumn('node_id', 'integer', (c) => c.notNull())
    .addColumn('node_epoch', types.int64, (c) => c.notNull())
    .addColumn('since', types.int64, (c) => c.notNull())
    .addColumn('entry', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('failover_key', ['node_id', 'node_epoch'])
    .execute()
}
