import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { sql } from 'kysely'
import { AssertionFault, type FaultKind, isFault } from '../runtime/fault.ts'
import type { Database } from './database.ts'
import { MIGRATIONS, type Migration, migrate } from './migration-runner.ts'
import { openDatabase } from './open-database.ts'
import { sqlitePath } from './sqlite-database.ts'

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'longhaul-sqlite-'))
})
after(() => rm(root, { recursive: true }))

const faultOf = (kind: FaultKind, pattern: RegExp) => (error: unknown) => {
  assert.ok(isFault(error, kind), String(error))
  assert.match(error.message, pattern)
  return true
}

async function tableNames(database: Database): Promise<string[]> {
  const { rows } = await database.read((tx) =>
    sql<{ name: string }>`select name from sqlite_schema where type = 'table' order by name`.execute(tx)
  )
  return rows.map((row) => row.name)
}

test('sqlite URLs name absolute and relative files', () => {
  assert.equal(sqlitePath('sqlite:///var/lib/longhaul/m.db'), '/var/lib/longhaul/m.db')
  assert.equal(sqlitePath('sqlite:data/m.db'), 'data/m.db')
  assert.equal(sqlitePath('sqlite://data/m.db'), 'data/m.db')
  assert.equal(sqlitePath('sqlite:./m%20d.db'), './m d.db')
  assert.equal(sqlitePath('sqlite::memory:'), ':memory:')
})

test('a URL that is not understood is refused with what to write instead', async () => {
  await assert.rejects(openDatabase('mysql://x'), faultOf('invalid', /"mysql:\/\/x".*sqlite:\/\/\//))
  await assert.rejects(openDatabase('/just/a/path'), faultOf('invalid', /sqlite:\/\/\//))
  await assert.rejects(openDatabase('sqlite:'), faultOf('invalid', /sqlite:\/\/\//))
  await assert.rejects(openDatabase('sqlite:///a%'), faultOf('invalid', /%25/))
})

test('the file is written as promised: write-ahead journal, full synchronisation, foreign keys, patience', async () => {
  const database = await openDatabase(`sqlite://${root}/deep/er/pragmas.db`)
  const pragma = async (name: string) => {
    const { rows } = await database.read((tx) => sql.raw<Record<string, unknown>>(`pragma ${name}`).execute(tx))
    return Object.values(rows[0] ?? {})[0]
  }
  assert.equal(await pragma('journal_mode'), 'wal')
  assert.equal(await pragma('synchronous'), 2)
  assert.equal(await pragma('foreign_keys'), 1)
  assert.equal(await pragma('busy_timeout'), 5000)
  await database.close()
})

test('a file that is no database, and a path that cannot be one, are told apart', async () => {
  await writeFile(join(root, 'text.db'), 'this is not a database, but it is long enough to be looked at'.repeat(40))
  await assert.rejects(openDatabase(`sqlite://${root}/text.db`), faultOf('corrupt', /text\.db/))
  await assert.rejects(openDatabase(`sqlite://${root}`), faultOf('invalid', /directory that this user may write/))
  await assert.rejects(openDatabase(`sqlite://${root}/text.db/x.db`), faultOf('invalid', /cannot open/))
})

test('what an engine could not bind is an assertion, and a failed transaction leaves nothing', async () => {
  const database = await openDatabase('sqlite::memory:')
  await assert.rejects(
    database.write(async (tx) => {
      await tx.insertInto('node').values({ id: 1, epoch: 1 }).execute()
      await tx
        .insertInto('node')
        .values({ id: 2, epoch: true as unknown as number })
        .execute()
    }),
    AssertionFault
  )
  assert.deepEqual(await database.read((tx) => tx.selectFrom('node').selectAll().execute()), [])
  await database.close()
})

test('numbers up to 2^53 and bytes come back as they went in', async () => {
  const database = await openDatabase('sqlite::memory:')
  const bytes = Buffer.from([0, 1, 255])
  const row = { stream_id: 1, at_offset: Number.MAX_SAFE_INTEGER, bytes }
  const offsets = { start_offset: 0, end_offset: Number.MAX_SAFE_INTEGER, cleaned_offset: 0 }
  const stream = { id: 1, epoch: 2 ** 40, tenure: 0, ...offsets }
  await database.write(async (tx) => {
    await tx.insertInto('stream').values(stream).execute()
    await tx.insertInto('stream_snapshot').values(row).execute()
  })
  await database.read(async (tx) => {
    assert.deepEqual(await tx.selectFrom('stream').selectAll().execute(), [stream])
    const found = await tx.selectFrom('stream_snapshot').selectAll().executeTakeFirstOrThrow()
    assert.ok(Buffer.isBuffer(found.bytes))
    assert.deepEqual(found, row)
  })
  await database.close()
})

test('migrations make all tables from nothing, and a second opening changes nothing', async () => {
  const url = `sqlite://${root}/migrated.db`
  const first = await openDatabase(url)
  await first.write((tx) => tx.insertInto('node').values({ id: 5, epoch: 9 }).execute())
  const names = await tableNames(first)
  assert.ok(['change', 'device', 'object', 'stream_range', 'topic'].every((name) => names.includes(name)))
  await first.close()
  const second = await openDatabase(url)
  assert.deepEqual(await tableNames(second), names)
  const nodes = await second.read((tx) => tx.selectFrom('node').select(['id', 'epoch', 'state']).execute())
  assert.deepEqual(nodes, [{ id: 5, epoch: 9, state: 'stopped' }])
  assert.equal((await second.read((tx) => tx.selectFrom('migration').selectAll().execute())).length, MIGRATIONS.length)
  await second.close()
})

test('a database of the first version opens and keeps what it holds', async () => {
  const url = `sqlite://${root}/first-version.db`
  const first = await openDatabase(url)
  await first.write(async (tx) => {
    await sql`alter table stream drop column cleaned_offset`.execute(tx)
    await sql`alter table stream drop column tenure`.execute(tx)
    await sql`alter table cluster drop column secret`.execute(tx)
    await sql`alter table partition drop column target`.execute(tx)
    for (const column of ['wal_mark', 'state', 'host', 'port', 'rack', 'wal', 'lease_until']) {
      await tx.schema.alterTable('node').dropColumn(column).execute()
    }
    for (const table of [
      'controller',
      'node_load',
      'failover',
      'storage_use',
      'resource_config',
      'client_quota',
      'feature_level'
    ]) {
      await tx.schema.dropTable(table).execute()
    }
    await tx.deleteFrom('migration').where('name', '>', '0001-initial').execute()
    await sql`insert into stream values (3, 1, 0, 7)`.execute(tx)
    await sql`insert into node values (5, 9)`.execute(tx)
  })
  await first.close()
  const second = await openDatabase(url)
  const [streams, nodes] = await second.read(async (tx) => [
    await tx.selectFrom('stream').selectAll().execute(),
    await tx.selectFrom('node').select(['id', 'epoch', 'wal_mark', 'state']).execute()
  ])
  assert.deepEqual(streams, [{ id: 3, epoch: 1, start_offset: 0, end_offset: 7, cleaned_offset: 0, tenure: 0 }])
  assert.deepEqual(nodes, [{ id: 5, epoch: 9, wal_mark: null, state: 'stopped' }])
  await second.close()
})

test('a migration that fails leaves neither its own tables nor those of the ones before it', async () => {
  const database = await openDatabase(`sqlite://${root}/failing.db`)
  const good: Migration = {
    name: '9998-good',
    up: (schema) => schema.createTable('good').addColumn('id', 'integer').execute()
  }
  const bad: Migration = {
    name: '9999-bad',
    async up(schema) {
      await schema.createTable('bad').addColumn('id', 'integer').execute()
      throw new Error('broken')
    }
  }
  const names = await tableNames(database)
  await assert.rejects(migrate(database, [...MIGRATIONS, good, bad]), /broken/)
  assert.deepEqual(await tableNames(database), names)
  await migrate(database, [...MIGRATIONS, good])
  assert.deepEqual(await tableNames(database), [...names, 'good'].toSorted())
  await database.close()
})

test('a database of a newer version is refused', async () => {
  const url = `sqlite://${root}/newer.db`
  const database = await openDatabase(url)
  await database.write((tx) => tx.insertInto('migration').values({ name: '9999-future' }).execute())
  await database.close()
  await assert.rejects(openDatabase(url), faultOf('invalid', /newer Longhaul.*9999-future/))
})

test('close waits for transactions under way and refuses later ones', async () => {
  const database = await openDatabase('sqlite::memory:')
  const running = database.write((tx) => tx.insertInto('node').values({ id: 1, epoch: 1 }).execute())
  await database.close()
  await running
  await assert.rejects(
    database.read((tx) => tx.selectFrom('node').selectAll().execute()),
    faultOf('closed', /closed/)
  )
})
