/** Opens a metadata database on the engine that its URL names: `sqlite:` or `postgres:`. */
import type { Clock } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { systemRandom } from '../runtime/system-random.ts'
import type { Database } from './database.ts'
import { isPostgresUrl } from './postgres-location.ts'
import { openSqlite, openSqliteToRead, requireSqliteFolder } from './sqlite-database.ts'

export interface DatabaseEffects {
  /** On SQLite also the database's own clock. */
  readonly clock: Clock
  readonly random: Random
}

const SYSTEM: DatabaseEffects = { clock: systemClock, random: systemRandom }

/** Brings the tables up to date. Fault `invalid` when the URL or the database cannot be used, with what to do. */
export async function openDatabase(url: string, effects = SYSTEM): Promise<Database> {
  if (isPostgresUrl(url)) return (await loadPostgres()).openPostgres(url, effects)
  return openSqlite(url, effects.clock)
}

/**
 * Opens it to look at it, beside nodes or without any: nothing of it is changed or made, and `write` is Fault `invalid`.
 * Fault `missing` when there is none, `invalid` when another version wrote it.
 */
export async function openToRead(url: string, effects = SYSTEM): Promise<Database> {
  if (isPostgresUrl(url)) return (await loadPostgres()).openPostgresToRead(url, effects)
  return openSqliteToRead(url, effects.clock)
}

/**
 * Fault `missing` when the folder of an SQLite database is not there: for commands that may make the database, but not a
 * whole data directory because its name was mistyped.
 */
export function requireDatabaseFolder(url: string): void {
  if (!isPostgresUrl(url)) requireSqliteFolder(url)
}

/** Only where it is used: a node on SQLite starts faster without it. */
function loadPostgres() {
  return import('./postgres-database.ts')
}
