/** The first tables. What a row of each means stands in `schema.ts`. */
import { type SchemaModule, sql } from 'kysely'
import type { ColumnTypes } from '../database.ts'

export async function createTables(schema: SchemaModule, types: ColumnTypes): Promise<void> {
  await createIdentities(schema, types)
  await createTopics(schema, types)
  await createObjects(schema, types)
  await createDevices(schema, types)
}

async function createIdentities(schema: SchemaModule, types: ColumnTypes): Promise<void> {
  await schema
    .createTable('cluster')
    .addColumn('singleton', 'integer', (c) => c.primaryKey().check(sql`singleton = 1`))
    .addColumn('id', 'text', (c) => c.notNull())
    .execute()
  await schema
    .createTable('node')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('epoch', types.int64, (c) => c.notNull())
    .execute()
  await schema
    .createTable('sequence')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('next', types.int64, (c) => c.notNull())
    .execute()
  await schema
    .createTable('change')
    .addColumn('seq', types.int64, (c) => c.primaryKey())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('subject', 'text', (c) => c.notNull())
    .execute()
}

async function createTopics(schema: SchemaModule, types: ColumnTypes): Promise<void> {
  await schema
    .createTable('topic')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('name', 'text', (c) => c.notNull().unique())
    .addColumn('internal', 'integer', (c) => c.notNull())
    .execute()
  await schema
    .createTable('topic_config')
    .addColumn('topic_id', 'text', (c) => c.notNull().references('topic.id'))
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('value', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('topic_config_pk', ['topic_id', 'name'])
    .execute()
  await schema
    .createTable('stream')
    .addColumn('id', types.int64, (c) => c.primaryKey())
    .addColumn('epoch', types.int64, (c) => c.notNull())
    .addColumn('start_offset', types.int64, (c) => c.notNull())
    .addColumn('end_offset', types.int64, (c) => c.notNull())
    .execute()
  await schema
    .createTable('stream_snapshot')
    .addColumn('stream_id', types.int64, (c) => c.primaryKey().references('stream.id'))
    .addColumn('at_offset', types.int64, (c) => c.notNull())
    .addColumn('bytes', types.bytes, (c) => c.notNull())
    .execute()
  await schema
    .createTable('partition')
    .addColumn('topic_id', 'text', (c) => c.notNull().references('topic.id'))
    .addColumn('partition_index', 'integer', (c) => c.notNull())
    .addColumn('stream_id', types.int64, (c) => c.notNull().unique().references('stream.id'))
    .addColumn('leader', 'integer', (c) => c.notNull())
    .addColumn('leader_epoch', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('partition_pk', ['topic_id', 'partition_index'])
    .execute()
}

async function createObjects(schema: SchemaModule, types: ColumnTypes): Promise<void> {
  await schema
    .createTable('object')
    .addColumn('id', types.int64, (c) => c.primaryKey())
    .addColumn('key', 'text', (c) => c.notNull())
    .addColumn('profile', 'text', (c) => c.notNull())
    .addColumn('bytes', types.int64, (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull().check(sql`state in ('prepared', 'committed', 'destroyed')`))
    .addColumn('state_changed_at', types.int64, (c) => c.notNull())
    .addColumn('upload_digest', 'text')
    .execute()
  await schema.createIndex('object_by_state').on('object').columns(['state', 'state_changed_at']).execute()
  await schema
    .createTable('stream_range')
    .addColumn('object_id', types.int64, (c) => c.notNull().references('object.id'))
    .addColumn('stream_id', types.int64, (c) => c.notNull().references('stream.id'))
    .addColumn('start_offset', types.int64, (c) => c.notNull())
    .addColumn('end_offset', types.int64, (c) => c.notNull())
    .addColumn('bytes', types.int64, (c) => c.notNull())
    .addColumn('max_timestamp', types.int64, (c) => c.notNull())
    .addPrimaryKeyConstraint('stream_range_pk', ['stream_id', 'start_offset'])
    .execute()
  await schema.createIndex('stream_range_by_object').on('stream_range').column('object_id').execute()
}

async function createDevices(schema: SchemaModule, types: ColumnTypes): Promise<void> {
  await schema
    .createTable('device')
    .addColumn('tenant', 'text', (c) => c.notNull())
    .addColumn('id', 'text', (c) => c.notNull())
    .addColumn('token_sha256', 'text', (c) => c.notNull().unique())
    .addColumn('enabled', 'integer', (c) => c.notNull())
    .addColumn('created_at', types.int64, (c) => c.notNull())
    .addColumn('attributes', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('device_pk', ['tenant', 'id'])
    .execute()
}
