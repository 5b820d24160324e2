/**
 * The adapter to SQLite (libsql, a fork with prebuilt binaries and better-sqlite3's API) under Kysely.
 *
 * Durability: write-ahead journal with `synchronous=FULL`, so a commit that was answered survives a power cut.
 * Several processes may open one file: a writer waits up to `BUSY_TIMEOUT_MS` for another, and blocks its event loop
 * meanwhile, which is fine for the rare write of a command beside a node, and for nothing more.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type SqliteDatabase,
  SqliteDialect,
  SqliteDriver,
  type SqliteStatement,
  sql,
  type TransactionSettings
} from 'kysely'
import Libsql from 'libsql'
import type { Clock } from '../runtime/clock.ts'
import { Fault } from '../runtime/fault.ts'
import { checkedParameters, Database } from './database.ts'
import { migrate, requireMigrated } from './migration-runner.ts'
import type { Tables } from './schema.ts'

const BUSY_TIMEOUT_MS = 5000

/**
 * Opens the database that `url` names and brings its tables up to date.
 * `sqlite:///absolute/path`, `sqlite:relative/path`, or `sqlite::memory:` for tests; `%20` and the like are decoded.
 * The directory of the file is made when it is missing. Fault `invalid` for anything else. The clock is the database's
 * own: all processes that share a file are on one machine.
 */
export async function openSqlite(url: string, clock: Clock): Promise<Database> {
  const database = openFile(sqlitePath(url), clock)
  try {
    await migrate(database)
  } catch (error) {
    await database.close()
    throw error
  }
  return database
}

/**
 * Opens the database that `url` names to look at it, beside a node or without one: nothing of it is changed or made, and
 * `write` is Fault `invalid`. Fault `missing` when there is no such file, `invalid` when another version wrote it.
 */
export async function openSqliteToRead(url: string, clock: Clock): Promise<Database> {
  const path = sqlitePath(url)
  if (!existsSync(path)) {
    const remedy = 'name the directory of a node that has run with --data-dir, or its database with --metadata'
    throw new Fault('missing', `there is no metadata database ${path}: ${remedy}`)
  }
  const connection = connect(`${pathToFileURL(path).href}?mode=ro`)
  const database = openConnection(path, connection, clock, [`busy_timeout = ${BUSY_TIMEOUT_MS}`])
  try {
    await requireMigrated(database)
  } catch (error) {
    await database.close()
    throw error
  }
  return database
}

/** Fault `missing` when the folder of the database is not there. */
export function requireSqliteFolder(url: string): void {
  const folder = dirname(sqlitePath(url))
  if (existsSync(folder)) return
  const remedy = 'name the directory of a node with --data-dir, or start one there first'
  throw new Fault('missing', `there is no directory ${folder}: ${remedy}`)
}

/** The file path that a `sqlite:` URL names. */
export function sqlitePath(url: string): string {
  const remedy =
    'write sqlite:///absolute/path/metadata.db or sqlite:relative/path/metadata.db, or postgres://host/name'
  const match = /^sqlite:(?:\/\/)?(.+)$/.exec(url)
  if (match?.[1] === undefined) throw new Fault('invalid', `"${url}" names no metadata database: ${remedy}`)
  try {
    return decodeURIComponent(match[1])
  } catch (cause) {
    throw new Fault('invalid', `"${url}" has a broken %-escape; write a literal % as %25`, { cause })
  }
}

function openFile(path: string, clock: Clock): Database {
  return openConnection(path, connect(path), clock, [
    // Before anything else: even the switch to the write-ahead journal may meet another process.
    `busy_timeout = ${BUSY_TIMEOUT_MS}`,
    'journal_mode = WAL',
    'synchronous = FULL',
    'foreign_keys = ON'
  ])
}

function openConnection(path: string, connection: Libsql.Database, clock: Clock, pragmas: readonly string[]): Database {
  try {
    for (const pragma of pragmas) connection.exec(`PRAGMA ${pragma}`)
  } catch (error) {
    connection.close()
    throw sqliteFault(path, error) ?? error
  }
  return new Database({
    kysely: new Kysely<Tables>({ dialect: new ImmediateDialect(connection) }),
    columnTypes: { int64: 'integer', bytes: 'blob' },
    name: path,
    faultOf: (error) => sqliteFault(path, error),
    now: () => sql<number>`${clock.now()}`
  })
}

function connect(path: string): Libsql.Database {
  try {
    if (path !== ':memory:' && !path.startsWith('file:')) mkdirSync(dirname(path), { recursive: true })
    return new Libsql(path)
  } catch (cause) {
    const remedy = 'check that it is a file in a directory that this user may write'
    throw new Fault('invalid', `cannot open the metadata database ${path}: ${remedy} (${cause})`, { cause })
  }
}

const FAULTS: readonly [prefix: string, kind: 'unavailable' | 'corrupt' | 'invalid', remedy: string][] = [
  ['SQLITE_BUSY', 'unavailable', 'another process holds it; try again'],
  ['SQLITE_LOCKED', 'unavailable', 'another process holds it; try again'],
  ['SQLITE_FULL', 'unavailable', 'free some disk space'],
  ['SQLITE_IOERR', 'unavailable', 'check the disk'],
  ['SQLITE_CORRUPT', 'corrupt', 'restore it from a backup'],
  ['SQLITE_NOTADB', 'corrupt', 'name another file, or restore it from a backup'],
  ['SQLITE_READONLY', 'invalid', 'check that this user may write the file and its directory']
]

function sqliteFault(path: string, cause: unknown): Fault | undefined {
  if (!(cause instanceof Error) || !('code' in cause)) return undefined
  const code = String(cause.code)
  for (const [prefix, kind, remedy] of FAULTS) {
    if (code.startsWith(prefix)) {
      return new Fault(kind, `metadata database ${path}: ${cause.message} (${code}): ${remedy}`, { cause })
    }
  }
  return undefined
}

/**
 * Writing transactions take the write lock at their start. With a plain BEGIN, one that reads first and finds on its first
 * write that another process has written since fails at once, whatever the busy timeout (SQLITE_BUSY_SNAPSHOT).
 */
class ImmediateDriver extends SqliteDriver {
  readonly #connection: Libsql.Database

  constructor(connection: Libsql.Database) {
    super({ database: guarded(connection) })
    this.#connection = connection
  }

  override async beginTransaction(connection: DatabaseConnection, settings?: TransactionSettings): Promise<void> {
    const begin = settings?.accessMode === 'read only' ? 'begin' : 'begin immediate'
    await connection.executeQuery(CompiledQuery.raw(begin))
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // After a full disk or an I/O error SQLite has rolled back by itself; a second rollback would hide that error.
    if (this.#connection.inTransaction) await super.rollbackTransaction(connection)
  }
}

class ImmediateDialect extends SqliteDialect {
  readonly #connection: Libsql.Database

  constructor(connection: Libsql.Database) {
    super({ database: guarded(connection) })
    this.#connection = connection
  }

  override createDriver(): Driver {
    return new ImmediateDriver(this.#connection)
  }
}

/**
 * Short statements that are kept compiled, some 10 KiB each: half of what a small transaction costs is compiling. Long
 * ones are of many rows, take a hundred times that, and seldom come again with as many rows.
 */
const KEPT_STATEMENTS_MAX = 100
const KEPT_LENGTH_MAX = 1000

/**
 * Smooths two edges of libsql: it aborts the process on a boolean parameter, and returns blobs as `ArrayBuffer`. Keeps
 * the short statements that were used last.
 */
function guarded(connection: Libsql.Database): SqliteDatabase {
  const kept = new Map<string, SqliteStatement>()
  return {
    close: () => connection.close(),
    prepare(sql): SqliteStatement {
      const statement = kept.get(sql) ?? compile(connection, sql)
      if (sql.length > KEPT_LENGTH_MAX) return statement
      // Last used, last in the map.
      kept.delete(sql)
      kept.set(sql, statement)
      const [oldest] = kept.keys()
      if (kept.size > KEPT_STATEMENTS_MAX && oldest !== undefined) kept.delete(oldest)
      return statement
    }
  }
}

function compile(connection: Libsql.Database, sql: string): SqliteStatement {
  const statement = connection.prepare(sql)
  return {
    reader: statement.reader,
    run: (parameters) => statement.run(checkedParameters(parameters)),
    all: (parameters) => statement.all(checkedParameters(parameters)).map(withBuffers),
    iterate: () => {
      throw new Error('rows are not streamed')
    }
  }
}

function withBuffers(row: unknown): unknown {
  const record = row as Record<string, unknown>
  for (const column in record) {
    const value = record[column]
    if (value instanceof ArrayBuffer) record[column] = Buffer.from(value)
  }
  return record
}
