import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'kysely'
import { AssertionFault, type FaultKind, isFault } from '../runtime/fault.ts'
import type { Database } from './database.ts'
import { openDatabase, openToRead } from './open-database.ts'
import { PostgresServer, skipWithoutPostgres } from './postgres-fixture.ts'

const refusal = (kind: FaultKind, pattern: RegExp) => (error: unknown) => {
  assert.ok(isFault(error, kind), `expected Fault ${kind}, got ${error}`)
  assert.match(error.message, pattern)
  assert.doesNotMatch(`${error.message} ${error.stack}`, /se\/cret|se%2Fcret/)
  return true
}

describe('PostgreSQL', { skip: skipWithoutPostgres }, () => {
  let server: PostgresServer
  let url = ''
  let database: Database
  before(async () => {
    server = await PostgresServer.start()
    url = await server.createDatabase()
    database = await openDatabase(url)
  })
  after(async () => {
    await database?.close()
    await server?.stop()
  })

  const nodes = () => database.read((tx) => tx.selectFrom('node').select(['id', 'epoch']).orderBy('id').execute())
  const raise = (code: string) => sql.raw(`do $$ begin raise exception 'raised' using errcode = '${code}'; end $$`)

  test('values come back as they went in: numbers up to 2^53, counts, sums, bytes, doubles, null', async () => {
    const bytes = Buffer.from([0, 1, 255])
    const stream = {
      id: 1,
      epoch: 2 ** 40,
      tenure: 0,
      start_offset: 0,
      end_offset: Number.MAX_SAFE_INTEGER,
      cleaned_offset: 0
    }
    await database.write(async (tx) => {
      await tx.insertInto('stream').values(stream).execute()
      await tx
        .insertInto('stream_snapshot')
        .values({ stream_id: 1, at_offset: 2 ** 53 - 1, bytes })
        .execute()
      await tx.insertInto('client_quota').values({ entity: 'e', quota: 'q', value: 0.1 }).execute()
    })
    await database.read(async (tx) => {
      assert.deepEqual(await tx.selectFrom('stream').selectAll().execute(), [stream])
      const found = await tx.selectFrom('stream_snapshot').selectAll().executeTakeFirstOrThrow()
      assert.ok(Buffer.isBuffer(found.bytes))
      assert.deepEqual(found, { stream_id: 1, at_offset: 2 ** 53 - 1, bytes })
      assert.equal((await tx.selectFrom('client_quota').select('value').executeTakeFirst())?.value, 0.1)
      const totals = tx
        .selectFrom('stream')
        .select((eb) => [
          eb.fn.countAll().as('count'),
          eb.fn.sum('epoch').as('sum'),
          eb.fn.max('end_offset').as('max'),
          eb.val(null).as('nothing')
        ])
      const expected = { count: 1, sum: 2 ** 40, max: Number.MAX_SAFE_INTEGER, nothing: null }
      assert.deepEqual(await totals.executeTakeFirst(), expected)
    })
  })

  test('a number that JavaScript cannot hold, and a value that cannot be bound, are assertions', async () => {
    await assert.rejects(
      database.read((tx) => sql`select 9007199254740993::bigint as n`.execute(tx)),
      AssertionFault
    )
    const id = true as unknown as number
    await assert.rejects(
      database.write((tx) => tx.insertInto('node').values({ id, epoch: 1 }).execute()),
      AssertionFault
    )
    await assert.rejects(
      database.write((tx) => tx.insertInto('feature_level').values({ name: 'a\0b', level: 1 }).execute()),
      refusal('invalid', /NUL/)
    )
  })

  test('its clock is that of the server', async () => {
    const { now } = database
    const row = await database.writeBeside((db) => db.selectNoFrom(now.as('now')).executeTakeFirstOrThrow())
    assert.ok(Math.abs(row.now - Date.now()) < 5000, `${row.now}`)
    assert.ok(Number.isInteger(row.now))
  })

  test('a transaction that the server rolls back for others is tried again, and starts from nothing', async () => {
    for (const code of ['40001', '40P01']) {
      let runs = 0
      const id = code === '40001' ? 11 : 12
      await database.write(async (tx) => {
        runs += 1
        await tx.insertInto('node').values({ id, epoch: runs }).execute()
        if (runs < 4) await raise(code).execute(tx)
      })
      assert.equal(runs, 4)
      assert.equal((await nodes()).find((node) => node.id === id)?.epoch, 4)
    }
  })

  test('one that fails every time is given up after some seconds, as a fault that may be tried again', async () => {
    const begun = Date.now()
    await assert.rejects(
      database.write((tx) => raise('40001').execute(tx)),
      refusal('unavailable', /40001/)
    )
    assert.ok(Date.now() - begun > 3000 && Date.now() - begun < 8000, `${Date.now() - begun} ms`)
  })

  test('two that lock rows against each other both get through', async () => {
    await database.write((tx) =>
      tx
        .insertInto('node')
        .values([
          { id: 21, epoch: 0 },
          { id: 22, epoch: 0 }
        ])
        .execute()
    )
    // Without the writers' turns there would be no deadlock to see, hence in transactions beside them.
    const raiseBoth = (first: number, second: number) =>
      database.writeBeside((db) =>
        db.transaction().execute(async (tx) => {
          for (const id of [first, second]) {
            const epoch = sql<number>`epoch + 1`
            await tx.updateTable('node').set({ epoch }).where('id', '=', id).execute()
            await pause(50)
          }
        })
      )
    await Promise.all([raiseBoth(21, 22), raiseBoth(22, 21)])
    const raised = (await nodes()).filter(({ id }) => id === 21 || id === 22)
    assert.deepEqual(raised.map(({ epoch }) => epoch), [2, 2]) // biome-ignore format: one line
  })

  test('writers take turns: what one reads holds until it commits, over all connections', async () => {
    const other = await openDatabase(url)
    await database.write((tx) => tx.insertInto('node').values({ id: 31, epoch: 0 }).execute())
    const count = (through: Database) =>
      through.write(async (tx) => {
        const node = tx.selectFrom('node').select('epoch').where('id', '=', 31)
        const { epoch } = await node.executeTakeFirstOrThrow()
        await tx
          .updateTable('node')
          .set({ epoch: epoch + 1 })
          .where('id', '=', 31)
          .execute()
      })
    await Promise.all(Array.from({ length: 40 }, (_, i) => count(i % 2 === 0 ? database : other)))
    assert.equal((await nodes()).find(({ id }) => id === 31)?.epoch, 40)
    await other.close()
  })

  test('a statement beside does not wait for a writer, and readers do not either', async () => {
    let release = (): void => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const writers = Array.from({ length: 5 }, () => database.write(() => held))
    await pause(100)
    await database.writeBeside((db) => db.insertInto('node').values({ id: 41, epoch: 0 }).execute())
    assert.ok((await nodes()).some(({ id }) => id === 41))
    release()
    await Promise.all(writers)
  })

  test('a process that stands still in a transaction is thrown out, so that it holds up the others for seconds only', async () => {
    let runs = 0
    const stalled = database.write(async (tx) => {
      runs += 1
      await tx.selectFrom('node').select('id').execute()
      if (runs === 1) await pause(3500)
      await tx
        .insertInto('node')
        .values({ id: 50 + runs, epoch: 1 })
        .execute()
    })
    await pause(100)
    const other = await openDatabase(url)
    const begun = Date.now()
    await other.write((tx) => tx.selectFrom('node').select('id').execute())
    assert.ok(Date.now() - begun < 3000, `${Date.now() - begun} ms`)
    await stalled
    assert.deepEqual(
      (await nodes()).map(({ id }) => id).filter((id) => id > 50 && id < 60),
      [52]
    )
    await other.close()
  })

  test('connections that are ended before the commit cost a try, also in the middle of a transaction', async () => {
    const name = new URL(url).pathname.slice(1)
    let runs = 0
    await database.write(async (tx) => {
      runs += 1
      await tx.insertInto('node').values({ id: 61, epoch: runs }).execute()
      if (runs === 1) assert.ok((await server.terminateConnections(name)) > 0)
      await tx.insertInto('node').values({ id: 62, epoch: runs }).execute()
    })
    assert.equal(runs, 2)
    await server.terminateConnections(name)
    assert.equal((await nodes()).find(({ id }) => id === 62)?.epoch, 2)
  })

  test('a commit that is sent and not answered is not tried again', async () => {
    const name = new URL(url).pathname.slice(1)
    // A deferred trigger runs within the commit.
    await server.query(
      `create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(2); return null; end $$;
       create constraint trigger slow after insert on storage_use deferrable initially deferred
       for each row execute function slow()`,
      name
    )
    let runs = 0
    const use = { node_id: 1, profile: 'p', counter: 'c', value: 1 }
    const write = database.write(async (tx) => {
      runs += 1
      await tx.insertInto('storage_use').values(use).execute()
    })
    setTimeout(() => void server.terminateConnections(name), 700)
    await assert.rejects(write, refusal('unavailable', /may have happened or not/))
    assert.equal(runs, 1)
  })

  test('what cannot be opened says why and what to do, and never the password', async () => {
    const wrong = new URL(url)
    wrong.password = 'se%2Fcret-but-wrong'
    await assert.rejects(openDatabase(wrong.href), refusal('invalid', /28P01.*check user and password/))
    await assert.rejects(openDatabase(server.url('nowhere')), refusal('invalid', /3D000.*CREATE DATABASE/))
    await assert.rejects(openDatabase(server.url('x', 1)), refusal('unavailable', /ECONNREFUSED.*check that it runs/))
    await assert.rejects(openDatabase(`${url}?sslmode=require`), refusal('unavailable', /does not support SSL/))
  })

  test('a server that undoes commits when it crashes is refused', async () => {
    const lax = await server.createDatabase()
    await server.query(`alter database ${new URL(lax).pathname.slice(1)} set synchronous_commit = off`)
    await assert.rejects(openDatabase(lax), refusal('invalid', /synchronous_commit/))
  })

  test('who only looks changes nothing, and is told when there is nothing to see', async () => {
    const empty = await server.createDatabase()
    await assert.rejects(openToRead(empty), refusal('missing', /holds no metadata/))
    const reader = await openToRead(url)
    assert.ok((await reader.read((tx) => tx.selectFrom('node').select('id').execute())).length > 0)
    await assert.rejects(
      reader.write((tx) => tx.insertInto('node').values({ id: 71, epoch: 1 }).execute()),
      refusal('invalid', /opened to be read/)
    )
    await assert.rejects(
      reader.writeBeside((db) => db.insertInto('node').values({ id: 72, epoch: 1 }).execute()),
      refusal('invalid', /opened to be read/)
    )
    await reader.close()
  })

  test('the server sees who is connected', async () => {
    await nodes()
    const rows = await server.query<{ name: string }>('select application_name as name from pg_stat_activity')
    assert.ok(rows.some(({ name }) => name === 'longhaul'))
  })
})

describe('PostgreSQL with TLS', { skip: skipWithoutPostgres || skipWithoutOpenssl() }, () => {
  let folder = ''
  let server: PostgresServer
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'longhaul-certificates-'))
    const files = ['-keyout', `${folder}/key.pem`, '-out', `${folder}/own.pem`]
    for (const name of ['own', 'other']) {
      const out = files.map((file) => file.replace('own.pem', `${name}.pem`).replace('key.pem', `${name}-key.pem`))
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
      execFileSync('openssl', ['req', '-x509', '-nodes', '-newkey', 'rsa:2048', '-days', '2', ...out, ...subject], {
        stdio: 'ignore'
      })
    }
    server = await PostgresServer.start({
      settings: { ssl: 'on', ssl_cert_file: 'server.pem', ssl_key_file: 'key.pem' },
      files: {
        'server.pem': await readFile(`${folder}/own.pem`, 'utf8'),
        'key.pem': await readFile(`${folder}/own-key.pem`, 'utf8'),
        'pg_hba.conf': 'host postgres all all scram-sha-256\nhostssl all all all scram-sha-256\n'
      }
    })
  })
  after(async () => {
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('sslmode says whether the connection is encrypted, and what of the certificate is checked', async () => {
    const url = await server.createDatabase()
    const named = url.replace('127.0.0.1', 'localhost')
    const root = `sslrootcert=${folder}/own.pem`
    for (const good of [
      `${url}?sslmode=require`,
      `${url}?sslmode=require&${root}`,
      `${url}?sslmode=verify-ca&${root}`,
      `${named}?sslmode=verify-full&${root}`
    ]) {
      const database = await openDatabase(good)
      const { rows } = await database.read((tx) =>
        sql<{ ssl: boolean }>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`.execute(tx)
      )
      assert.equal(rows[0]?.ssl, true, good)
      await database.close()
    }
    const other = `sslrootcert=${folder}/other.pem`
    await assert.rejects(
      openDatabase(`${url}?sslmode=disable`),
      refusal('invalid', /no encryption.*28000.*sslmode=require/)
    )
    await assert.rejects(openDatabase(`${url}?sslmode=verify-full&${root}`), refusal('invalid', /another host name/))
    await assert.rejects(openDatabase(`${named}?sslmode=verify-full&${other}`), refusal('invalid', /sslrootcert/))
    await assert.rejects(openDatabase(`${url}?sslmode=verify-ca`), refusal('invalid', /sslrootcert/))
    await assert.rejects(openDatabase(`${url}?sslmode=verify-ca&sslrootcert=/no`), refusal('invalid', /cannot be read/))
  })
})

function skipWithoutOpenssl(): string | false {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return false
  } catch {
    return 'openssl, which makes the certificates, is not installed'
  }
}
