/**
 * The adapter to PostgreSQL (`pg` under Kysely).
 *
 * Writers of all nodes take turns by one advisory lock, which a transaction takes first and holds until its end. Nobody
 * can hold it for long: a client that stands still in a transaction is thrown out by the server, one that is slow as
 * well, and a dead connection takes its lock with it. A commit that was answered is on the server's disk.
 *
 * No error ends the process or needs it to start again: each call tries for a while (`PostgresAttempts`), then fails with
 * a Fault (`postgres-faults.ts`), and the next one finds the server again once it is back.
 */
import { readFileSync } from 'node:fs'
import { checkServerIdentity } from 'node:tls'
import { Kysely, sql } from 'kysely'
import { type ClientConfig, types } from 'pg'
import type { Clock } from '../runtime/clock.ts'
import { assert, Fault } from '../runtime/fault.ts'
import type { Random } from '../runtime/random.ts'
import { Database } from './database.ts'
import { migrate, requireMigrated } from './migration-runner.ts'
import { PostgresAttempts } from './postgres-attempts.ts'
import { PooledPostgresDialect } from './postgres-driver.ts'
import { postgresFault } from './postgres-faults.ts'
import { CHANNEL, PostgresListener } from './postgres-listener.ts'
import { type PostgresLocation, parsePostgresLocation } from './postgres-location.ts'
import type { Tables } from './schema.ts'

const CONNECT_TIMEOUT_MS = 5000
const LOCK_TIMEOUT_MS = 8000
/**
 * When a silent server counts as gone. In a transaction it may be silent because of a lock; a lease must be renewed sooner,
 * on another connection when one leads nowhere, and waits at most for somebody who stands still in a transaction.
 */
const SILENCE_MS = { inTransaction: 10_000, beside: 3000 }
/** Rows that stream to a slow reader count. */
const STATEMENT_TIMEOUT_MS = 60_000
/** A process that was stopped in the middle of a transaction holds everybody up for so long. */
const IDLE_IN_TRANSACTION_MS = 2000
const KEEP_ALIVE_MS = 5000
/** Far more than are ever busy: two writers, one reader, leases, now and then a command. */
const POOL_MAX = 10
const POOL_IDLE_MS = 30_000

const READ_ONLY = '-c default_transaction_read_only=on'

/** Any numbers, always the same: who writes holds the advisory lock that they name. */
const WRITER_LOCK = sql.raw('1282369107, 1')

export interface PostgresEffects {
  readonly clock: Clock
  readonly random: Random
}

/**
 * Opens the database and brings its tables up to date; several processes may do so at once. Fault `invalid` when it cannot
 * be used as it is, `unavailable` when the server cannot be reached now.
 */
export async function openPostgres(url: string, effects: PostgresEffects): Promise<Database> {
  return opened(connect(parsePostgresLocation(url), effects), async (database) => {
    await requireDurable(database)
    await migrate(database)
  })
}

/** See `openToRead`. */
export async function openPostgresToRead(url: string, effects: PostgresEffects): Promise<Database> {
  return opened(connect(parsePostgresLocation(url), effects, 'read'), async (database) => {
    const { rows } = await database.read((tx) =>
      sql<{ found: number }>`select count(to_regclass('migration')) as found`.execute(tx)
    )
    if (rows[0]?.found !== 1) {
      throw new Fault('missing', `${database.name} holds no metadata: start a node on it, or name another database`)
    }
    await requireMigrated(database)
  })
}

async function opened(database: Database, check: (database: Database) => Promise<void>): Promise<Database> {
  try {
    await check(database)
    return database
  } catch (error) {
    await database.close()
    throw error
  }
}

function connect(location: PostgresLocation, effects: PostgresEffects, mode?: 'read'): Database {
  const { name } = location
  const client = { ...clientConfig(location), ...(mode === 'read' ? { options: READ_ONLY } : {}) }
  const attempts = new PostgresAttempts(effects)
  const listener = new PostgresListener({ ...effects, client, name })
  const pool = { ...client, max: POOL_MAX, idleTimeoutMillis: POOL_IDLE_MS }
  const readOnly = mode === 'read' ? { readOnlyName: name } : {}
  return new Database({
    kysely: new Kysely<Tables>({
      dialect: new PooledPostgresDialect({ pool, clock: effects.clock, silenceMs: SILENCE_MS, ...readOnly })
    }),
    columnTypes: { int64: 'bigint', bytes: 'bytea' },
    name,
    faultOf: (error) => postgresFault(name, error),
    now: () => sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`,
    exclude: async (tx) => {
      await sql`select pg_advisory_xact_lock(${WRITER_LOCK})`.execute(tx)
    },
    attempt: (work, kind) => attempts.run(work, kind),
    announce: async (tx, seq) => {
      await sql`select pg_notify(${CHANNEL}, ${String(seq)})`.execute(tx)
    },
    onChange: (heard) => listener.add(heard),
    close: () => listener.close()
  })
}

function clientConfig(location: PostgresLocation): ClientConfig {
  const { host, port, database, user, password, applicationName } = location
  return {
    host,
    port,
    database,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ssl: tlsOptions(location),
    application_name: applicationName,
    types: { getTypeParser },
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS
  }
}

function tlsOptions({ tls, name }: PostgresLocation): Exclude<ClientConfig['ssl'], undefined> {
  if (tls === undefined) return false
  const { verify, rootCertificates } = tls
  return {
    rejectUnauthorized: verify !== 'nothing',
    checkServerIdentity: verify === 'signer and host' ? checkServerIdentity : () => undefined,
    ...(rootCertificates === undefined ? {} : { ca: readCertificates(rootCertificates, name) })
  }
}

function readCertificates(path: string, name: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('invalid', `metadata database ${name}: sslrootcert cannot be read: ${reason}`, { cause })
  }
}

/** Values come as the schema promises: see `schema.ts`. */
const getTypeParser = ((oid: number, format?: 'text' | 'binary') => {
  if (oid === types.builtins.INT8 || oid === types.builtins.NUMERIC) return safeNumber
  return format === 'binary' ? types.getTypeParser(oid, format) : types.getTypeParser(oid)
}) as typeof types.getTypeParser

function safeNumber(text: string): number {
  const value = Number(text)
  assert(Math.abs(value) <= Number.MAX_SAFE_INTEGER, `the database holds ${text}, which is more than 2^53`)
  return value
}

/** Epochs that were granted must not be forgotten when the server crashes: two nodes would have the same one. */
async function requireDurable(database: Database): Promise<void> {
  const { rows } = await database.read((tx) =>
    sql<{ setting: string }>`select current_setting('synchronous_commit') as setting`.execute(tx)
  )
  if (rows[0]?.setting !== 'off') return
  throw new Fault(
    'invalid',
    `${database.name} has synchronous_commit off, so that a crash of the server would undo commits: turn it on, at least ` +
      'for this user (ALTER ROLE … SET synchronous_commit = on)'
  )
}
