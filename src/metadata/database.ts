/**
 * A database handle: typed queries in transactions, the same on every engine. It knows tables, not what they mean.
 *
 * Invariant: an error that leaves `read` or `write` rolled everything back, except that a commit whose answer was lost
 * (`unavailable`) may have happened. Work inside a transaction must wait for nothing but the database: on SQLite the
 * whole process shares one connection.
 */
import type { Kysely, Transaction } from 'kysely'
import { Fault } from '../runtime/fault.ts'
import type { Tables } from './schema.ts'

export type Tx = Transaction<Tables>

/** Column types whose names differ between engines. */
export interface ColumnTypes {
  readonly int64: 'integer' | 'bigint'
  readonly bytes: 'blob' | 'bytea'
}

/** What an engine adds to Kysely. */
export interface Engine {
  readonly kysely: Kysely<Tables>
  readonly columnTypes: ColumnTypes
  /** Where the data is, for messages. */
  readonly name: string
  /** The fault that the engine's error means, or undefined when it can only be a bug of ours. */
  faultOf(error: unknown): Fault | undefined
}

export class Database {
  readonly #engine: Engine
  readonly #running = new Set<Promise<unknown>>()
  #closed = false

  constructor(engine: Engine) {
    this.#engine = engine
  }

  get columnTypes(): ColumnTypes {
    return this.#engine.columnTypes
  }

  get name(): string {
    return this.#engine.name
  }

  /** Runs `work` in one writing transaction. On SQLite no other writer, of any process, runs beside it. */
  write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#run(() => this.#engine.kysely.transaction().execute(work))
  }

  /** Runs `work` on one consistent state of the database; it must not write. */
  read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#run(() =>
      this.#engine.kysely.transaction().setAccessMode('read only').setIsolationLevel('repeatable read').execute(work)
    )
  }

  /** Waits for transactions under way, then closes. Later calls are Fault `closed`. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await Promise.allSettled(this.#running)
    await this.#engine.kysely.destroy()
  }

  async #run<T>(transaction: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new Fault('closed', `the database ${this.#engine.name} is closed`)
    const run = transaction()
    this.#running.add(run)
    try {
      return await run
    } catch (error) {
      throw this.#engine.faultOf(error) ?? error
    } finally {
      this.#running.delete(run)
    }
  }
}

/** Rows or ids per statement: statements stay below every engine's limit on parameters (SQLite 32 766, PostgreSQL 65 535). */
const BATCH_MAX = 1000

/** Cuts `values` into pieces that fit one statement each; none when there are no values. */
export function* batches<T>(values: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < values.length; start += BATCH_MAX) yield values.slice(start, start + BATCH_MAX)
}
