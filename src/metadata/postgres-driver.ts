/**
 * Kysely on a pool of `pg`: as Kysely's own driver, but it knows where in a transaction an error struck
 * (`PostgresFailure`), and never keeps a connection that may be dead.
 *
 * Invariant: a connection goes back to the pool only when it answered everything and no transaction is open on it. No
 * error of an idle connection reaches the process: the pool drops it, and the next caller gets another.
 */
import type { Socket } from 'node:net'
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  PostgresDialect,
  type QueryResult,
  type TransactionSettings
} from 'kysely'
import { type Client, Pool, type PoolClient, type PoolConfig } from 'pg'
import type { Clock } from '../runtime/clock.ts'
import { AssertionFault, assert, Fault } from '../runtime/fault.ts'
import { checkedParameters } from './database.ts'
import { PostgresFailure, type PostgresStage } from './postgres-faults.ts'

export interface PostgresDriverParts {
  readonly pool: PoolConfig
  readonly clock: Clock
  /** A server that sends nothing for so long while it owes an answer counts as gone. */
  readonly silenceMs: {
    /** Longer than a transaction may wait for a lock. */
    readonly inTransaction: number
    /** For statements that stand by themselves. */
    readonly beside: number
  }
  /** Makes writing a Fault that names the database; the server must have been told to refuse it as well. */
  readonly readOnlyName?: string
}

export class PooledPostgresDialect extends PostgresDialect {
  readonly #parts: PostgresDriverParts

  constructor(parts: PostgresDriverParts) {
    // The base needs a pool for its driver only, which is another one here.
    super({ pool: () => Promise.reject(new Error('unused')) })
    this.#parts = parts
  }

  override createDriver(): Driver {
    return new PooledPostgresDriver(this.#parts)
  }
}

/** The first look is a moment after the question; this many in a row without a byte, and the server counts as dead. */
const SILENT_LOOKS = 5

/** SQLSTATE read_only_sql_transaction. */
const READ_ONLY = '25006'

class PooledPostgresDriver implements Driver {
  readonly #parts: PostgresDriverParts
  #pool: Pool
  readonly #retired = new Set<Promise<void>>()

  constructor(parts: PostgresDriverParts) {
    this.#parts = parts
    this.#pool = createPool(parts.pool)
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    const pool = this.#pool
    try {
      const client = await pool.connect()
      return new PostgresConnection(client, this.#parts, () => this.#retire(pool))
    } catch (cause) {
      throw new PostgresFailure('connect', cause)
    }
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    const { accessMode = 'read write', isolationLevel = 'read committed' } = settings
    const { readOnlyName } = this.#parts
    if (readOnlyName !== undefined && accessMode !== 'read only') throw openedToRead(readOnlyName)
    await ours(connection).run(`begin isolation level ${isolationLevel} ${accessMode}`)
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    const command = await ours(connection).run('commit', 'commit')
    // A transaction in which a statement failed is rolled back by its commit, without an error.
    assert(command === 'COMMIT', 'work went on after a statement of it had failed, and is lost')
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // A second error would hide the first, which led here; the connection is given up then.
    await ours(connection)
      .run('rollback')
      .catch(() => {})
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    ours(connection).release()
  }

  async destroy(): Promise<void> {
    await Promise.all([this.#pool.end(), ...this.#retired])
  }

  /** When one connection of a pool turned out to lead nowhere, its idle ones do too: each would cost a caller the wait. */
  #retire(pool: Pool): void {
    if (pool !== this.#pool) return
    this.#pool = createPool(this.#parts.pool)
    const ended = pool.end().finally(() => this.#retired.delete(ended))
    this.#retired.add(ended)
  }
}

function createPool(config: PoolConfig): Pool {
  const pool = new Pool(config)
  // Who uses a connection hears of its end from its own statement, and an idle one is of no use to anybody.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

function ours(connection: DatabaseConnection): PostgresConnection {
  assert(connection instanceof PostgresConnection, 'a connection of another driver')
  return connection
}

class PostgresConnection implements DatabaseConnection {
  readonly #client: PoolClient
  readonly #parts: PostgresDriverParts
  readonly #retirePool: () => void
  #isBroken = false
  /** What the server said when it ended the connection between two statements. */
  #lastWord: Error | undefined
  #isReadOnly = false
  #isInTransaction = false
  readonly #hearError = (error: Error): void => {
    this.#isBroken = true
    this.#lastWord ??= error
  }

  constructor(client: PoolClient, parts: PostgresDriverParts, retirePool: () => void) {
    this.#client = client
    this.#parts = parts
    this.#retirePool = retirePool
    client.on('error', this.#hearError)
  }

  /** Runs a statement that controls the transaction; returns what the server calls it. */
  async run(sql: string, stage: PostgresStage = 'statement'): Promise<string> {
    const isBegin = sql.startsWith('begin')
    if (isBegin) this.#isReadOnly = sql.endsWith('read only')
    this.#isInTransaction = true
    // What only read has nothing that could have happened.
    const { command } = await this.#query(sql, [], this.#isReadOnly ? 'statement' : stage)
    this.#isInTransaction = isBegin
    return command
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const { command, rowCount, rows } = await this.#query(sql, checkedParameters(parameters), 'statement')
    const isChange = command === 'INSERT' || command === 'UPDATE' || command === 'DELETE'
    return isChange ? { numAffectedRows: BigInt(rowCount ?? 0), rows } : { rows }
  }

  // biome-ignore lint/correctness/useYield: it only refuses
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('rows are not streamed')
  }

  release(): void {
    this.#client.off('error', this.#hearError)
    this.#client.release(this.#isBroken)
  }

  async #query(sql: string, parameters: readonly unknown[], stage: PostgresStage) {
    if (this.#isBroken) throw new PostgresFailure('statement', this.#lastWord ?? new Error('the connection is broken'))
    const endWatch = this.#watchForSilence()
    try {
      return await this.#client.query(sql, [...parameters])
    } catch (error) {
      throw this.#failureOf(error, stage)
    } finally {
      endWatch()
    }
  }

  #failureOf(error: unknown, stage: PostgresStage): PostgresFailure | AssertionFault | Fault {
    if (error instanceof AssertionFault) return error
    const { readOnlyName } = this.#parts
    const failure = new PostgresFailure(stage, this.#lastWord ?? error)
    // Errors that leave the connection alive come from the server and say so.
    const severity = error instanceof Error && 'severity' in error ? error.severity : undefined
    if (severity !== 'ERROR' || stage === 'commit') this.#isBroken = true
    if (failure.code === READ_ONLY && readOnlyName !== undefined) return openedToRead(readOnlyName, failure)
    // A server that is a standby now was the primary when it was connected to: look for the new one.
    if (failure.code === READ_ONLY) {
      this.#isBroken = true
      this.#retirePool()
    }
    return failure
  }

  /** A machine that vanished answers nothing, and TCP waits for minutes before it gives up on what was sent. */
  #watchForSilence(): () => void {
    const { clock } = this.#parts
    const silenceMs = this.#parts.silenceMs[this.#isInTransaction ? 'inTransaction' : 'beside']
    const socket = socketOf(this.#client)
    let received = socket.bytesRead
    let silent = 0
    const look = (): void => {
      // One look may come late and before the bytes that wait in the kernel, when this process stood still.
      silent = socket.bytesRead === received ? silent + 1 : 0
      received = socket.bytesRead
      if (silent < SILENT_LOOKS) cancel = clock.after(silenceMs / SILENT_LOOKS, look)
      else this.#giveUp(silenceMs)
    }
    let cancel = clock.after(silenceMs / SILENT_LOOKS, look)
    return () => cancel()
  }

  #giveUp(silenceMs: number): void {
    this.#isBroken = true
    this.#lastWord = new Error(`no answer for ${silenceMs} ms`)
    this.#retirePool()
    socketOf(this.#client).destroy()
  }
}

function openedToRead(name: string, cause?: PostgresFailure): Fault {
  return new Fault('invalid', `metadata database ${name} was opened to be read: nothing can be written`, { cause })
}

/** `pg` does not show its socket in its types; with TLS it is that of the encrypted side. */
export function socketOf(client: PoolClient | Client): Socket {
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection
  return stream
}
