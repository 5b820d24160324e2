/**
 * One live process per directory of data. The lock is the operating system's: SQLite's exclusive lock on a small file of
 * its own, so it goes when the process does, however that dies, and a stale file means nothing.
 *
 * It guards against processes on the same machine; a network file system must support POSIX locks. The process id
 * stands beside the lock only to be read by people; it decides nothing. (It is not inside the locked file, because
 * closing any other descriptor of that file would drop this process's lock.)
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Libsql from 'libsql'
import { Fault } from '../runtime/fault.ts'

/** What a locked directory is, in messages. */
export interface LockedPlace {
  readonly directory: string
  /** Such as "data directory". */
  readonly what: string
  /** The flag that names another one. */
  readonly flag: string
}

export class DirectoryLock {
  readonly #connection: Libsql.Database
  readonly #pidFile: string

  private constructor(connection: Libsql.Database, pidFile: string) {
    this.#connection = connection
    this.#pidFile = pidFile
  }

  /**
   * Makes the directory when it is missing and takes its lock, until `release` or the end of the process. Keep the
   * result reachable. Fault `conflict` when a live process holds it, this one included; `invalid` when the directory
   * cannot be used.
   */
  static acquire(place: LockedPlace): DirectoryLock {
    const { directory, what, flag } = place
    const pidFile = join(directory, 'longhaul.pid')
    const connection = openLockFile(place)
    try {
      connection.exec('PRAGMA busy_timeout = 0')
      // Nothing is ever written to it: a journal would only need room, which a full disk does not have.
      connection.exec('PRAGMA journal_mode = OFF')
      connection.exec('BEGIN EXCLUSIVE')
    } catch (cause) {
      connection.close()
      if (!(cause instanceof Error && 'code' in cause && String(cause.code).startsWith('SQLITE_BUSY'))) {
        throw new Fault('invalid', `cannot lock the ${what} ${directory}: ${cause}`, { cause })
      }
      throw new Fault(
        'conflict',
        `the ${what} ${directory} is in use by ${ownerOf(pidFile)}: stop that one, or choose another with ${flag}`,
        { cause }
      )
    }
    try {
      writeFileSync(pidFile, `${process.pid}\n`)
    } catch {
      // Only people read it; on a full disk they have to do without.
    }
    return new DirectoryLock(connection, pidFile)
  }

  /** Gives the lock back; calling it again does nothing. */
  release(): void {
    if (!this.#connection.open) return
    rmSync(this.#pidFile, { force: true })
    this.#connection.exec('ROLLBACK')
    this.#connection.close()
  }
}

function openLockFile({ directory, what }: LockedPlace): Libsql.Database {
  try {
    mkdirSync(directory, { recursive: true })
    return new Libsql(join(directory, 'longhaul.lock'))
  } catch (cause) {
    throw new Fault('invalid', `cannot use the ${what} ${directory}: ${cause}`, { cause })
  }
}

function ownerOf(pidFile: string): string {
  try {
    return `process ${readFileSync(pidFile, 'utf8').trim()}`
  } catch {
    // The owner has not written it yet, or has just removed it; the lock itself has already answered.
    return 'another process'
  }
}
