/**
 * A database handle: typed queries in transactions, the same on every engine. It knows tables, not what they mean.
 *
 * Invariants: an error that leaves `read` or `write` rolled everything back, except that a commit whose answer was lost
 * (`unavailable`) may have happened; such a transaction is never tried again here, because only its caller can tell what
 * its second run would do. Everything else that may be tried again is. So work may run several times, and must change
 * nothing outside its transaction. It must wait for nothing but the database: on SQLite the whole process shares one
 * connection, on PostgreSQL all writers of the cluster take turns.
 */
import type { Kysely, RawBuilder, Transaction } from 'kysely'
import { assert, Fault } from '../runtime/fault.ts'
import type { Tables } from './schema.ts'

export type Tx = Transaction<Tables>

/** Column types whose names differ between engines. */
export interface ColumnTypes {
  readonly int64: 'integer' | 'bigint'
  readonly bytes: 'blob' | 'bytea'
}

/** Hears of changes that other processes made. */
export interface ChangeListener {
  /**
   * The change feed has grown up to `seq`; undefined when the engine cannot tell, because it has only now begun to
   * listen, or again, and what was said before is lost.
   */
  changed(seq: number | undefined): void
  /** Nothing will be heard until `changed` is called again. Once per outage. */
  deaf(fault: Fault): void
}

/** What an engine adds to Kysely. */
export interface Engine {
  readonly kysely: Kysely<Tables>
  readonly columnTypes: ColumnTypes
  /** Where the data is, for messages; without secrets. */
  readonly name: string
  /** The fault that the engine's error means, or undefined when it can only be a bug of ours. */
  faultOf(error: unknown): Fault | undefined
  /** See `Database.now`. */
  now(): RawBuilder<number>
  /** Makes the rest of the transaction exclusive among writers; absent where every writing transaction is. */
  exclude?(tx: Tx): Promise<void>
  /** Tries again what may be; absent where nothing needs it. */
  attempt?<T>(work: () => Promise<T>, kind: WorkKind): Promise<T>
  /** Part of a transaction: tells every `onChange`, once it commits. Both absent where nobody can be told. */
  announce?(tx: Tx, seq: number): Promise<void>
  onChange?(listener: ChangeListener): () => void
  close?(): Promise<void>
}

/** `exclusive`: waits for all others of its kind. */
export type WorkKind = 'exclusive' | 'free'

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

  /**
   * The database's clock, wall milliseconds, the same one for all processes that share it: an expression, so that a
   * statement compares with it at the moment at which it takes effect.
   */
  get now(): RawBuilder<number> {
    return this.#engine.now()
  }

  /**
   * Runs `work` in one writing transaction, beside which no other one of `write` runs, of any process: what it reads
   * holds until it commits. With `announce` it says how far the change feed goes then.
   */
  write<T>(work: (tx: Tx, announce: (seq: number) => void) => Promise<T>): Promise<T> {
    const engine = this.#engine
    return this.#run('exclusive', () =>
      this.#transaction().execute(async (tx) => {
        let announced: number | undefined
        await engine.exclude?.(tx)
        const result = await work(tx, (seq) => {
          announced = seq
        })
        if (announced !== undefined) await engine.announce?.(tx, announced)
        return result
      })
    )
  }

  /**
   * Runs statements that wait for no transaction, unless it changes the same row. Each stands by itself, checks what it
   * changes, is right when it runs twice, and appends nothing to the change feed. For leases, which a node must be able
   * to renew whatever the others do.
   */
  writeBeside<T>(work: (database: Kysely<Tables>) => Promise<T>): Promise<T> {
    return this.#run('free', () => work(this.#engine.kysely))
  }

  /** Runs `work` on one consistent state of the database; it must not write. */
  read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#run('free', () =>
      this.#engine.kysely.transaction().setAccessMode('read only').setIsolationLevel('repeatable read').execute(work)
    )
  }

  /** Calls the listener until the returned function is called. Nothing may ever come: poll as well. */
  onChange(listener: ChangeListener): () => void {
    return this.#engine.onChange?.(listener) ?? (() => {})
  }

  /** Waits for transactions under way, then closes. Later calls are Fault `closed`. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await Promise.allSettled(this.#running)
    await this.#engine.close?.()
    await this.#engine.kysely.destroy()
  }

  /** Every statement sees what was committed before it, so that whoever had to wait works on what the others left. */
  #transaction() {
    return this.#engine.kysely.transaction().setAccessMode('read write').setIsolationLevel('read committed')
  }

  async #run<T>(kind: WorkKind, work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new Fault('closed', `the database ${this.#engine.name} is closed`)
    const run = this.#engine.attempt === undefined ? work() : this.#engine.attempt(work, kind)
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

/** Asserts that every engine can bind the values; gives them back. */
export function checkedParameters(parameters: readonly unknown[]): readonly unknown[] {
  for (const value of parameters) {
    const bindable = value === null || typeof value === 'string' || typeof value === 'number' || Buffer.isBuffer(value)
    assert(bindable, `${typeof value} cannot be an SQL parameter`)
  }
  return parameters
}

/** Rows or ids per statement: statements stay below every engine's limit on parameters (SQLite 32 766, PostgreSQL 65 535). */
const BATCH_MAX = 1000

/** Cuts `values` into pieces that fit one statement each; none when there are no values. */
export function* batches<T>(values: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < values.length; start += BATCH_MAX) yield values.slice(start, start + BATCH_MAX)
}
